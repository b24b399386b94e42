//! Connections to Redis, single or a cluster.
//!
//! The pool makes them, and checks them when they are taken from it. That check is a round
//! trip; so they are not taken for each command but kept, and shared: commands of many
//! requests travel over one connection at a time, each answer to its own.

use deadpool_redis::cluster;
use deadpool_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use deadpool_redis::redis::cluster_async::ClusterConnection;
use deadpool_redis::redis::{
    AsyncConnectionConfig, Cmd, ConnectionInfo, Pipeline, RedisFuture, Value,
};

pub(super) enum Pool {
    Single(deadpool_redis::Pool, usize),
    Cluster(cluster::Pool, usize),
}

/// Connections out of the pool, which has them back when this is dropped.
pub(super) enum Links {
    Single(Vec<deadpool_redis::Connection>),
    Cluster(Vec<cluster::Connection>),
}

/// A share in a connection.
pub(super) enum Link {
    Single(MultiplexedConnection),
    Cluster(Box<ClusterConnection>),
}

impl Pool {
    pub(super) fn new(info: ConnectionInfo, cluster: bool, size: usize) -> Result<Self, String> {
        if cluster {
            let manager = cluster::Manager::new(vec![info], false).map_err(|e| e.to_string())?;
            let pool = cluster::Pool::builder(manager).max_size(size).build();
            return Ok(Pool::Cluster(pool.map_err(|e| e.to_string())?, size));
        }
        // Whoever waits has a deadline of their own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let manager = deadpool_redis::Manager::new_with_config(info, config);
        let manager = manager.map_err(|e| e.to_string())?;
        let pool = deadpool_redis::Pool::builder(manager).max_size(size).build();
        Ok(Pool::Single(pool.map_err(|e| e.to_string())?, size))
    }

    pub(super) async fn connect(&self) -> Result<Links, String> {
        match self {
            Pool::Single(pool, size) => {
                let mut links = Vec::new();
                for _ in 0..*size {
                    links.push(pool.get().await.map_err(|e| e.to_string())?);
                }
                Ok(Links::Single(links))
            }
            Pool::Cluster(pool, size) => {
                let mut links = Vec::new();
                for _ in 0..*size {
                    links.push(pool.get().await.map_err(|e| e.to_string())?);
                }
                Ok(Links::Cluster(links))
            }
        }
    }
}

impl Links {
    /// One of them, in turn.
    pub(super) fn one(&self, turn: usize) -> Link {
        match self {
            Links::Single(links) => {
                let connection: &MultiplexedConnection = &links[turn % links.len()];
                Link::Single(connection.clone())
            }
            Links::Cluster(links) => {
                let connection: &ClusterConnection = &links[turn % links.len()];
                Link::Cluster(Box::new(connection.clone()))
            }
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Link::Single(connection) => connection.req_packed_command(cmd),
            Link::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Link::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Link::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Link::Single(connection) => connection.get_db(),
            Link::Cluster(connection) => connection.get_db(),
        }
    }
}
