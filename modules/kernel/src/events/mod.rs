//! Events: what happened in one module, told to the others at least once and applied
//! by each exactly once.

pub mod dapr;
pub mod log;
pub mod parked;
mod relay;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ctx::{Actor, Ctx};
use crate::error::{Error, Result};
use crate::trace::Trace;

pub use relay::{Relay, take_back};

/// Who hears what: type of event, names of the modules that want it.
pub type Subscriptions = &'static [(&'static str, &'static [&'static str])];

/// The content of one type of event.
pub trait EventData: Serialize + DeserializeOwned {
    /// `module.entity.verb_past`.
    const TYPE: &'static str;
    /// Raised when a field changes its meaning; new fields have defaults instead.
    const VERSION: u16 = 1;
}

/// An event with its envelope.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub id: Uuid,
    #[serde(rename = "type")]
    pub kind: String,
    pub version: u16,
    pub occurred_at: DateTime<Utc>,
    /// What it happened to. Events of one aggregate arrive in order.
    pub aggregate_id: Uuid,
    pub aggregate_version: i64,
    /// The request it all began with.
    pub correlation_id: String,
    /// The trace of that (W3C Trace Context).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The event that caused this one, if one did.
    pub causation_id: Option<Uuid>,
    pub actor: Actor,
    /// The one before it of this aggregate that the same subscriber hears; told where nothing
    /// on the way keeps them in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Uuid>,
    /// How often its delivery has failed; told where a failure comes back by another way.
    #[serde(default, skip_serializing_if = "is_first")]
    pub attempts: i64,
    pub data: serde_json::Value,
}

impl Event {
    /// The content, if the event is of that type.
    pub fn parse<T: EventData>(&self) -> Result<T> {
        serde_json::from_value(self.data.clone())
            .map_err(|e| Error::internal(format!("{} {}: {e}", self.kind, self.id)))
    }

    /// The module that published it.
    pub fn publisher(&self) -> &str {
        publisher_of(&self.kind)
    }

    /// The context its effects happen in: the actor and request of the event.
    pub fn ctx(&self) -> Ctx {
        let mut ctx = Ctx::system(&self.kind);
        ctx.actor = self.actor.clone();
        ctx.request_id = self.correlation_id.as_str().into();
        ctx.trace = Trace::kept(self.traceparent.as_deref());
        ctx.causation_id = Some(self.id);
        ctx
    }
}

/// An event as the table `events` has it.
#[derive(FromQueryResult)]
struct Stored {
    id: Uuid,
    r#type: String,
    version: i64,
    occurred_at: DateTime<Utc>,
    aggregate_id: Uuid,
    aggregate_version: i64,
    correlation_id: String,
    traceparent: Option<String>,
    causation_id: Option<Uuid>,
    actor: String,
    data: String,
}

impl Stored {
    fn event(self) -> Result<Event> {
        Ok(Event {
            id: self.id,
            kind: self.r#type,
            version: self.version as u16,
            occurred_at: self.occurred_at,
            aggregate_id: self.aggregate_id,
            aggregate_version: self.aggregate_version,
            correlation_id: self.correlation_id,
            traceparent: self.traceparent,
            causation_id: self.causation_id,
            actor: serde_json::from_str(&self.actor)?,
            previous: None,
            attempts: 0,
            data: serde_json::from_str(&self.data)?,
        })
    }
}

/// The module that publishes events of that type.
pub fn publisher_of(kind: &str) -> &str {
    kind.split('.').next().unwrap_or_default()
}

fn is_first(attempts: &i64) -> bool {
    *attempts == 0
}

/// Someone who hears events: a module in this process, or the way to one elsewhere.
#[async_trait]
pub trait Subscriber: Send + Sync {
    /// Whether events arrive there in the order they were handed over.
    fn keeps_order(&self) -> bool {
        true
    }

    /// Applies the event, or finds that it has been applied. An error means: later again.
    async fn handle(&self, event: &Event) -> Result<()>;
}

/// A subscriber by name.
pub type SubscriberMap = std::collections::HashMap<&'static str, Arc<dyn Subscriber>>;
