//! What each order takes of its customer's credit, and the projection kept of it. Every
//! change goes through [`put_exposure`], which moves both in one transaction.

use chrono::{DateTime, Utc};
use contracts::ids::{CustomerId, OrderId};
use kernel::Result;
use kernel::db::{Tx, execute};
use kernel::quantity::Quantity;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Value,
};

use crate::entities::credit_exposure::{self, Column, Entity, Model, State};
use crate::entities::customer_credit;

/// Quantities of an order's lines together. An order has a thousand lines at most, so the sum
/// stays within an i64.
pub(crate) fn sum_micros(quantities: impl Iterator<Item = Quantity>) -> i64 {
    quantities.map(Quantity::micros).fold(0, i64::saturating_add)
}

/// What an exposure adds to its customer's projection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub uninvoiced: i64,
    pub held: i64,
}

impl Share {
    /// Amounts are at most a `Money`, so neither sum nor difference leaves an i64.
    fn minus(self, other: Share) -> Share {
        Share { uninvoiced: self.uninvoiced - other.uninvoiced, held: self.held - other.held }
    }

    fn total(self) -> i64 {
        self.uninvoiced + self.held
    }
}

/// The share of an exposure in this state.
pub(crate) fn share(row: &Model) -> Share {
    match row.state {
        State::Held => Share { held: row.amount_minor, ..Share::default() },
        // The invoices may come to less than the order: each is rounded by itself, and taxed
        // at the rates of its day.
        State::Committed if row.is_invoiced() => Share::default(),
        State::Committed => {
            let uninvoiced = row.amount_minor.saturating_sub(row.invoiced_minor).max(0);
            Share { uninvoiced, ..Share::default() }
        }
        State::Released | State::Expired => Share::default(),
    }
}

/// What a request to hold credit comes to, given what the order already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It stands already, and long enough.
    Stands,
    /// It is to be taken, or brought to another amount, customer or time.
    Take,
    /// The order is confirmed for another amount.
    Committed,
}

/// Decides on a request to hold `amount_minor` for `customer_id` until `expires_at`.
pub(crate) fn decide_hold(
    before: Option<&Model>,
    customer_id: CustomerId,
    amount_minor: i64,
    expires_at: DateTime<Utc>,
) -> Hold {
    let Some(before) = before else {
        return Hold::Take;
    };
    let same = before.customer_id == customer_id && before.amount_minor == amount_minor;
    match before.state {
        State::Committed if same => Hold::Stands,
        State::Committed => Hold::Committed,
        // A repeat may ask for more time than the first try did, never for less.
        State::Held if same && before.expires_at >= Some(expires_at) => Hold::Stands,
        State::Held | State::Released | State::Expired => Hold::Take,
    }
}

/// Whether a change may take the exposure above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// A change that would is refused. Where the customer has no limit, this is it: the
    /// most an amount of money can be, so that the exposure can still be told.
    Kept { at_most_minor: i64 },
    /// It is noted whatever it comes to: it has happened.
    Passed,
}

