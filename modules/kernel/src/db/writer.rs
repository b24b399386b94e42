//! Who may write, and when it is in the database.
//!
//! PostgreSQL has many writers, and a transaction is simply that. SQLite has one. A commit
//! waits for the disk, and that takes longer than most transactions do; so those that queue
//! for the one writer at the same moment share a commit: they run one after the other, each
//! behind a savepoint of its own, and one that fails undoes itself alone. Nobody is answered
//! before the commit that makes the answer true.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use crate::ctx::{answer_after, uncount_statement};
use crate::db::conn::Txn;
use crate::db::execute;
use crate::db::postgres::Pool;
use crate::db::tx::AuditHead;
use crate::error::{Error, Result};

/// Begins transactions.
#[derive(Clone)]
pub(super) enum Writer {
    /// PostgreSQL.
    Pool(Pool),
    /// SQLite: one transaction after the other, in the order they asked.
    Queue(Queue),
}

#[derive(Clone)]
pub(super) struct Queue {
    conn: DatabaseConnection,
    /// Longest wait for a turn.
    patience: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    group: Option<Group>,
    /// The end of the audit chain, while it is known.
    audit_head: Option<AuditHead>,
}

/// Transactions that are committed together.
struct Group {
    txn: Arc<DatabaseTransaction>,
    turns: u32,
    /// Turns that ended well: what there is to commit.
    finished: u32,
    /// A turn that has not ended well, or not yet. Whoever finds it here after it gave up
    /// the writer has to undo what it did.
    open: Option<u32>,
    outcome: watch::Sender<Option<Outcome>>,
}

/// What came of a commit. A failure is put in words, for every member to have.
type Outcome = Result<(), Arc<str>>;

/// An open transaction. Dropped without [`Turn::finish`], it undoes what it did.
pub(super) struct Turn {
    // Given up before the place is: the one who commits has to have it alone.
    txn: Txn,
    place: Option<Place>,
}

/// The one writer, in the hands of one transaction.
struct Place {
    queue: Queue,
    state: OwnedMutexGuard<State>,
}

impl Writer {
    pub(super) fn queue(
        conn: DatabaseConnection,
        patience: Duration,
        audit_head: AuditHead,
    ) -> Self {
        let state = State { group: None, audit_head: Some(audit_head) };
        Writer::Queue(Queue { conn, patience, state: Arc::new(Mutex::new(state)) })
    }

    /// Begins a transaction, as soon as it can.
    pub(super) async fn turn(&self) -> Result<Turn> {
        match self {
            Writer::Pool(pool) => Ok(Turn { txn: Txn::Postgres(pool.begin().await?), place: None }),
            Writer::Queue(queue) => queue.turn().await,
        }
    }

    /// Ends what is under way, and closes the connections.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        match self {
            Writer::Pool(pool) => {
                pool.close();
                Ok(())
            }
            Writer::Queue(queue) => {
                queue.state.lock().await.settle().await;
                queue.conn.close_by_ref().await
            }
        }
    }
}

impl Queue {
    async fn turn(&self) -> Result<Turn> {
        let queued = tokio::time::timeout(self.patience, self.state.clone().lock_owned());
        let mut state =
            queued.await.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        state.undo_abandoned().await;
        let group = match &mut state.group {
            Some(group) => group,
            None => state.group.insert(Group::begin(&self.conn).await?),
        };
        group.turns += 1;
        if group.finished > 0 {
            execute(&*group.txn, format!("SAVEPOINT turn_{}", group.turns), vec![]).await?;
            uncount_statement();
        }
        group.open = Some(group.turns);
        let txn = Txn::Sqlite(group.txn.clone());
        Ok(Turn { txn, place: Some(Place { queue: self.clone(), state }) })
    }

    /// Has the group committed as soon as those who queue already had their turns, even if
    /// who asks for it does not live to see it.
    fn settle_soon(&self) {
        let state = self.state.clone();
        // Without a runtime the process is ending, and SQLite undoes what is open.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { state.lock_owned().await.settle().await });
        }
    }
}

