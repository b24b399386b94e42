//! Table `customer_credit`.

use contracts::ids::CustomerId;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "customer_credit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_id: CustomerId,
    /// No limit where there is none.
    pub limit_minor: Option<i64>,
    /// Negative where the customer has paid more than was invoiced.
    pub open_receivables_minor: i64,
    pub uninvoiced_minor: i64,
    pub held_minor: i64,
}

impl Model {
    /// All the customer owes or may come to owe. The bounds of the columns keep it an i64.
    pub fn exposure_minor(&self) -> i64 {
        self.open_receivables_minor + self.uninvoiced_minor + self.held_minor
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
