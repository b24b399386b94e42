//! What can be wrong in auth, and what the caller is told.

use contracts::ids::RoleId;
use kernel::Error as KernelError;
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    // One answer for a wrong name, a wrong password and a disabled user: whoever guesses
    // learns nothing.
    #[error("the user name or the password is wrong")]
    InvalidCredentials,
    #[error("too many failed attempts; try again in {wait_s} s")]
    TooManyAttempts { wait_s: u32 },
    #[error("too many people are signing in at once")]
    SignInBusy,
    #[error("the refresh token is not valid; sign in again")]
    InvalidRefreshToken,
    #[error("the refresh token was used before; its session has been ended, sign in again")]
    RefreshTokenReused,
    #[error("this is not the current password")]
    WrongPassword { pointer: &'static str },
    #[error("the password must be another than before")]
    PasswordUnchanged { pointer: &'static str },
    #[error("the password must be more than the user name and three characters")]
    PasswordIsUsername { pointer: &'static str },
    #[error("this password is one that is tried first")]
    CommonPassword { pointer: &'static str },
    #[error("the password must have at least {min} characters")]
    PasswordTooShort { pointer: &'static str, min: usize },
    #[error("the link is not valid, or no longer; ask for a new one")]
    InvalidLink,
    #[error("a link is for whoever is invited or active")]
    NoLinkFor,
    #[error("the user has not chosen a password yet")]
    StillInvited,
    #[error("signing in takes a code as well: `code`")]
    SecondFactorRequired,
    #[error("the code is wrong, or was used before")]
    InvalidCode { pointer: &'static str },
    #[error("there is no second factor to be confirmed; begin with POST /me/totp")]
    NoSecondFactor,
    #[error("there is a second factor already; remove it first")]
    SecondFactorExists,
    #[error("there is no permission {permission}")]
    NoSuchPermission { permission: String },
    #[error("this is for somebody who signed in, not for an API key")]
    SessionRequired,
    #[error("the owner may not {permission}")]
    ScopeExceedsOwner { index: usize, permission: String },
    #[error("the API key has been revoked")]
    ApiKeyRevoked,
    #[error("there is no such API key")]
    InvalidApiKey,
    #[error("{detail}")]
    InvalidExpiry { detail: &'static str },
    #[error("the settings name no OpenID Connect provider")]
    NoOidcProvider,
    #[error("the OpenID Connect provider cannot be reached, or does not do as it should")]
    OidcUnavailable,
    #[error("the code, the state or the token of the provider is not right; begin again")]
    OidcRefused,
    #[error("nobody here is who the provider names")]
    NoAccount,
    #[error("somebody is linked to this identity already")]
    IdentityTaken,
    #[error("a role for some warehouses grants permissions of inventory, and {permission} is none")]
    NotOfWarehouses { permission: String },
    #[error("a role for some warehouses names at least one; null is for all of them")]
    NoWarehouses,
    #[error("passkeys are off: auth.passkeys.rp_id and origins are not set")]
    PasskeysOff,
    #[error("the answer is not one of a key that is known")]
    InvalidPasskey,
    #[error("the key is not one that was asked for, or came too late; begin again")]
    InvalidNewPasskey,
    #[error("this key is known already")]
    PasskeyTaken,
    #[error("at most {max} at once")]
    TooManyPasskeys { max: usize },
    #[error("{why}")]
    InvalidUrl { why: String },
    #[error("there is no event {event_type}")]
    UnknownEventType { index: usize, event_type: String },
    #[error("a webhook is told of something")]
    NoEventTypes,
    #[error("the webhook is enabled")]
    WebhookEnabled,
    #[error("the webhook is disabled")]
    WebhookDisabled,
    #[error("either the refresh token or its cookie must be there")]
    RefreshTokenMissing,
    #[error("a change with a cookie needs the header X-CSRF-Token")]
    CsrfTokenRequired,
    #[error("the user name {username} is taken")]
    UsernameTaken { username: String },
    #[error("the role name {name} is taken")]
    RoleNameTaken { name: String },
    #[error("there is no permission {permission}")]
    UnknownPermission { index: usize, permission: String },
    #[error("no role {id}")]
    UnknownRole { index: usize, id: RoleId },
    #[error("at most {max} at once")]
    TooMany { code: &'static str, pointer: &'static str, max: usize },
    #[error("only somebody with the permission {permission} can grant it")]
    CannotGrant { permission: String },
    #[error("{username} would have both {one} and {other}, which are to be kept apart")]
    DutiesConflict { username: String, one: String, other: String },
    #[error("somebody active must remain with the permission *")]
    LastAdministrator,
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::InvalidCredentials => {
                KernelError::unauthenticated("invalid_credentials", detail)
            }
            Error::TooManyAttempts { wait_s } => {
                KernelError::new(429, "too_many_attempts", detail).with_retry_after(wait_s)
            }
            Error::SignInBusy => KernelError::unavailable("sign_in_busy", detail, 1),
            Error::InvalidRefreshToken => {
                KernelError::unauthenticated("invalid_refresh_token", detail)
            }
            Error::RefreshTokenReused => {
                KernelError::unauthenticated("refresh_token_reused", detail)
            }
            Error::WrongPassword { pointer } => {
                KernelError::invalid("wrong_password", pointer, detail)
            }
            Error::PasswordIsUsername { pointer } => {
                KernelError::invalid("password_is_username", pointer, detail)
            }
            Error::PasswordUnchanged { pointer } => {
                KernelError::invalid("password_unchanged", pointer, detail)
            }
            Error::CommonPassword { pointer } => {
                KernelError::invalid("common_password", pointer, detail)
            }
            Error::PasswordTooShort { pointer, .. } => {
                KernelError::invalid("password_too_short", pointer, detail)
            }
            Error::InvalidLink => KernelError::invalid("invalid_link", "/token", detail),
            Error::StillInvited => KernelError::conflict("user_is_invited", detail),
            Error::NoLinkFor => KernelError::conflict("no_link_for_user", detail),
            Error::SecondFactorRequired => {
                KernelError::unauthenticated("second_factor_required", detail)
            }
            Error::InvalidCode { pointer } => KernelError::unauthenticated("invalid_code", &detail)
                .with_field(pointer, "invalid_code", detail),
            Error::NoSecondFactor => KernelError::conflict("no_second_factor", detail),
            Error::SecondFactorExists => KernelError::conflict("second_factor_exists", detail),
            Error::NoSuchPermission { .. } => {
                KernelError::invalid("unknown_permission", "/permission", detail)
            }
            Error::SessionRequired => KernelError::new(403, "session_required", detail),
            Error::ScopeExceedsOwner { index, .. } => {
                KernelError::invalid("scope_exceeds_owner", format!("/scopes/{index}"), detail)
            }
            Error::ApiKeyRevoked => KernelError::conflict("api_key_revoked", detail),
            Error::InvalidApiKey => KernelError::unauthenticated("invalid_api_key", detail),
            Error::InvalidExpiry { .. } => {
                KernelError::invalid("invalid_expiry", "/expires_at", detail)
            }
            Error::NoOidcProvider => KernelError::conflict("no_oidc_provider", detail),
            Error::OidcUnavailable => KernelError::unavailable("oidc_unavailable", detail, 5),
            Error::OidcRefused => KernelError::unauthenticated("oidc_refused", detail),
            Error::NoAccount => KernelError::new(403, "no_account", detail),
            Error::IdentityTaken => KernelError::conflict("identity_taken", detail),
            Error::NotOfWarehouses { .. } => {
                KernelError::invalid("not_of_warehouses", "/warehouse_ids", detail)
            }
            Error::NoWarehouses => KernelError::invalid("no_warehouses", "/warehouse_ids", detail),
            Error::PasskeysOff => KernelError::conflict("passkeys_off", detail),
            Error::InvalidPasskey => KernelError::unauthenticated("invalid_passkey", detail),
            Error::InvalidNewPasskey => {
                KernelError::invalid("invalid_passkey", "/credential", detail)
            }
            Error::PasskeyTaken => KernelError::conflict("passkey_taken", detail),
            Error::TooManyPasskeys { .. } => KernelError::conflict("too_many_passkeys", detail),
            Error::InvalidUrl { .. } => KernelError::invalid("invalid_url", "/url", detail),
            Error::UnknownEventType { index, .. } => {
                KernelError::invalid("unknown_event_type", format!("/event_types/{index}"), detail)
            }
            Error::NoEventTypes => {
                KernelError::invalid("unknown_event_type", "/event_types", detail)
            }
            Error::WebhookEnabled => KernelError::conflict("webhook_enabled", detail),
            Error::WebhookDisabled => KernelError::conflict("webhook_disabled", detail),
            Error::RefreshTokenMissing => {
                KernelError::invalid("refresh_token_required", "/refresh_token", detail)
            }
            Error::CsrfTokenRequired => KernelError::new(403, "csrf_token_required", detail),
            Error::UsernameTaken { .. } => KernelError::conflict("username_taken", &detail)
                .with_field("/username", "username_taken", detail),
            Error::RoleNameTaken { .. } => KernelError::conflict("role_name_taken", &detail)
                .with_field("/name", "role_name_taken", detail),
            Error::UnknownPermission { index, .. } => {
                KernelError::invalid("unknown_permission", format!("/permissions/{index}"), detail)
            }
            Error::UnknownRole { index, .. } => {
                KernelError::invalid("unknown_role", format!("/role_ids/{index}"), detail)
            }
            Error::TooMany { code, pointer, .. } => KernelError::invalid(code, pointer, detail),
            Error::CannotGrant { permission } => KernelError::new(403, "cannot_grant", detail)
                .with_params(json!({ "permission": permission })),
            Error::DutiesConflict { username, one, other } => {
                KernelError::conflict("duties_conflict", detail)
                    .with_params(json!({ "username": username, "permissions": [one, other] }))
            }
            Error::LastAdministrator => KernelError::conflict("last_administrator", detail),
        }
    }
}
