//! Connections to PostgreSQL: a pool of them, and a transaction on one.
//!
//! deadpool keeps them. sqlx's own pool asks the server after every use whether the
//! connection still works, a round trip more for each statement outside a transaction; here
//! a connection notices by itself when it is lost, and the others of its age go with it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{
    self, Metrics, Object, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult,
    TimeoutType, Timeouts,
};
use futures_util::lock::Mutex;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement,
};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::{
    PgConnectOptions, PgConnection, PgListener, PgPoolOptions, PgQueryResult, PgRow,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use crate::ctx::{REQUEST_DEADLINE, count_statement};

/// Nobody waits longer for a statement: the server gives it up (`statement_timeout`).
const STATEMENT_DEADLINE: Duration = REQUEST_DEADLINE;
/// A server that has not said so by then is not there.
const ANSWER_DEADLINE: Duration = Duration::from_secs(REQUEST_DEADLINE.as_secs() + 2);

/// Connections for statements beside a transaction.
const ASIDE: u32 = 3;

/// Opens connections.
pub(super) struct Manager {
    options: PgConnectOptions,
    /// Raised when one is lost: those opened before are not used again.
    era: Arc<AtomicU64>,
}

/// One connection.
pub(super) struct Session {
    conn: PgConnection,
    born_in: u64,
    era: Arc<AtomicU64>,
    /// Not while a statement is under way: whoever gives up waiting for it leaves the
    /// connection in the middle of an answer.
    usable: bool,
    /// A statement failed: nothing but a rollback can follow in the same transaction.
    failed: bool,
}

/// A pool, and what can be asked outside a transaction.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    sessions: managed::Pool<Manager>,
    /// For those who hold a connection and need another: nobody who has one of these waits
    /// for one of the others. Nor for the disk: what matters of it is on disk with the next
    /// commit of another, as the log is written in order.
    aside: Option<Pool>,
    options: PgConnectOptions,
}

/// A transaction on a connection of the pool. Dropped without a commit, it is rolled back.
pub struct Transaction(Mutex<Option<Object<Manager>>>);

impl managed::Manager for Manager {
    type Type = Session;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Session, sqlx::Error> {
        let born_in = self.era.load(Ordering::Relaxed);
        let conn = self.options.connect().await?;
        Ok(Session { conn, born_in, era: self.era.clone(), usable: true, failed: false })
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<sqlx::Error> {
        if session.usable && session.born_in == self.era.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(RecycleError::message("lost"))
    }
}

/// What can be asked of a connection.
#[derive(Clone)]
enum Ask {
    /// Statements without parameters.
    Script(String),
    /// A statement for what it does.
    Execute(Statement),
    /// A statement for its rows.
    Rows(Statement),
}

/// How many rows were touched, and those asked for.
#[derive(Default)]
struct Answer {
    touched: PgQueryResult,
    rows: Vec<PgRow>,
}

impl Answer {
    fn touched(self) -> ExecResult {
        self.touched.into()
    }

    fn rows(self) -> Vec<QueryResult> {
        self.rows.into_iter().map(QueryResult::from).collect()
    }
}

impl Ask {
    fn script(sql: &str) -> Self {
        Ask::Script(sql.to_owned())
    }

    async fn run(self, conn: &mut PgConnection) -> Result<Answer, sqlx::Error> {
        let touched = match self {
            Ask::Rows(statement) => {
                let rows = query(statement).fetch_all(conn).await?;
                return Ok(Answer { rows, ..Answer::default() });
            }
            Ask::Execute(statement) => query(statement).execute(conn).await?,
            Ask::Script(sql) => conn.execute(AssertSqlSafe(sql)).await?,
        };
        Ok(Answer { touched, ..Answer::default() })
    }
}

fn query(statement: Statement) -> sqlx::query::Query<'static, sqlx::Postgres, SqlxValues> {
    let values = statement.values.unwrap_or_else(|| sea_orm::Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

impl Session {
    async fn ask(&mut self, ask: Ask) -> Result<Answer, sqlx::Error> {
        self.usable = false;
        let answer = tokio::time::timeout(ANSWER_DEADLINE, ask.run(&mut self.conn)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut)))
        });
        self.usable = !answer.as_ref().is_err_and(is_lost);
        self.failed |= answer.is_err();
        if !self.usable {
            self.era.fetch_max(self.born_in + 1, Ordering::Relaxed);
        }
        answer
    }
}

/// Whether the connection is of no use any more.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        // The server ends it: a shutdown, a crash of another process, a timeout of its own.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08") || code.starts_with("57P") || code == "25P03"
        }),
        _ => false,
    }
}

impl Pool {
    /// Of at most `max_connections` and a few for numbers, none of which is open yet.
    pub(super) fn new(
        options: PgConnectOptions,
        max_connections: u32,
        patience: Duration,
    ) -> Result<Self, DbErr> {
        let relaxed = options.clone().options([("synchronous_commit", "off")]);
        let aside = Self::of(relaxed, ASIDE, patience, None)?;
        Self::of(options, max_connections, patience, Some(aside))
    }

