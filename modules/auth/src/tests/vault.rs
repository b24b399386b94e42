//! Secrets that were there before the settings had a key for them.

use kernel::config::Secret;
use sea_orm::IntoActiveModel;

use super::*;
use crate::entities::{Hidden, totp_secret, user, webhook, webhook_secret};
use crate::service::second_factor::of_totp;
use crate::service::vault::lock_up;
use crate::service::webhooks::of_webhook;

const KEY: &str = "0zJ1mZ8rXWc5b2Qe4yTnUu7aKfLp9sHdGvBxMo3iEkA";

#[tokio::test]
async fn what_was_there_before_there_was_a_key_is_encrypted_once() {
    let fixture = fixture().await;
    let db = &fixture.service.db;
    let admin = user::Entity::find().one(db.read()).await.expect("read").expect("the first");
    let webhook_id = contracts::ids::WebhookId::new();
    let mut tx = db.begin(&Ctx::system("test")).await.expect("begun");
    let now = tx.now();
    let totp = totp_secret::Model {
        user_id: admin.id,
        secret: Hidden("JBSWY3DPEHPK3PXP".into()),
        confirmed_at: None,
        last_step: 0,
        created_at: now,
    };
    totp_secret::Entity::insert(totp.into_active_model())
        .exec_without_returning(&*tx)
        .await
        .expect("inserted");
    let hook = webhook::Model {
        id: webhook_id,
        url: "https://shop.example/".into(),
        description: None,
        event_types: "[\"*\"]".into(),
        active_from: now,
        failing_since: None,
        disabled_at: None,
        disabled_why: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    webhook::Entity::insert(hook.into_active_model())
        .exec_without_returning(&*tx)
        .await
        .expect("inserted");
    let secret = webhook_secret::Model {
        id: Uuid::now_v7(),
        webhook_id,
        secret: Hidden("c2VjcmV0".into()),
        expires_at: None,
        created_at: now,
    };
    webhook_secret::Entity::insert(secret.into_active_model())
        .exec_without_returning(&*tx)
        .await
        .expect("inserted");
    tx.audit_new("test", admin.id.uuid(), &"secrets").expect("noted");
    tx.commit().await.expect("committed");

    let vault = Vault::new(&Secret::new(KEY)).expect("a key");
    let stored = async || {
        let totp = totp_secret::Entity::find().one(db.read()).await.expect("read").expect("one");
        let hook = webhook_secret::Entity::find().one(db.read()).await.expect("read");
        let keys = signing_key::Entity::find().all(db.read()).await.expect("read");
        (totp.secret, hook.expect("one").secret, keys.into_iter().map(|key| key.seed))
    };
    lock_up(db, &vault).await.expect("encrypted");
    let (totp, hook, keys) = stored().await;
    assert!(!totp.0.contains("JBSWY3DPEHPK3PXP") && !hook.0.contains("c2VjcmV0"));
    assert_eq!(vault.open(&of_totp(admin.id), &totp).expect("opens"), "JBSWY3DPEHPK3PXP");
    assert_eq!(vault.open(&of_webhook(webhook_id), &hook).expect("opens"), "c2VjcmV0");
    // The old key as it was, for tokens it signed, and a new one.
    assert_eq!(keys.map(|seed| vault.is_open(&seed)).collect::<Vec<_>>(), [true, false]);

    lock_up(db, &vault).await.expect("nothing to do");
    let (totp_after, hook_after, keys) = stored().await;
    assert_eq!((totp_after, hook_after, keys.count()), (totp, hook, 2));
}
