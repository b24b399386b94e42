//! The transaction and the relay, on a real database file.

#![allow(clippy::expect_used, reason = "in a test a panic is the finding")]

mod support;

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use kernel::background::ANSWERS_KEPT;
use kernel::config::EventsConfig;
use kernel::db::{Column, Db, Values, evaluate, execute, next_gapless_number, query_all};
use kernel::events::{Event, EventData, Relay, Subscriber, SubscriberMap, Subscriptions, parked};
use kernel::{Ctx, Error, Result};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, IntoActiveModel};
use serde::{Deserialize, Serialize};
use support::{Dir, count, open, reopen};
use tokio::sync::watch;
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
struct Happened {
    n: i64,
}

impl EventData for Happened {
    const TYPE: &'static str = "test.thing.happened";
}

const HEARD: Subscriptions = &[(Happened::TYPE, &["listener"])];

async fn publish(db: &Db, aggregate: Uuid, n: i64) {
    let mut tx = db.begin(&Ctx::system("test")).await.expect("a transaction");
    tx.audit_new("thing", aggregate, &n).expect("noted");
    tx.publish(aggregate, n, &Happened { n }).expect("noted");
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn what_is_not_committed_leaves_no_trace() {
    let (db, _dir) = open(HEARD).await;
    let mut tx = db.begin(&Ctx::system("test")).await.expect("a transaction");
    tx.audit_new("thing", Uuid::now_v7(), &1).expect("noted");
    tx.publish(Uuid::now_v7(), 1, &Happened { n: 1 }).expect("noted");
    next_gapless_number(&*tx, "T", 2026).await.expect("a number");
    drop(tx);
    for table in ["audit_log", "events", "outbox", "number_series"] {
        assert_eq!(count(&db, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn numbers_have_no_gap_after_a_rollback() {
    let (db, _dir) = open(HEARD).await;
    let mut drawn = Vec::new();
    for commit in [true, false, true] {
        let tx = db.begin(&Ctx::system("test")).await.expect("a transaction");
        drawn.push(next_gapless_number(&*tx, "T", 2026).await.expect("a number").0);
        if commit {
            tx.commit().await.expect("committed");
        }
    }
    assert_eq!(drawn, ["T-2026-000001", "T-2026-000002", "T-2026-000002"]);
}

mod applied {
    use chrono::{DateTime, Utc};
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "inbox")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: Uuid,
        pub r#type: String,
        pub applied_at: DateTime<Utc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn what_is_written_last_is_written_or_all_is_undone() {
    let (db, _dir) = open(HEARD).await;
    let begin = async || {
        let mut tx = db.begin(&Ctx::system("test")).await.expect("a transaction");
        let row = || applied::Model {
            event_id: Uuid::now_v7(),
            r#type: "late".into(),
            applied_at: tx.now(),
        };
        tx.insert_late([row(), row()].map(IntoActiveModel::into_active_model)).expect("noted");
        tx.audit_new("thing", Uuid::now_v7(), &1).expect("noted");
        tx
    };
    let counting_on = async |tx: &kernel::db::Tx, series: &str| {
        let rows = [vec![series.into(), 1_i64.into()]];
        let columns = [("series", Column::Text), ("n", Column::BigInt)];
        let values = Values::new(tx.get_database_backend(), "v", &columns, rows);
        let sql = "UPDATE number_series SET last = number_series.last + v.n FROM v \
                   WHERE number_series.series = v.series";
        tx.conclude(values, sql.to_owned(), 1).await
    };
    let counts = async || {
        let mut counts = Vec::new();
        for table in ["inbox", "audit_log", "number_series WHERE last = 3"] {
            counts.push(count(&db, table).await);
        }
        counts
    };

    let tx = begin().await;
    next_gapless_number(&*tx, "T", 2026).await.expect("a number");
    counting_on(&tx, "T-2026").await.expect("noted");
    // One after the other, in the order they were asked for.
    counting_on(&tx, "T-2026").await.expect("noted");
    let found: Vec<Last> =
        query_all(&*tx, "SELECT last FROM number_series", vec![]).await.expect("read");
    assert_eq!(found[0].last, 2);
    tx.settle().await.expect("written");
    tx.commit().await.expect("committed");
    assert_eq!(counts().await, [2, 1, 1]);

    let tx = begin().await;
    counting_on(&tx, "unknown").await.expect("noted");
    tx.commit().await.expect_err("it touches nothing");
    assert_eq!(counts().await, [2, 1, 1], "nothing of it is there");
}

#[derive(FromQueryResult)]
struct Last {
    last: i64,
}

#[tokio::test]
async fn the_audit_log_is_chained_and_append_only() {
    let (db, dir) = open(HEARD).await;
    // Of one thing, and so in one chain.
    let aggregate = Uuid::now_v7();
    for n in 1..=3 {
        publish(&db, aggregate, n).await;
    }
    let violations = |reports: kernel::db::LawReports| {
        reports.laws.iter().find(|law| law.id == "A-5").expect("the law").violations
    };
    assert_eq!(violations(evaluate(db.read(), &[]).await.expect("evaluated")), 0);

    for sql in ["UPDATE audit_log SET after = 'x'", "DELETE FROM audit_log", "DELETE FROM events"] {
        let tx = db.begin(&Ctx::system("test")).await.expect("a transaction");
        let refused = execute(&*tx, sql, vec![]).await.expect_err("refused");
        assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
    }

    // With the trigger out of the way a change is possible, and found.
    let tx = db.begin(&Ctx::system("test")).await.expect("a transaction");
    let drop = match tx.get_database_backend() {
        DbBackend::Postgres => "DROP TRIGGER audit_log_no_update ON audit_log",
        _ => "DROP TRIGGER audit_log_no_update",
    };
    execute(&*tx, drop, vec![]).await.expect("dropped");
    execute(&*tx, "UPDATE audit_log SET hash = 'forged' WHERE seq = 2", vec![])
        .await
        .expect("changed");
    tx.commit().await.expect("committed");
    assert_eq!(violations(evaluate(db.read(), &[]).await.expect("evaluated")), 1);
    std::mem::drop(db);
    // Opening once more runs no migration twice.
    reopen(&dir, HEARD).await;
}

#[tokio::test]
async fn old_answers_are_forgotten_and_later_ones_are_not() {
    let (db, _dir) = open(HEARD).await;
    let ctx = Ctx::system("test");
    let now = Utc::now();
    let sql = "INSERT INTO idempotency_keys (key, scope, body_hash, status, body, created_at) \
               VALUES ($1, 'test', '', 200, '{}', $2)";
    let tx = db.begin(&ctx).await.expect("a transaction");
    // More than one batch.
    for n in 0..1502 {
        let given = if n < 1500 { now - TimeDelta::days(8) } else { now };
        let values = vec![n.to_string().into(), given.into()];
        execute(&*tx, sql, values).await.expect("inserted");
    }
    tx.commit().await.expect("committed");
    let before = now - ANSWERS_KEPT;
    assert_eq!(db.forget_answers(&ctx, before).await.expect("forgotten"), 1500);
    assert_eq!(db.forget_answers(&ctx, before).await.expect("forgotten"), 0);
    assert_eq!(count(&db, "idempotency_keys").await, 2);
}

/// Applies events, failing each one named in `failing` that many times first.
struct Listener {
    db: Db,
    failing: Mutex<Vec<(i64, u32)>>,
    /// How often nobody is there, before anything else.
    away: Mutex<u32>,
    applied: Mutex<Vec<(Uuid, i64)>>,
}

#[async_trait]
impl Subscriber for Listener {
    async fn handle(&self, event: &Event) -> Result<()> {
        let n = event.parse::<Happened>()?.n;
        let is_away = {
            let mut away = self.away.lock().expect("whole");
            let is_away = *away > 0;
            *away = away.saturating_sub(1);
            is_away
        };
        if is_away {
            return Err(Error::unavailable("module_unavailable", "nobody is there", 1));
        }
        if let Some(left) =
            self.failing.lock().expect("whole").iter_mut().find(|f| f.0 == n && f.1 > 0)
        {
            left.1 -= 1;
            return Err(Error::internal("not now"));
        }
        let Some(tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        tx.commit().await?;
        self.applied.lock().expect("whole").push((event.aggregate_id, n));
        Ok(())
    }
}

struct Setup {
    db: Db,
    listener: Arc<Listener>,
    _dirs: (Dir, Dir),
    stop: watch::Sender<bool>,
}

async fn relayed(failing: Vec<(i64, u32)>, max_attempts: i64) -> Setup {
    let (db, dir) = open(HEARD).await;
    let (own, own_dir) = open(HEARD).await;
    let listener = Arc::new(Listener {
        db: own,
        failing: Mutex::new(failing),
        away: Mutex::default(),
        applied: Mutex::default(),
    });
    let mut subscribers = SubscriberMap::new();
    subscribers.insert("listener", listener.clone());
    let config = EventsConfig { max_attempts, first_retry_ms: 1, max_retry_ms: 20, batch: 100 };
    let (stop, stopping) = watch::channel(false);
    let relay = Relay::new(db.clone(), subscribers, config);
    tokio::spawn(async move { relay.run(stopping).await });
    Setup { db, listener, _dirs: (dir, own_dir), stop }
}

/// Waits until `n` deliveries are outstanding.
async fn until_undelivered(db: &Db, n: i64) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while db.undelivered().await.expect("counted") != n {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.expect("the relay gets there");
}

#[tokio::test]
async fn events_of_one_aggregate_arrive_in_order_though_some_fail_at_first() {
    let setup = relayed(vec![(1, 3), (4, 1)], 20).await;
    let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
    for n in 1..=6 {
        publish(&setup.db, if n % 2 == 1 { a } else { b }, n).await;
    }
    until_undelivered(&setup.db, 0).await;
    let applied = setup.listener.applied.lock().expect("whole").clone();
    let of = |id| applied.iter().filter(|e| e.0 == id).map(|e| e.1).collect::<Vec<_>>();
    assert_eq!((of(a), of(b)), (vec![1, 3, 5], vec![2, 4, 6]));
    let _ = setup.stop.send(true);
}

#[tokio::test]
async fn what_never_succeeds_is_parked_and_holds_back_only_its_own_aggregate() {
    let setup = relayed(vec![(1, u32::MAX)], 3).await;
    let (bad, good) = (Uuid::now_v7(), Uuid::now_v7());
    publish(&setup.db, bad, 1).await;
    publish(&setup.db, bad, 2).await;
    publish(&setup.db, good, 3).await;
    until_undelivered(&setup.db, 2).await;
    let parked = tokio::time::timeout(Duration::from_secs(10), async {
        while count(&setup.db, "outbox WHERE parked_at IS NOT NULL").await != 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    parked.await.expect("it is parked");
    assert_eq!(setup.listener.applied.lock().expect("whole").as_slice(), [(good, 3)]);
    let reports = evaluate(setup.db.read(), &[]).await.expect("evaluated");
    let law = reports.laws.iter().find(|law| law.id == "E-4").expect("the law");
    assert_eq!(law.violations, 1, "a parked event is reported");

    let listed = parked::list(&setup.db).await.expect("listed").data;
    let [event] = listed.as_slice() else { panic!("one is parked: {listed:?}") };
    assert_eq!((event.aggregate_id, event.attempts, event.waiting), (bad, 3, 1));
    let error = event.last_error.as_deref().expect("an error");
    assert!(error.contains("not now"), "{error}");
    let unknown = parked::replay(&setup.db, &Ctx::system("test"), event.id + 1).await;
    assert_eq!(unknown.expect_err("it is not parked").status(), 404);
    // Once it can be applied, so is what waited for it.
    setup.listener.failing.lock().expect("whole").clear();
    parked::replay(&setup.db, &Ctx::system("test"), event.id).await.expect("replayed");
    until_undelivered(&setup.db, 0).await;
    let applied = setup.listener.applied.lock().expect("whole").clone();
    assert_eq!(applied, [(good, 3), (bad, 1), (bad, 2)]);
    assert!(parked::list(&setup.db).await.expect("listed").data.is_empty());
    let _ = setup.stop.send(true);
}

#[tokio::test]
async fn what_is_given_up_holds_nothing_back() {
    let setup = relayed(vec![(1, u32::MAX)], 1).await;
    let aggregate = Uuid::now_v7();
    publish(&setup.db, aggregate, 1).await;
    publish(&setup.db, aggregate, 2).await;
    let id = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let parked = parked::list(&setup.db).await.expect("listed").data;
            match parked.first() {
                Some(event) => break event.id,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    });
    let id = id.await.expect("it is parked");
    parked::drop(&setup.db, &Ctx::system("test"), id).await.expect("dropped");
    until_undelivered(&setup.db, 0).await;
    assert_eq!(setup.listener.applied.lock().expect("whole").as_slice(), [(aggregate, 2)]);
    let dropped = count(&setup.db, "audit_log WHERE resource_type = 'parked_event'").await;
    assert_eq!(dropped, 1, "and who did it is told");
    let _ = setup.stop.send(true);
}

#[tokio::test]
async fn nothing_is_parked_while_its_subscriber_is_away() {
    let setup = relayed(vec![], 2).await;
    *setup.listener.away.lock().expect("whole") = 4;
    publish(&setup.db, Uuid::now_v7(), 1).await;
    until_undelivered(&setup.db, 0).await;
    assert_eq!(setup.listener.applied.lock().expect("whole").len(), 1);
    assert_eq!(*setup.listener.away.lock().expect("whole"), 0);
    let _ = setup.stop.send(true);
}

#[derive(FromQueryResult)]
struct Stored {
    id: Uuid,
    data: String,
}

#[tokio::test]
async fn an_event_delivered_twice_is_applied_once() {
    let (db, _dir) = open(HEARD).await;
    publish(&db, Uuid::now_v7(), 7).await;
    let sql = "SELECT id, data FROM events";
    let stored: Vec<Stored> = query_all(db.read(), sql, vec![]).await.expect("read");
    let event = Event {
        id: stored[0].id,
        kind: Happened::TYPE.into(),
        version: 1,
        occurred_at: chrono::Utc::now(),
        aggregate_id: Uuid::now_v7(),
        aggregate_version: 1,
        correlation_id: "test".into(),
        causation_id: None,
        actor: kernel::Actor::system("test"),
        previous: None,
        attempts: 0,
        traceparent: None,
        data: serde_json::from_str(&stored[0].data).expect("JSON"),
    };
    let first = db.begin_event(&event).await.expect("begun").expect("the first delivery");
    first.commit().await.expect("committed");
    assert!(db.begin_event(&event).await.expect("begun").is_none());
}
