//! Table `users`.

use chrono::{DateTime, Utc};
use contracts::ids::UserId;
use sea_orm::entity::prelude::*;

use crate::entities::Hidden;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    pub username: String,
    #[sea_orm(unique)]
    pub username_key: String,
    pub name: String,
    pub email: Option<String>,
    pub password_hash: Hidden,
    pub is_active: bool,
    pub hold: Option<Hold>,
    pub reset_requested_at: Option<DateTime<Utc>>,
    pub second_factor_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Why somebody who may not sign in may not, unless they were disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Hold {
    Invited,
    Locked,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
