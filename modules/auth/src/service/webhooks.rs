//! Webhooks: who is told of events, and the secrets that sign.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::{WebhookDeliveryId, WebhookId};
use kernel::db::{Tx, execute};
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use ring::hmac;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder,
};
use serde_json::json;
use uuid::Uuid;

use crate::entities::webhook::DisabledWhy;
use crate::entities::webhook_delivery::State;
use crate::entities::{webhook, webhook_delivery, webhook_secret};
use crate::error::Error;
use crate::routes::events::PublicEvent;
use crate::routes::webhook_deliveries::{ListWebhookDeliveries, WebhookDelivery};
use crate::routes::webhooks::{ListWebhooks, NewSecret, NewWebhook, Webhook, WebhookPatch};
use crate::service::Service;
use crate::service::event_feed::check_event_types;
use crate::service::signing::random_bytes;
use crate::service::users::check_may_grant;

/// Whoever says where events go may read them there.
const NEEDED: &str = "auth.event:read";
/// What a ping is called.
const PING: &str = "auth.webhook.ping";

impl Service {
    pub(crate) async fn list_webhooks(&self, query: ListWebhooks) -> Result<Page<Webhook>> {
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &webhook::Model| row.id.uuid();
        let (select, key) = (webhook::Entity::find(), webhook::Column::Id);
        Ok(fetch(self.db.read(), select, key, id_of, "webhooks", &request).await?.map(view))
    }

    pub(crate) async fn webhook(&self, id: WebhookId) -> Result<Webhook> {
        let found = webhook::Entity::find_by_id(id).one(self.db.read()).await?;
        found.map(view).ok_or_else(|| kernel::Error::not_found("webhook", id))
    }

