//! Credit: held for an order that is being confirmed, committed when it stands, and
//! given back when it does not.

use std::collections::BTreeMap;

use contracts::events::{OrderCancelled, OrderConfirmed, OrderLinesCancelled};
use contracts::ids::{CustomerId, OrderId};
use contracts::sales::{HoldCredit, ReleaseCredit};
use kernel::db::{self as values, Tx, Values, execute};
use kernel::events::Event;
use kernel::money::Money;
use kernel::{Ctx, Result};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::entities::credit_exposure::{self, Column, Entity, State};
use crate::entities::{customer, customer_credit};
use crate::error::Error;
use crate::service::Service;
use crate::service::exposure::{
    Hold, Limit, decide_hold, exposure_of, lock_credit, put_exposure, share, sum_micros,
};
use crate::service::receivables::unknown_customer;

/// Expired holds given back in one transaction.
const EXPIRY_BATCH: u64 = 500;

impl Service {
    pub(crate) async fn take_hold(&self, ctx: &Ctx, request: HoldCredit) -> Result<()> {
        let HoldCredit { order_id, customer_id, amount, expires_at } = request;
        self.check_currency(amount.currency(), "/amount/currency")?;
        if amount.is_negative() {
            return Err(Error::NegativeHold.into());
        }
        let mut tx = self.db.begin(ctx).await?;
        let customer = customer::Entity::find_by_id(customer_id).one(&*tx).await?;
        let customer = customer.ok_or(Error::UnknownCustomer { id: customer_id })?;
        let unlocked = exposure_of(&tx, order_id).await?;
        let others = unlocked.map(|row| row.customer_id);
        let credits = lock_credit(&tx, others.into_iter().chain([customer_id])).await?;
        let before = exposure_of(&tx, order_id).await?;
        match decide_hold(before.as_ref(), customer_id, amount.minor(), expires_at) {
            Hold::Stands => return tx.commit().await,
            Hold::Committed => return Err(Error::CreditCommitted { order_id }.into()),
            Hold::Take => {}
        }
        if !customer.is_active {
            return Err(Error::CustomerInactive { number: customer.number }.into());
        }
        let fresh = credit_exposure::Model::new(order_id, customer_id, tx.now());
        let after = credit_exposure::Model {
            customer_id,
            state: State::Held,
            amount_minor: amount.minor(),
            expires_at: Some(expires_at),
            updated_at: tx.now(),
            ..before.clone().unwrap_or(fresh)
        };
        let currency = self.company.currency;
        let at_most_minor = 10_i64.pow(Money::MAX_INTEGER_DIGITS + currency.exponent()) - 1;
        let limit = Limit::Kept { at_most_minor };
        if !put_exposure(&mut tx, before.as_ref(), &after, limit).await? {
            let credit = credits.iter().find(|credit| credit.customer_id == customer_id);
            let limit_minor = credit.and_then(|c| c.limit_minor).unwrap_or(at_most_minor);
            let exposure_minor = credit.map_or(0, customer_credit::Model::exposure_minor);
            return Err(Error::CreditLimitExceeded {
                limit: Money::new(limit_minor, currency),
                exposure: Money::new(exposure_minor, currency),
                asked: amount,
            }
            .into());
        }
        tx.commit().await
    }

    pub(crate) async fn give_hold_back(&self, ctx: &Ctx, request: ReleaseCredit) -> Result<()> {
        let mut tx = self.db.begin(ctx).await?;
        let Some(before) = locked_exposure(&tx, request.order_id).await? else {
            return tx.commit().await;
        };
        if before.state != State::Held {
            return tx.commit().await;
        }
        put_in_state(&mut tx, before, State::Released).await?;
        tx.commit().await
    }

