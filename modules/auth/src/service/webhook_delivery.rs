//! Telling webhooks: events are taken from the modules' logs, a row for each webhook that is
//! to be told, and sent until the other side has them or it is given up.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::WebhookId;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use kernel::db::{Column, Tx, Values, execute, insert_all, query_all};
use kernel::events::log::{EventLog, Portion, Wanted};
use kernel::{Ctx, Result};
use rand::RngExt;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use crate::WebhooksConfig;
use crate::entities::webhook::DisabledWhy;
use crate::entities::webhook_delivery::State;
use crate::entities::{webhook, webhook_delivery};
use crate::service::Service;
use crate::service::event_feed::{is_told, public};
use crate::service::outside::{Answer, Failure};
use crate::service::webhooks::{new_delivery, signatures, view};

/// Events taken from a log at a time.
const PORTION: u16 = 200;
/// Portions taken of one log in one round: then it is time to send.
const MAX_PORTIONS: usize = 20;
/// Deliveries of one round, and how many are under way at a time.
const ROUND: u64 = 200;
const AT_ONCE: usize = 16;
/// What is kept of why a delivery failed.
const MAX_ERROR_CHARS: usize = 300;

/// A module and how far its log has been read.
#[derive(FromQueryResult)]
struct Position {
    module: String,
    seq: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// Where the last attempt arrived.
    Healthy,
    /// Where it did not: they may take their time, and keep nobody else waiting.
    Failing,
}

impl Service {
    /// Takes new events from the logs of all modules, as long as a webhook is to be told.
    pub(super) async fn take_events(&self, ctx: &Ctx) -> Result<()> {
        let active = webhook::Entity::find().filter(webhook::Column::DisabledAt.is_null());
        let active = active.all(self.db.read()).await?;
        let sql = "SELECT module, seq FROM webhook_positions";
        let positions: Vec<Position> = query_all(self.db.read(), sql, vec![]).await?;
        let Some(since) = active.iter().map(|webhook| webhook.active_from).min() else {
            return self.forget_positions(ctx, positions.is_empty()).await;
        };
        let positions: BTreeMap<_, _> =
            positions.into_iter().map(|position| (position.module, position.seq)).collect();
        let logs = self.logs().map(|(module, log)| {
            let after = positions.get(module).copied();
            async move { (module, self.take_from(ctx, module, log, after, since).await) }
        });
        for (module, taken) in join_all(logs).await {
            if let Err(error) = taken {
                // Its events wait in its log.
                tracing::warn!(module, error = ?error, "webhooks are not told of its events");
            }
        }
        Ok(())
    }

    /// Where nobody is to be told nothing is remembered: the next webhook begins where it
    /// was made.
    async fn forget_positions(&self, ctx: &Ctx, is_done: bool) -> Result<()> {
        if is_done {
            return Ok(());
        }
        let tx = self.db.begin(ctx).await?;
        // One may have been made just now: what it was not told of yet must not be lost.
        let sql = "DELETE FROM webhook_positions WHERE NOT EXISTS \
                   (SELECT 1 FROM webhooks WHERE disabled_at IS NULL)";
        execute(&*tx, sql, vec![]).await?;
        tx.commit().await
    }

    async fn take_from(
        &self,
        ctx: &Ctx,
        module: &'static str,
        log: &dyn EventLog,
        mut after: Option<i64>,
        since: DateTime<Utc>,
    ) -> Result<()> {
        for _ in 0..MAX_PORTIONS {
            let wanted = Wanted { after, since: Some(since), types: Vec::new(), limit: PORTION };
            // With the deadline of a request: the job's own context may be old by now.
            let portion = log.read_events(&Ctx::system("take_events"), &wanted).await?;
            let (position, has_more) = (portion.position, portion.has_more);
            if after != Some(position) {
                self.note(ctx, module, portion).await?;
            }
            after = Some(position);
            if !has_more {
                break;
            }
        }
        Ok(())
    }

    /// A row for each event and webhook, and how far the log was read, in one transaction: no
    /// event is left out, and none is there twice.
    async fn note(&self, ctx: &Ctx, module: &str, portion: Portion) -> Result<()> {
        let tx = self.db.begin(ctx).await?;
        let active = webhook::Entity::find()
            .filter(webhook::Column::DisabledAt.is_null())
            .order_by_asc(webhook::Column::Id)
            .lock_shared();
        let active: Vec<_> =
            active.all(&*tx).await?.into_iter().map(|w| (w.active_from, view(w))).collect();
        let mut rows = Vec::new();
        for (_, event) in portion.events {
            let event = public(event);
            for (active_from, webhook) in &active {
                let is_wanted = webhook.event_types.iter().any(|f| is_told(f, &event.kind));
                if is_wanted && event.timestamp >= *active_from {
                    rows.push(new_delivery(webhook.id, &event, tx.now())?.into_active_model());
                }
            }
        }
        insert_all(&*tx, rows).await?;
        let sql = "INSERT INTO webhook_positions (module, seq) VALUES ($1, $2) \
                   ON CONFLICT (module) DO UPDATE SET seq = excluded.seq";
        execute(&*tx, sql, vec![module.into(), portion.position.into()]).await?;
        tx.commit().await
    }

