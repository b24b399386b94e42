//! What statements run on: SQLite or PostgreSQL, outside a transaction or inside one.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult,
    QueryResult, Statement,
};

use crate::db::postgres;

/// For reading outside a transaction.
#[derive(Clone)]
pub enum Reader {
    Sqlite(DatabaseConnection),
    Postgres(postgres::Pool),
}

/// An open transaction.
pub enum Txn {
    Sqlite(Arc<DatabaseTransaction>),
    Postgres(postgres::Transaction),
}

#[async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Reader::Sqlite(_) => DbBackend::Sqlite,
            Reader::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Reader::Sqlite(conn) => conn.execute_raw(statement).await,
            Reader::Postgres(pool) => pool.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Reader::Sqlite(conn) => conn.execute_unprepared(sql).await,
            Reader::Postgres(pool) => pool.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Reader::Sqlite(conn) => conn.query_one_raw(statement).await,
            Reader::Postgres(pool) => pool.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Reader::Sqlite(conn) => conn.query_all_raw(statement).await,
            Reader::Postgres(pool) => pool.query_all_raw(statement).await,
        }
    }
}

#[async_trait]
impl ConnectionTrait for Txn {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Txn::Sqlite(_) => DbBackend::Sqlite,
            Txn::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Txn::Sqlite(txn) => txn.execute_raw(statement).await,
            Txn::Postgres(txn) => txn.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Txn::Sqlite(txn) => txn.execute_unprepared(sql).await,
            Txn::Postgres(txn) => txn.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Txn::Sqlite(txn) => txn.query_one_raw(statement).await,
            Txn::Postgres(txn) => txn.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Txn::Sqlite(txn) => txn.query_all_raw(statement).await,
            Txn::Postgres(txn) => txn.query_all_raw(statement).await,
        }
    }
}
