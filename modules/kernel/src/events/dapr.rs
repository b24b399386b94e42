//! Events by way of a Dapr sidecar's pub/sub: a topic for each subscriber, each event a
//! CloudEvent (1.0) of ours that carries the publisher's signature.
//!
//! A broker keeps no order and delivers more than once. So an event names the one before it of
//! its aggregate, and the subscriber, whose inbox tells what it has applied, waits for that.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::config::Secret;
use crate::ctx::REQUEST_DEADLINE;
use crate::error::{Error, MODULE_UNAVAILABLE, Result};
use crate::events::{Event, Subscriber};
use crate::service::{Callers, Identity};

/// The sidecar beside this process.
#[derive(Clone)]
pub struct Sidecar {
    /// Its API, such as `http://127.0.0.1:3500`.
    pub url: String,
    /// What it wants to be shown, if anything.
    pub api_token: Secret,
    /// Its pub/sub component.
    pub pubsub: String,
    pub client: Client,
}

/// The topic of what a module hears.
pub fn topic(subscriber: &str) -> String {
    format!("erp.{subscriber}")
}

/// Where what a module could not apply ends up.
pub fn dead_letter_topic(subscriber: &str) -> String {
    format!("erp.{subscriber}.dead")
}

/// Our CloudEvent. `data_base64` is the event as JSON, byte by byte as it was signed.
#[derive(Debug, Serialize, Deserialize)]
pub struct CloudEvent {
    pub specversion: String,
    pub id: Uuid,
    pub source: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub subject: String,
    pub time: DateTime<Utc>,
    pub datacontenttype: String,
    pub data_base64: String,
    /// The publisher's, over subscriber and data.
    pub signature: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl CloudEvent {
    fn new(event: &Event, subscriber: &'static str, identity: &Identity) -> Result<Self> {
        let data = serde_json::to_vec(event)?;
        let publisher = event.publisher();
        Ok(CloudEvent {
            specversion: "1.0".into(),
            id: event.id,
            source: format!("/erp/{publisher}"),
            kind: event.kind.clone(),
            subject: event.aggregate_id.to_string(),
            time: event.occurred_at,
            datacontenttype: "application/json".into(),
            signature: identity.sign(publisher, subscriber, &data)?,
            data_base64: BASE64_STANDARD.encode(data),
            traceparent: event.traceparent.clone(),
        })
    }

    /// The event, if its publisher signed it for `subscriber`.
    pub fn open(&self, subscriber: &str, callers: &Callers) -> Result<Event> {
        let refuse = || Error::unauthenticated("invalid_event", "nobody known signed this event");
        let data = BASE64_STANDARD.decode(&self.data_base64).map_err(|_| refuse())?;
        let publisher = callers.check_signature(&self.signature, subscriber, &data)?;
        let event: Event = serde_json::from_slice(&data)?;
        match event.publisher() == publisher {
            true => Ok(event),
            false => Err(refuse()),
        }
    }
}

/// The way to a subscriber: its topic.
pub struct Topic {
    pub subscriber: &'static str,
    pub sidecar: Sidecar,
    pub identity: Arc<Identity>,
}

#[async_trait]
impl Subscriber for Topic {
    fn keeps_order(&self) -> bool {
        false
    }

    /// Returns once the broker has it.
    async fn handle(&self, event: &Event) -> Result<()> {
        let Sidecar { url, api_token, pubsub, client } = &self.sidecar;
        let url = format!(
            "{}/v1.0/publish/{pubsub}/{}",
            url.trim_end_matches('/'),
            topic(self.subscriber)
        );
        let body = serde_json::to_vec(&CloudEvent::new(event, self.subscriber, &self.identity)?)?;
        let mut request = client
            .post(url)
            .timeout(REQUEST_DEADLINE)
            .header("content-type", "application/cloudevents+json")
            .body(body);
        if !api_token.expose().is_empty() {
            request = request.header("dapr-api-token", api_token.expose());
        }
        let away = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::unavailable(MODULE_UNAVAILABLE, "the broker did not take the event", 1)
                .with_source(cause)
        };
        let response = request.send().await.map_err(|error| away(error.into()))?;
        if response.status().is_success() {
            return Ok(());
        }
        let status = response.status();
        let said = response.json::<Value>().await.unwrap_or_default();
        Err(away(format!("{status}: {said}").into()))
    }
}