    /// Sends what is due.
    pub(super) async fn send_due(&self, ctx: &Ctx, whom: Whom) -> Result<()> {
        let failing = match whom {
            Whom::Healthy => "w.failing_since IS NULL",
            Whom::Failing => "w.failing_since IS NOT NULL",
        };
        let sql = format!(
            "SELECT d.*, w.url FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id \
             WHERE d.next_attempt_at <= $1 AND w.disabled_at IS NULL AND {failing} \
             ORDER BY d.next_attempt_at, d.id LIMIT {ROUND}"
        );
        let due: Vec<Due> = query_all(self.db.read(), sql, vec![Utc::now().into()]).await?;
        if due.is_empty() {
            return Ok(());
        }
        let mut ids: Vec<_> = due.iter().map(|due| due.delivery.webhook_id).collect();
        ids.sort();
        ids.dedup();
        let secrets = self.secrets_of(self.db.read(), ids.clone(), Utc::now()).await?;
        let attempts: Vec<_> = stream::iter(due)
            .map(|due| self.attempt(due, &secrets))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut by_webhook: BTreeMap<WebhookId, Vec<Attempt>> = BTreeMap::new();
        for attempt in attempts {
            by_webhook.entry(attempt.delivery.webhook_id).or_default().push(attempt);
        }
        for (id, attempts) in by_webhook {
            self.record(ctx, id, attempts).await?;
        }
        Ok(())
    }

    async fn attempt(&self, due: Due, secrets: &HashMap<WebhookId, Vec<Vec<u8>>>) -> Attempt {
        let begun = Instant::now();
        let at = Utc::now();
        let delivery = due.delivery;
        let secrets = secrets.get(&delivery.webhook_id).map_or(&[][..], Vec::as_slice);
        let signature = signatures(secrets, delivery.event_id, at.timestamp(), &delivery.body);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, text) in [
            ("webhook-id", delivery.event_id.to_string()),
            ("webhook-timestamp", at.timestamp().to_string()),
            ("webhook-signature", signature),
        ] {
            // Ids, numbers and base64 are all ASCII.
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let limit = std::time::Duration::from_secs(self.config.webhooks.timeout_s);
        let body = delivery.body.clone();
        let outcome = self.outside.send(Method::POST, &due.url, headers, body, limit).await;
        let duration_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        Attempt { delivery, at, duration_ms, outcome }
    }

    /// Writes down what became of a webhook's deliveries, and of the webhook.
    async fn record(&self, ctx: &Ctx, id: WebhookId, attempts: Vec<Attempt>) -> Result<()> {
        let mut tx = self.db.begin(ctx).await?;
        // Deleted meanwhile, and its deliveries with it.
        let Some(before) = tx.lock::<webhook::Entity>(id).await? else { return tx.commit().await };
        let arrived = attempts.iter().any(Attempt::has_arrived);
        let is_gone = attempts.iter().any(|attempt| attempt.status() == Some(410));
        let after = attempts
            .into_iter()
            .map(|attempt| outcome(attempt, &self.config.webhooks, tx.now(), rand::rng().random()));
        store(&tx, after).await?;
        let since = before.failing_since.unwrap_or(tx.now());
        let longest = TimeDelta::seconds(self.config.webhooks.disable_after_s as i64);
        let why = match (arrived, is_gone) {
            (_, true) => Some(DisabledWhy::Gone),
            (false, _) if tx.now() - since >= longest => Some(DisabledWhy::Failing),
            _ => None,
        };
        let mut change = before.clone().into_active_model();
        let failing_since = if arrived { None } else { Some(since) };
        if failing_since != before.failing_since {
            change.failing_since = Set(failing_since);
        }
        if why.is_some() && before.disabled_at.is_none() {
            change.disabled_at = Set(Some(tx.now()));
            change.disabled_why = Set(why);
            change.version = Set(before.version + 1);
            change.updated_at = Set(tx.now());
            let after = change.update(&*tx).await?;
            tracing::warn!(webhook.id = %id, why = ?why, "disabled a webhook");
            tx.audit("webhook", id.uuid(), Some(&view(before)), Some(&view(after)))?;
        } else if change.is_changed() {
            change.update(&*tx).await?;
        }
        tx.commit().await
    }

    /// Deletes what has been delivered or given up long ago.
    pub(super) async fn delete_old_deliveries(&self, ctx: &Ctx) -> Result<()> {
        let tx = self.db.begin(ctx).await?;
        let long_ago = tx.now() - TimeDelta::days(i64::from(self.config.webhooks.keep_days));
        let sql = "DELETE FROM webhook_deliveries WHERE state <> 'pending' AND created_at < $1";
        execute(&*tx, sql, vec![long_ago.into()]).await?;
        let sql = "DELETE FROM webhook_secrets WHERE expires_at < $1";
        execute(&*tx, sql, vec![tx.now().into()]).await?;
        tx.commit().await
    }
}