    fn of(
        options: PgConnectOptions,
        max_connections: u32,
        patience: Duration,
        aside: Option<Pool>,
    ) -> Result<Self, DbErr> {
        // The same limits on the server's side, so that it does not go on for nobody.
        let timeout = STATEMENT_DEADLINE.as_millis().to_string();
        let options = options
            .options([("statement_timeout", &timeout), ("lock_timeout", &timeout)])
            .disable_statement_logging();
        let mut config = PoolConfig::new(max_connections as usize);
        config.timeouts =
            Timeouts { wait: Some(patience), create: Some(patience), recycle: Some(patience) };
        // The one used last has its statements in the caches.
        config.queue_mode = QueueMode::Lifo;
        let manager = Manager { options: options.clone(), era: Arc::default() };
        let sessions = managed::Pool::builder(manager)
            .config(config)
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| DbErr::Custom(error.to_string()))?;
        Ok(Pool(Arc::new(Inner { sessions, aside, options })))
    }

    /// For a statement beside a transaction.
    pub(super) fn aside(&self) -> &Pool {
        self.0.aside.as_ref().unwrap_or(self)
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        let (session, _) = self.ask(Ask::script("BEGIN")).await?;
        Ok(Transaction(Mutex::new(Some(session))))
    }

    /// Whether the server answers.
    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        self.ask(Ask::script("SELECT 1")).await.map(drop)
    }

    /// Tells who listens to `channel`.
    pub(super) async fn notify(&self, channel: &str) -> Result<(), DbErr> {
        let values = [format!("erp_{channel}").into()];
        let sql = "SELECT pg_notify($1, '')";
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.aside().ask(Ask::Rows(statement)).await.map(drop)
    }

    /// Calls `heard` for what is told on `channel`, and also whenever something may have been
    /// missed. Ends only when it fails.
    pub(super) async fn listen(
        &self,
        channel: &str,
        heard: impl Fn(),
    ) -> Result<Infallible, sqlx::Error> {
        let pool =
            PgPoolOptions::new().max_connections(1).connect_lazy_with(self.0.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(&format!("erp_{channel}")).await?;
        loop {
            heard();
            listener.try_recv().await?;
        }
    }

    pub(super) fn close(&self) {
        self.0.sessions.close();
        self.0.aside.iter().for_each(|aside| aside.close());
    }

    /// Asks what can be asked twice: a connection that was lost while it was idle is found
    /// out only now, and then a new one is asked.
    async fn ask(&self, ask: Ask) -> Result<(Object<Manager>, Answer), DbErr> {
        let mut session = self.session().await?;
        session.failed = false;
        let was_idle = Object::metrics(&session).recycle_count > 0;
        match session.ask(ask.clone()).await {
            Err(error) if was_idle && is_lost(&error) => {
                drop(session);
                let mut session = self.session().await?;
                let answer = session.ask(ask).await.map_err(failed)?;
                Ok((session, answer))
            }
            answer => Ok((session, answer.map_err(failed)?)),
        }
    }

    async fn session(&self) -> Result<Object<Manager>, DbErr> {
        self.0.sessions.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => {
                DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
            }
            PoolError::Closed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            PoolError::Backend(error) => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))),
            error => DbErr::Conn(RuntimeErr::Internal(error.to_string())),
        })
    }
}

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let mut session = self.0.lock().await;
        let open = session.as_mut().ok_or_else(ended)?;
        if open.failed {
            // The server would answer a commit with a rollback, and no error.
            return Err(DbErr::Custom("a statement of the transaction had failed".to_owned()));
        }
        let committed = open.ask(Ask::script("COMMIT")).await;
        *session = None;
        committed.map(drop).map_err(failed)
    }

    async fn ask(&self, ask: Ask) -> Result<Answer, DbErr> {
        let mut session = self.0.lock().await;
        let session = session.as_mut().ok_or_else(ended)?;
        session.ask(ask).await.map_err(failed)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(mut session) = self.0.get_mut().take() else { return };
        if !session.usable {
            // Closed at once: in the pool it would keep its locks until somebody takes it out.
            drop(Object::take(session));
            return;
        }
        // Without a runtime the process is ending, and the server undoes what is open.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Should it fail, the connection is lost, and the transaction with it.
                let _ = session.ask(Ask::script("ROLLBACK")).await;
            });
        } else {
            session.usable = false;
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        count_statement();
        self.ask(Ask::Execute(statement)).await.map(|(_, answer)| answer.touched())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        count_statement();
        self.ask(Ask::script(sql)).await.map(|(_, answer)| answer.touched())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        count_statement();
        self.ask(Ask::Rows(statement)).await.map(|(_, answer)| answer.rows())
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        count_statement();
        self.ask(Ask::Execute(statement)).await.map(Answer::touched)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        count_statement();
        self.ask(Ask::script(sql)).await.map(Answer::touched)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        count_statement();
        self.ask(Ask::Rows(statement)).await.map(Answer::rows)
    }
}

fn ended() -> DbErr {
    DbErr::Custom("the transaction has ended".to_owned())
}

fn failed(error: sqlx::Error) -> DbErr {
    match is_lost(&error) {
        true => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))),
        false => DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error))),
    }
}