/// Locks the credit of these customers, in the order of their ids, so that two
/// transactions never wait for each other. A customer we do not know is left out.
pub(crate) async fn lock_credit(
    tx: &Tx,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<Vec<customer_credit::Model>> {
    let rows = customer_credit::Entity::find()
        .filter(customer_credit::Column::CustomerId.is_in(customers))
        .order_by_asc(customer_credit::Column::CustomerId)
        .lock_exclusive()
        .all(&**tx)
        .await?;
    Ok(rows)
}

/// The exposure of an order. Lock its customer's credit first.
pub(crate) async fn exposure_of(tx: &Tx, order_id: OrderId) -> Result<Option<Model>> {
    Ok(Entity::find_by_id(order_id).one(&**tx).await?)
}

/// Stores `after` in the place of `before` and moves the projection by the difference.
/// Returns false, and is to be rolled back, if the limit forbids it.
pub(crate) async fn put_exposure(
    tx: &mut Tx,
    before: Option<&Model>,
    after: &Model,
    limit: Limit,
) -> Result<bool> {
    let mut taken = share(after);
    if let Some(before) = before {
        if before.customer_id == after.customer_id {
            taken = taken.minus(share(before));
        } else {
            let given_back = Share::default().minus(share(before));
            move_credit(tx, before.customer_id, given_back, Limit::Passed).await?;
            tx.touch("customer", before.customer_id.uuid());
        }
    }
    if !move_credit(tx, after.customer_id, taken, limit).await? {
        return Ok(false);
    }
    let row = after.clone().into_active_model().reset_all();
    let columns = [Column::CustomerId, Column::State, Column::AmountMinor, Column::InvoicedMinor]
        .into_iter()
        .chain([Column::ExpiresAt, Column::UpdatedAt])
        .chain([Column::WantedMicros, Column::InvoicedMicros]);
    let replace = OnConflict::column(Column::OrderId).update_columns(columns).to_owned();
    Entity::insert(row).on_conflict(replace).exec_without_returning(&**tx).await?;
    tx.audit("credit_exposure", after.order_id.uuid(), before, Some(after))?;
    tx.touch("customer", after.customer_id.uuid());
    Ok(true)
}

/// One conditional update: two orders that each fit, but not both, cannot both pass.
async fn move_credit(tx: &Tx, customer: CustomerId, by: Share, limit: Limit) -> Result<bool> {
    if by == Share::default() {
        return Ok(true);
    }
    let mut sql = "UPDATE customer_credit SET uninvoiced_minor = uninvoiced_minor + $2, \
                   held_minor = held_minor + $3 WHERE customer_id = $1"
        .to_owned();
    let mut values: Vec<Value> = vec![customer.into(), by.uninvoiced.into(), by.held.into()];
    // What takes less than before always fits, even where the limit was lowered since.
    if let Limit::Kept { at_most_minor } = limit
        && by.total() > 0
    {
        sql += " AND open_receivables_minor + uninvoiced_minor + held_minor + $4 \
                <= COALESCE(limit_minor, $5)";
        values.extend([by.total().into(), at_most_minor.into()]);
    }
    Ok(execute(&**tx, sql, values).await? == 1)
}

impl credit_exposure::Model {
    /// An order that has not taken any credit yet.
    pub(crate) fn new(order_id: OrderId, customer_id: CustomerId, now: DateTime<Utc>) -> Self {
        Model {
            order_id,
            customer_id,
            state: State::Released,
            amount_minor: 0,
            invoiced_minor: 0,
            expires_at: None,
            updated_at: now,
            wanted_micros: 0,
            invoiced_micros: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn row(state: State, amount_minor: i64, invoiced_minor: i64) -> Model {
        let now = Utc::now();
        let fresh = Model::new(OrderId::new(), CustomerId::new(), now);
        Model { state, amount_minor, invoiced_minor, expires_at: Some(now), ..fresh }
    }

    #[test]
    fn an_order_weighs_what_is_held_and_then_what_is_not_invoiced() {
        let check = |state, amount, invoiced, uninvoiced, held| {
            let found = share(&row(state, amount, invoiced));
            assert_eq!(found, Share { uninvoiced, held }, "{state:?} {amount} {invoiced}");
        };
        check(State::Held, 100, 0, 0, 100);
        check(State::Committed, 100, 0, 100, 0);
        check(State::Committed, 100, 40, 60, 0);
        // Rounding each invoice by itself may come to a cent more than the order.
        check(State::Committed, 100, 101, 0, 0);
        check(State::Committed, 100, 99, 1, 0);
        check(State::Released, 100, 0, 0, 0);
        check(State::Expired, 100, 0, 0, 0);
    }

    #[test]
    fn what_is_invoiced_to_the_last_unit_weighs_nothing_whatever_it_came_to() {
        let check = |wanted_micros, invoiced_micros, uninvoiced| {
            let row = Model { wanted_micros, invoiced_micros, ..row(State::Committed, 100, 99) };
            assert_eq!(share(&row).uninvoiced, uninvoiced, "{wanted_micros} {invoiced_micros}");
        };
        check(3, 2, 1);
        check(3, 3, 0);
        // Not known to be confirmed.
        check(0, 3, 1);
        check(0, 0, 1);
    }

    #[test]
    fn a_hold_is_taken_once_and_adjusted_until_the_order_is_confirmed() {
        let check = |state, amount, seconds, expected| {
            let before = row(state, 100, 0);
            let until = before.updated_at + TimeDelta::seconds(seconds);
            let found = decide_hold(Some(&before), before.customer_id, amount, until);
            assert_eq!(found, expected, "{state:?} {amount} {seconds}");
        };
        check(State::Held, 100, 0, Hold::Stands);
        check(State::Held, 100, -1, Hold::Stands);
        check(State::Held, 100, 1, Hold::Take);
        check(State::Held, 99, 0, Hold::Take);
        check(State::Committed, 100, 1, Hold::Stands);
        check(State::Committed, 99, 0, Hold::Committed);
        check(State::Released, 100, 0, Hold::Take);
        check(State::Expired, 100, 0, Hold::Take);
        assert_eq!(decide_hold(None, CustomerId::new(), 100, Utc::now()), Hold::Take);
        let before = row(State::Held, 100, 0);
        let other = decide_hold(Some(&before), CustomerId::new(), 100, before.updated_at);
        assert_eq!(other, Hold::Take);
    }
}
