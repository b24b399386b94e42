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
    WrongPassword,
    #[error("the password must differ from the user name")]
    PasswordIsUsername { pointer: &'static str },
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
            Error::WrongPassword => {
                KernelError::invalid("wrong_password", "/current_password", detail)
            }
            Error::PasswordIsUsername { pointer } => {
                KernelError::invalid("password_is_username", pointer, detail)
            }
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
            Error::LastAdministrator => KernelError::conflict("last_administrator", detail),
        }
    }
}