/// A delivery that is due, and where it goes.
#[derive(FromQueryResult)]
struct Due {
    #[sea_orm(nested)]
    delivery: webhook_delivery::Model,
    url: String,
}

struct Attempt {
    delivery: webhook_delivery::Model,
    at: DateTime<Utc>,
    duration_ms: i64,
    outcome: Result<Answer, Failure>,
}

impl Attempt {
    fn status(&self) -> Option<u16> {
        self.outcome.as_ref().ok().map(|answer| answer.status)
    }

    fn has_arrived(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }
}

/// The delivery after an attempt: there, or to be tried again, or given up. `jitter` is any
/// number: waits are up to a tenth longer, or what failed together would come back together.
fn outcome(
    attempt: Attempt,
    config: &WebhooksConfig,
    now: DateTime<Utc>,
    jitter: u32,
) -> webhook_delivery::Model {
    let has_arrived = attempt.has_arrived();
    let status = attempt.status();
    let attempts = attempt.delivery.attempts + 1;
    let wait_s = usize::try_from(attempts - 1).ok().and_then(|n| config.retry_s.get(n)).copied();
    let (state, next) = match (has_arrived, wait_s) {
        (true, _) => (State::Delivered, None),
        (false, None) => (State::Failed, None),
        (false, Some(wait_s)) => {
            let wait_ms = i64::from(wait_s) * 1000;
            let wait_ms = wait_ms + wait_ms / 10 * i64::from(jitter % 1000) / 1000;
            (State::Pending, Some(now + TimeDelta::milliseconds(wait_ms)))
        }
    };
    let error = attempt.outcome.err().map(|failure| failure.to_string());
    webhook_delivery::Model {
        state,
        attempts,
        next_attempt_at: next,
        last_attempt_at: Some(attempt.at),
        duration_ms: Some(attempt.duration_ms),
        response_status: status.map(i64::from),
        error: error.map(|text| text.chars().take(MAX_ERROR_CHARS).collect()),
        ..attempt.delivery
    }
}

/// Deliveries as they are after an attempt of each; there is at least one.
async fn store(tx: &Tx, rows: impl Iterator<Item = webhook_delivery::Model>) -> Result<()> {
    let rows = rows.map(|row| {
        vec![
            row.id.into(),
            row.state.to_value().into(),
            row.attempts.into(),
            row.next_attempt_at.into(),
            row.last_attempt_at.into(),
            row.duration_ms.into(),
            row.response_status.into(),
            row.error.into(),
        ]
    });
    let columns = [
        ("id", Column::Uuid),
        ("state", Column::Text),
        ("attempts", Column::BigInt),
        ("next_attempt_at", Column::Timestamp),
        ("last_attempt_at", Column::Timestamp),
        ("duration_ms", Column::BigInt),
        ("response_status", Column::BigInt),
        ("error", Column::Text),
    ];
    let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
        "UPDATE webhook_deliveries SET state = v.state, attempts = v.attempts, \
         next_attempt_at = v.next_attempt_at, last_attempt_at = v.last_attempt_at, \
         duration_ms = v.duration_ms, response_status = v.response_status, error = v.error \
         FROM v WHERE webhook_deliveries.id = v.id",
    );
    execute(&**tx, sql, values).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::routes::events::PublicEvent;

    #[test]
    fn waits_grow_and_end() {
        let config = WebhooksConfig { retry_s: vec![5, 300], ..WebhooksConfig::default() };
        let now = Utc::now();
        let event = PublicEvent {
            id: Uuid::now_v7(),
            kind: "orders.order.created".into(),
            version: 1,
            timestamp: now,
            aggregate_id: Uuid::now_v7(),
            aggregate_version: 1,
            correlation_id: String::new(),
            data: json!({}),
        };
        let check = |attempts, status, jitter, state, wait_ms: Option<i64>| {
            let mut delivery = new_delivery(WebhookId::new(), &event, now).expect("written");
            delivery.attempts = attempts;
            let answer = Answer { status, body: Default::default() };
            let attempt = Attempt { delivery, at: now, duration_ms: 1, outcome: Ok(answer) };
            let after = outcome(attempt, &config, now, jitter);
            let next = wait_ms.map(|ms| now + TimeDelta::milliseconds(ms));
            assert_eq!(after.state, state, "{attempts} {status}");
            assert_eq!(after.next_attempt_at, next, "{attempts} {status}");
        };
        check(0, 204, 0, State::Delivered, None);
        // A redirect leads nowhere.
        check(0, 302, 0, State::Pending, Some(5000));
        check(0, 500, 999, State::Pending, Some(5499));
        check(1, 500, 0, State::Pending, Some(300_000));
        check(2, 500, 0, State::Failed, None);
        check(2, 200, 0, State::Delivered, None);
    }
}