impl State {
    /// Undoes what a dropped transaction did, and nothing that others did before it.
    async fn undo_abandoned(&mut self) {
        let Some(group) = &mut self.group else { return };
        let Some(turn) = group.open else { return };
        if group.finished == 0 {
            self.group = None;
            return;
        }
        let undo = execute(&*group.txn, format!("ROLLBACK TO turn_{turn}"), vec![]);
        match undo.await {
            Ok(_) => group.open = None,
            // The whole transaction is gone: SQLite undoes all of it if the disk is full.
            Err(error) => self.fail(&error),
        }
    }

    /// Commits the group, if there is one.
    async fn settle(&mut self) {
        self.undo_abandoned().await;
        let Some(group) = self.group.take() else { return };
        // Unknown until it is in the file.
        let audit_head = self.audit_head.take();
        let committed = match Arc::into_inner(group.txn) {
            Some(txn) => txn.commit().await,
            None => Err(DbErr::Custom("a transaction is in use beyond its end".to_owned())),
        };
        if committed.is_ok() {
            self.audit_head = audit_head;
        }
        let outcome = committed.map_err(|error| error.to_string().into());
        group.outcome.send_replace(Some(outcome));
    }

    fn fail(&mut self, error: &DbErr) {
        self.audit_head = None;
        if let Some(group) = self.group.take() {
            group.outcome.send_replace(Some(Err(error.to_string().into())));
        }
    }
}

impl Group {
    async fn begin(conn: &DatabaseConnection) -> Result<Self, DbErr> {
        // The write lock is taken at once, so that no transaction that began by reading
        // fails when it comes to write.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        let txn = Arc::new(conn.begin_with_options(options).await?);
        let outcome = watch::Sender::new(None);
        Ok(Group { txn, turns: 0, finished: 0, open: None, outcome })
    }
}

impl Turn {
    pub(super) fn txn(&self) -> &Txn {
        &self.txn
    }

    /// Whether nobody else writes meanwhile.
    pub(super) fn is_alone(&self) -> bool {
        self.place.is_some()
    }

    /// The end of the audit chain, if it is known.
    pub(super) fn audit_head(&self) -> Option<&AuditHead> {
        self.place.as_ref()?.state.audit_head.as_ref()
    }

    /// Ends the transaction and waits for the commit. `audit_head`: the new end of the
    /// audit chain, if there is but one and this made it longer.
    pub(super) async fn finish(mut self, audit_head: Option<AuditHead>) -> Result<()> {
        let Some(mut place) = self.place.take() else {
            return match self.txn {
                Txn::Postgres(txn) => Ok(txn.commit().await?),
                Txn::Sqlite(_) => Err(Error::internal("a transaction has lost its place")),
            };
        };
        let (is_first, mut outcome) = place.end(audit_head)?;
        let queue = place.queue.clone();
        // Lets go of the writer.
        drop(self);
        drop(place);
        if is_first {
            queue.settle_soon();
        }
        match outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Ok(()))) => Ok(()),
            Ok(Some(Err(failure))) => Err(DbErr::Custom(failure.to_string()).into()),
            Ok(None) | Err(_) => Err(Error::internal("the process ended before the commit")),
        }
    }
}

impl Place {
    /// Joins those who wait for the commit; whether as the first.
    fn end(
        &mut self,
        audit_head: Option<AuditHead>,
    ) -> Result<(bool, watch::Receiver<Option<Outcome>>)> {
        if audit_head.is_some() {
            self.state.audit_head = audit_head;
        }
        let group = self.state.group.as_mut();
        let group = group.ok_or_else(|| Error::internal("a transaction ended without a group"))?;
        group.open = None;
        group.finished += 1;
        Ok((group.finished == 1, group.outcome.subscribe()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(group) = self.state.group.as_ref().filter(|group| group.open.is_some()) else {
            return;
        };
        if group.finished > 0 {
            // It may have failed for what others did, which is not in the file yet.
            let mut outcome = group.outcome.subscribe();
            answer_after(async move { _ = outcome.wait_for(Option::is_some).await });
        }
        self.queue.settle_soon();
    }
}
