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
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
