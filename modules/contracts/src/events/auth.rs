//! What auth tells. No event holds a token: whoever reads events could use it.

use kernel::events::EventData;
use serde::{Deserialize, Serialize};

use crate::ids::{SessionId, UserId};

/// Somebody was invited; the link is with whoever invited them. Aggregate: the user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserInvited {
    pub user_id: UserId,
    pub username: String,
    pub name: String,
    pub email: Option<String>,
}

impl EventData for UserInvited {
    const TYPE: &'static str = "auth.user.invited";
}

/// Somebody has forgotten their password: an administrator makes them a link. Aggregate: the
/// user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PasswordResetRequested {
    pub user_id: UserId,
    pub username: String,
    pub email: Option<String>,
}

impl EventData for PasswordResetRequested {
    const TYPE: &'static str = "auth.user.password_reset_requested";
}

/// A refresh token came a second time: somebody else may have had it. The session has been
/// ended. Aggregate: the session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefreshTokenReused {
    pub user_id: UserId,
    pub session_id: SessionId,
}

impl EventData for RefreshTokenReused {
    const TYPE: &'static str = "auth.session.refresh_token_reused";
}