    pub(crate) async fn create_webhook(&self, ctx: &Ctx, new: NewWebhook) -> Result<Reply> {
        check_may_grant(ctx, [NEEDED.to_owned()])?;
        self.check_url(&new.url)?;
        let event_types = check_event_types(&texts(&new.event_types))?;
        let mut tx = self.db.begin(ctx).await?;
        let model = webhook::Model {
            id: WebhookId::new(),
            url: new.url.into(),
            description: new.description.map(Into::into),
            event_types: serde_json::to_string(&event_types)?,
            active_from: tx.now(),
            failing_since: None,
            disabled_at: None,
            disabled_why: None,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        let insert = webhook::Entity::insert(model.clone().into_active_model());
        insert.exec_without_returning(&*tx).await?;
        let secret = self.add_secret(&tx, model.id).await?;
        let webhook = view(model);
        tx.audit_new("webhook", webhook.id.uuid(), &webhook)?;
        tx.commit().await?;
        let location = format!("/api/v1/auth/webhooks/{}", webhook.id);
        Ok(Reply::created_plain(&NewSecret { secret, webhook }, location))
    }

    pub(crate) async fn update_webhook(
        &self,
        ctx: &Ctx,
        id: WebhookId,
        patch: WebhookPatch,
    ) -> Result<Reply> {
        check_may_grant(ctx, [NEEDED.to_owned()])?;
        if let Some(url) = &patch.url {
            self.check_url(url)?;
        }
        let event_types = patch.event_types.map(|types| check_event_types(&texts(&types)));
        let event_types = event_types.transpose()?;
        let tx = self.db.begin_once(ctx).await?;
        let before = load(&tx, id).await?;
        ctx.check_version(before.version)?;
        let mut change = before.clone().into_active_model();
        if let Some(url) = patch.url {
            change.url = Set(url.into());
        }
        if let Some(description) = patch.description {
            change.description = Set(description.map(Into::into));
        }
        if let Some(event_types) = event_types {
            change.event_types = Set(serde_json::to_string(&event_types)?);
        }
        change_webhook(tx, before, change).await
    }

    pub(crate) async fn delete_webhook(&self, ctx: &Ctx, id: WebhookId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = load(&tx, id).await?;
        ctx.check_version(before.version)?;
        for sql in [
            "DELETE FROM webhook_deliveries WHERE webhook_id = $1",
            "DELETE FROM webhook_secrets WHERE webhook_id = $1",
            "DELETE FROM webhooks WHERE id = $1",
        ] {
            execute(&*tx, sql, vec![id.into()]).await?;
        }
        tx.audit("webhook", id.uuid(), Some(&view(before)), None::<&()>)?;
        tx.reply(Reply::no_content()).await
    }

    pub(crate) async fn set_webhook_enabled(
        &self,
        ctx: &Ctx,
        id: WebhookId,
        is_enabled: bool,
    ) -> Result<Reply> {
        let tx = self.db.begin_once(ctx).await?;
        let before = load(&tx, id).await?;
        ctx.check_version(before.version)?;
        let mut change = before.clone().into_active_model();
        match (is_enabled, before.disabled_at) {
            (true, None) => return Err(Error::WebhookEnabled.into()),
            (false, Some(_)) => return Err(Error::WebhookDisabled.into()),
            (true, Some(_)) => {
                change.disabled_at = Set(None);
                change.disabled_why = Set(None);
                change.failing_since = Set(None);
                change.active_from = Set(tx.now());
            }
            (false, None) => {
                change.disabled_at = Set(Some(tx.now()));
                change.disabled_why = Set(Some(DisabledWhy::ByHand));
            }
        }
        change_webhook(tx, before, change).await
    }

    pub(crate) async fn rotate_webhook_secret(
        &self,
        ctx: &Ctx,
        id: WebhookId,
        overlap_s: u32,
    ) -> Result<NewSecret> {
        let mut tx = self.db.begin(ctx).await?;
        let before = load(&tx, id).await?;
        ctx.check_version(before.version)?;
        let until = tx.now() + TimeDelta::seconds(i64::from(overlap_s));
        // Never more than two: what the one before it signed for is over.
        let sql = "DELETE FROM webhook_secrets WHERE webhook_id = $1 AND expires_at IS NOT NULL";
        execute(&*tx, sql, vec![id.into()]).await?;
        let sql = "UPDATE webhook_secrets SET expires_at = $1 WHERE webhook_id = $2";
        execute(&*tx, sql, vec![until.into(), id.into()]).await?;
        let secret = self.add_secret(&tx, id).await?;
        let mut change = before.clone().into_active_model();
        change.version = Set(before.version + 1);
        change.updated_at = Set(tx.now());
        let webhook = view(change.update(&*tx).await?);
        tx.audit("webhook", id.uuid(), Some(&view(before)), Some(&webhook))?;
        tx.commit().await?;
        Ok(NewSecret { secret, webhook })
    }

    pub(crate) async fn ping_webhook(&self, ctx: &Ctx, id: WebhookId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let webhook = load(&tx, id).await?;
        if webhook.disabled_at.is_some() {
            return Err(Error::WebhookDisabled.into());
        }
        let ping = PublicEvent {
            id: Uuid::now_v7(),
            kind: PING.to_owned(),
            version: 1,
            timestamp: tx.now(),
            aggregate_id: id.uuid(),
            aggregate_version: webhook.version,
            correlation_id: ctx.request_id.to_string(),
            data: json!({ "webhook_id": id }),
        };
        let delivery = new_delivery(id, &ping, tx.now())?;
        let insert = webhook_delivery::Entity::insert(delivery.clone().into_active_model());
        insert.exec_without_returning(&*tx).await?;
        let delivery = view_delivery(delivery);
        tx.audit_new("webhook_delivery", delivery.id.uuid(), &delivery)?;
        tx.reply(Reply::accepted(&delivery)).await
    }

    pub(crate) async fn list_webhook_deliveries(
        &self,
        query: ListWebhookDeliveries,
    ) -> Result<Page<WebhookDelivery>> {
        let mut select = webhook_delivery::Entity::find();
        if let Some(webhook_id) = query.webhook_id {
            select = select.filter(webhook_delivery::Column::WebhookId.eq(webhook_id));
        }
        if let Some(state) = query.state {
            select = select.filter(webhook_delivery::Column::State.eq(state));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &webhook_delivery::Model| row.id.uuid();
        let (key, list) = (webhook_delivery::Column::Id, "webhook_deliveries");
        Ok(fetch(self.db.read(), select, key, id_of, list, &request).await?.map(view_delivery))
    }

    pub(crate) async fn webhook_delivery(&self, id: WebhookDeliveryId) -> Result<WebhookDelivery> {
        let found = webhook_delivery::Entity::find_by_id(id).one(self.db.read()).await?;
        found.map(view_delivery).ok_or_else(|| kernel::Error::not_found("webhook delivery", id))
    }

    pub(crate) async fn replay_webhook_delivery(
        &self,
        ctx: &Ctx,
        id: WebhookDeliveryId,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let not_found = || kernel::Error::not_found("webhook delivery", id);
        let found = webhook_delivery::Entity::find_by_id(id).one(&*tx).await?;
        let webhook = load(&tx, found.ok_or_else(not_found)?.webhook_id).await?;
        if webhook.disabled_at.is_some() {
            return Err(Error::WebhookDisabled.into());
        }
        let found = tx.lock::<webhook_delivery::Entity>(id).await?;
        let before = found.ok_or_else(not_found)?;
        let mut change = before.clone().into_active_model();
        change.state = Set(State::Pending);
        change.attempts = Set(0);
        change.next_attempt_at = Set(Some(tx.now()));
        let after = view_delivery(change.update(&*tx).await?);
        tx.audit("webhook_delivery", id.uuid(), Some(&view_delivery(before)), Some(&after))?;
        tx.reply(Reply::accepted(&after)).await
    }

    /// Adds a secret and returns it as the other side takes it.
    async fn add_secret(&self, tx: &Tx, webhook_id: WebhookId) -> Result<String> {
        let secret = BASE64.encode(random_bytes::<32>()?);
        let row = webhook_secret::Model {
            id: Uuid::now_v7(),
            webhook_id,
            secret: self.vault.seal(&of_webhook(webhook_id), &secret)?,
            expires_at: None,
            created_at: tx.now(),
        };
        let insert = webhook_secret::Entity::insert(row.into_active_model());
        insert.exec_without_returning(&**tx).await?;
        Ok(format!("whsec_{secret}"))
    }

    /// What signs for these webhooks now, the newest first.
    pub(super) async fn secrets_of(
        &self,
        conn: &impl ConnectionTrait,
        ids: Vec<WebhookId>,
        now: DateTime<Utc>,
    ) -> Result<HashMap<WebhookId, Vec<Vec<u8>>>> {
        let is_good = Condition::any()
            .add(webhook_secret::Column::ExpiresAt.is_null())
            .add(webhook_secret::Column::ExpiresAt.gt(now));
        let rows = webhook_secret::Entity::find()
            .filter(webhook_secret::Column::WebhookId.is_in(ids))
            .filter(is_good)
            .order_by_desc(webhook_secret::Column::Id)
            .all(conn)
            .await?;
        let mut secrets: HashMap<_, Vec<_>> = HashMap::new();
        for row in rows {
            let secret = self.vault.open(&of_webhook(row.webhook_id), &row.secret)?;
            let secret = BASE64.decode(secret);
            let secret =
                secret.map_err(|_| kernel::Error::internal("a webhook's secret is damaged"))?;
            secrets.entry(row.webhook_id).or_default().push(secret);
        }
        Ok(secrets)
    }

    fn check_url(&self, url: &str) -> Result<()> {
        let checked = self.outside.check(url);
        checked.map(drop).map_err(|why| Error::InvalidUrl { why: why.to_string() }.into())
    }
}

/// As `webhook-signature` has it, a signature for each secret: `v1,` and the HMAC-SHA256 of
/// `id.timestamp.body` (Standard Webhooks).
pub(super) fn signatures(
    secrets: &[Vec<u8>],
    event_id: Uuid,
    timestamp: i64,
    body: &str,
) -> String {
    let signed = format!("{event_id}.{timestamp}.{body}");
    let sign = |secret: &Vec<u8>| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        format!("v1,{}", BASE64.encode(hmac::sign(&key, signed.as_bytes())))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// Whose secret it is.
pub(crate) fn of_webhook(webhook_id: WebhookId) -> String {
    format!("webhook:{webhook_id}")
}

/// An event for a webhook, due at once.
pub(super) fn new_delivery(
    webhook_id: WebhookId,
    event: &PublicEvent,
    now: DateTime<Utc>,
) -> Result<webhook_delivery::Model> {
    Ok(webhook_delivery::Model {
        id: WebhookDeliveryId::new(),
        webhook_id,
        event_id: event.id,
        event_type: event.kind.clone(),
        body: serde_json::to_string(event)?,
        state: State::Pending,
        attempts: 0,
        next_attempt_at: Some(now),
        last_attempt_at: None,
        response_status: None,
        error: None,
        duration_ms: None,
        created_at: now,
    })
}

async fn load(tx: &Tx, id: WebhookId) -> Result<webhook::Model> {
    let found = tx.lock::<webhook::Entity>(id).await?;
    found.ok_or_else(|| kernel::Error::not_found("webhook", id))
}

async fn change_webhook(
    mut tx: Tx,
    before: webhook::Model,
    mut change: webhook::ActiveModel,
) -> Result<Reply> {
    change.version = Set(before.version + 1);
    change.updated_at = Set(tx.now());
    let after = view(change.update(&*tx).await?);
    tx.audit("webhook", after.id.uuid(), Some(&view(before)), Some(&after))?;
    tx.reply(Reply::ok(&after)).await
}

fn texts(filters: &[crate::routes::webhooks::EventFilter]) -> Vec<&str> {
    filters.iter().map(|filter| &**filter).collect()
}

pub(super) fn view(model: webhook::Model) -> Webhook {
    Webhook {
        id: model.id,
        url: model.url,
        description: model.description,
        event_types: serde_json::from_str(&model.event_types).unwrap_or_default(),
        failing_since: model.failing_since,
        disabled_at: model.disabled_at,
        disabled_why: model.disabled_why,
        version: model.version,
        created_at: model.created_at,
        updated_at: model.updated_at,
    }
}

fn view_delivery(model: webhook_delivery::Model) -> WebhookDelivery {
    WebhookDelivery {
        id: model.id,
        webhook_id: model.webhook_id,
        event_id: model.event_id,
        event_type: model.event_type,
        state: model.state,
        attempts: model.attempts,
        next_attempt_at: model.next_attempt_at,
        last_attempt_at: model.last_attempt_at,
        response_status: model.response_status,
        error: model.error,
        duration_ms: model.duration_ms,
        created_at: model.created_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example of the Standard Webhooks libraries' tests.
        let secret = BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let signed = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
        let signature = BASE64.encode(hmac::sign(&key, signed.as_bytes()));
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let id = Uuid::nil();
        let both = signatures(&[secret.clone(), vec![1; 32]], id, 1, "{}");
        let one = signatures(&[secret], id, 1, "{}");
        assert!(both.starts_with(&one) && both.split(' ').count() == 2, "{both}");
    }
}
