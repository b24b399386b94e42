//! Secrets that have to be known to be used, and so cannot be kept as hashes: encrypted where
//! the settings have a key for it (AES-256-GCM).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use kernel::config::Secret;
use kernel::db::{Db, lock_table};
use kernel::{Ctx, Error, Result};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde_json::json;

use crate::entities::{Hidden, signing_key, totp_secret, webhook_secret};
use crate::service::second_factor::of_totp;
use crate::service::signing::{new_key, random_bytes};
use crate::service::webhooks::of_webhook;

/// How what is encrypted begins; base64 has no dot.
const PREFIX: &str = "v1.";

/// What encrypts, or leaves as it is.
#[derive(Default)]
pub(crate) struct Vault(Option<LessSafeKey>);

impl Vault {
    /// With a key of 256 bits in base64url, or none; an error in words.
    pub(crate) fn new(key: &Secret) -> Result<Self, String> {
        if key.expose().is_empty() {
            return Ok(Vault(None));
        }
        let bytes = BASE64URL.decode(key.expose().trim_end_matches('='));
        let bytes = bytes.ok().filter(|bytes| bytes.len() == AES_256_GCM.key_len());
        let bytes = bytes.ok_or("must be 32 random bytes in base64url (43 characters)")?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| "cannot be used")?;
        Ok(Vault(Some(LessSafeKey::new(key))))
    }

    /// Whether it encrypts.
    pub(crate) fn is_locked(&self) -> bool {
        self.0.is_some()
    }

    /// Encrypts what is `of` something, and of use nowhere else.
    pub(crate) fn seal(&self, of: &str, plain: &str) -> Result<Hidden> {
        let Some(key) = &self.0 else { return Ok(Hidden(plain.to_owned())) };
        let nonce = random_bytes::<NONCE_LEN>()?;
        let mut sealed = plain.as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(of.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| Error::internal("a secret could not be encrypted"))?;
        let whole = [&nonce[..], &sealed].concat();
        Ok(Hidden(format!("{PREFIX}{}", BASE64URL.encode(whole))))
    }

    /// What was sealed, or was never.
    pub(crate) fn open(&self, of: &str, stored: &Hidden) -> Result<String> {
        let Some(sealed) = stored.0.strip_prefix(PREFIX) else { return Ok(stored.0.clone()) };
        let Some(key) = &self.0 else {
            return Err(Error::internal("auth.encryption_key: must be set, as it was before"));
        };
        let opened = || {
            let mut whole = BASE64URL.decode(sealed).ok()?;
            let (nonce, sealed) = whole.split_at_mut_checked(NONCE_LEN)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let plain = key.open_in_place(nonce, Aad::from(of.as_bytes()), sealed).ok()?;
            String::from_utf8(plain.to_vec()).ok()
        };
        opened().ok_or_else(|| {
            Error::internal(format!("auth.encryption_key: does not open the secret of {of}"))
        })
    }

    /// Whether it has yet to be encrypted.
    pub(crate) fn is_open(&self, stored: &Hidden) -> bool {
        self.is_locked() && !stored.0.starts_with(PREFIX)
    }
}

/// Encrypts what was there before the settings had a key for it. A signing key never changes:
/// there is a new one instead, and the old one goes when its tokens have expired.
pub(crate) async fn lock_up(db: &Db, vault: &Vault) -> Result<()> {
    if !vault.is_locked() {
        return Ok(());
    }
    let mut tx = db.begin(&Ctx::system("lock_up")).await?;
    let sealed = format!("{PREFIX}%");
    let plain = totp_secret::Entity::find()
        .filter(totp_secret::Column::Secret.not_like(&sealed))
        .lock_exclusive();
    for row in plain.all(&*tx).await? {
        let change = totp_secret::ActiveModel {
            user_id: Unchanged(row.user_id),
            secret: Set(vault.seal(&of_totp(row.user_id), &row.secret.0)?),
            ..Default::default()
        };
        change.update(&*tx).await?;
    }
    let plain = webhook_secret::Entity::find()
        .filter(webhook_secret::Column::Secret.not_like(&sealed))
        .lock_exclusive();
    for row in plain.all(&*tx).await? {
        let secret = vault.seal(&of_webhook(row.webhook_id), &row.secret.0)?;
        let mut change = row.into_active_model();
        change.secret = Set(secret);
        change.update(&*tx).await?;
    }
    lock_table(&*tx, "signing_keys").await?;
    let newest = signing_key::Entity::find()
        .order_by_desc(signing_key::Column::CreatedAt)
        .order_by_desc(signing_key::Column::Id);
    let newest = newest.one(&*tx).await?;
    if newest.is_some_and(|key| vault.is_open(&key.seed)) {
        let key = new_key(tx.now(), vault)?;
        tx.audit_new("signing_key", key.id, &json!({ "kid": key.kid }))?;
        key.into_active_model().insert(&*tx).await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::new(&Secret::new(BASE64URL.encode([byte; 32]))).expect("a key")
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_for_its_owner_alone() {
        let sealed = vault(1).seal("totp:ada", "secret").expect("sealed");
        assert!(!sealed.0.contains("secret") && !sealed.0.contains(&BASE64URL.encode("secret")));
        assert_eq!(vault(1).open("totp:ada", &sealed).expect("opened"), "secret");
        assert_ne!(vault(1).seal("totp:ada", "secret").expect("sealed"), sealed);
        assert!(vault(2).open("totp:ada", &sealed).is_err());
        assert!(vault(1).open("totp:bob", &sealed).is_err());
        assert!(Vault::default().open("totp:ada", &sealed).is_err());
        let mut changed = sealed.0.clone();
        let last = if changed.ends_with('A') { "E" } else { "A" };
        changed.replace_range(changed.len() - 1.., last);
        assert!(vault(1).open("totp:ada", &Hidden(changed)).is_err());
        assert!(vault(1).open("totp:ada", &Hidden("v1.AAAA".into())).is_err());
    }

    #[test]
    fn what_was_never_sealed_is_still_read() {
        let plain = Hidden("secret".into());
        assert_eq!(vault(1).open("x", &plain).expect("read"), "secret");
        assert_eq!(Vault::default().seal("x", "secret").expect("kept"), plain);
        assert!(vault(1).is_open(&plain) && !Vault::default().is_open(&plain));
    }

    #[test]
    fn a_key_has_256_bits() {
        for bad in ["short", "%", &"A".repeat(44)] {
            assert!(Vault::new(&Secret::new(bad)).is_err(), "{bad}");
        }
        assert!(!Vault::new(&Secret::default()).expect("none").is_locked());
    }
}