    /// The order stands, so its hold does, even one that had expired meanwhile.
    pub(crate) async fn commit_credit(&self, event: &Event, order: OrderConfirmed) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        let before = locked_exposure(&tx, order.order_id).await?;
        if before.is_none() && lock_credit(&tx, [order.customer_id]).await?.is_empty() {
            unknown_customer(event, order.customer_id);
            return tx.commit().await;
        }
        let fresh = credit_exposure::Model::new(order.order_id, order.customer_id, tx.now());
        let after = credit_exposure::Model {
            state: State::Committed,
            amount_minor: order.total.minor(),
            expires_at: None,
            updated_at: tx.now(),
            wanted_micros: sum_micros(
                order.lines.iter().flat_map(|line| [line.reserved, line.backordered]),
            ),
            ..before.clone().unwrap_or(fresh)
        };
        put_exposure(&mut tx, before.as_ref(), &after, Limit::Passed).await?;
        tx.commit().await
    }

    /// The whole order is off.
    pub(crate) async fn release_order(&self, event: &Event, order: OrderCancelled) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        if let Some(before) = locked_exposure(&tx, order.order_id).await?
            && matches!(before.state, State::Held | State::Committed)
        {
            put_in_state(&mut tx, before, State::Released).await?;
        }
        tx.commit().await
    }

    /// Part of the order is off.
    pub(crate) async fn shrink_order(
        &self,
        event: &Event,
        order: OrderLinesCancelled,
    ) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        if let Some(before) = locked_exposure(&tx, order.order_id).await? {
            let cancelled =
                sum_micros(order.lines.iter().flat_map(|line| [line.released, line.unbackordered]));
            let after = credit_exposure::Model {
                amount_minor: order.remaining_total.minor(),
                updated_at: tx.now(),
                // Zero stays zero where the order was confirmed before this was kept.
                wanted_micros: Ord::max(before.wanted_micros - cancelled, 0),
                ..before.clone()
            };
            put_exposure(&mut tx, Some(&before), &after, Limit::Passed).await?;
        }
        tx.commit().await
    }

    /// Gives back the holds whose time is over; returns how many.
    pub(crate) async fn expire_holds(&self, ctx: &Ctx) -> Result<usize> {
        let mut expired = 0;
        loop {
            let batch = self.expire_some_holds(ctx).await?;
            expired += batch;
            if (batch as u64) < EXPIRY_BATCH {
                return Ok(expired);
            }
        }
    }

    async fn expire_some_holds(&self, ctx: &Ctx) -> Result<usize> {
        let mut tx = self.db.begin(ctx).await?;
        let is_due = Column::State.eq(State::Held).and(Column::ExpiresAt.lte(tx.now()));
        let due = Entity::find()
            .filter(is_due.clone())
            .order_by_asc(Column::ExpiresAt)
            .limit(EXPIRY_BATCH)
            .all(&*tx)
            .await?;
        if due.is_empty() {
            return Ok(0);
        }
        lock_credit(&tx, due.iter().map(|row| row.customer_id)).await?;
        // What was confirmed or given back before the lock was had is left alone.
        let expired = Entity::update_many()
            .col_expr(Column::State, Expr::value(State::Expired))
            .col_expr(Column::UpdatedAt, Expr::value(tx.now()))
            .filter(is_due.and(Column::OrderId.is_in(due.iter().map(|row| row.order_id))))
            .exec_with_returning(&*tx)
            .await?;
        let mut freed: BTreeMap<CustomerId, i64> = BTreeMap::new();
        for after in &expired {
            let before = credit_exposure::Model { state: State::Held, ..after.clone() };
            *freed.entry(after.customer_id).or_default() += share(&before).held;
            tx.audit("credit_exposure", after.order_id.uuid(), Some(&before), Some(after))?;
        }
        freed.keys().for_each(|customer| tx.touch("customer", customer.uuid()));
        if !freed.is_empty() {
            free_holds(&tx, freed).await?;
        }
        tx.commit().await?;
        Ok(due.len())
    }
}

/// Takes what each customer's expired holds came to off the projection.
async fn free_holds(tx: &Tx, freed: BTreeMap<CustomerId, i64>) -> Result<()> {
    let columns = [("customer_id", values::Column::Uuid), ("held", values::Column::BigInt)];
    let rows = freed.into_iter().map(|(customer, held)| vec![customer.into(), held.into()]);
    let (sql, values) = Values::new(tx.get_database_backend(), "freed", &columns, rows).statement(
        "UPDATE customer_credit SET held_minor = held_minor - freed.held FROM freed \
         WHERE customer_credit.customer_id = freed.customer_id",
    );
    execute(&**tx, sql, values).await?;
    Ok(())
}

/// The exposure of an order, with its customer's credit locked.
async fn locked_exposure(tx: &Tx, order_id: OrderId) -> Result<Option<credit_exposure::Model>> {
    let Some(unlocked) = exposure_of(tx, order_id).await? else {
        return Ok(None);
    };
    lock_credit(tx, [unlocked.customer_id]).await?;
    exposure_of(tx, order_id).await
}

async fn put_in_state(tx: &mut Tx, before: credit_exposure::Model, state: State) -> Result<()> {
    let after = credit_exposure::Model { state, updated_at: tx.now(), ..before.clone() };
    put_exposure(tx, Some(&before), &after, Limit::Passed).await?;
    Ok(())
}
