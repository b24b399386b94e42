//! Stock set aside by hand, and reading all reservations.

use chrono::{DateTime, Duration, Utc};
use contracts::ids::ReservationId;
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::reservation::{self, MACHINE, ReservationStatus};
use crate::error::{Error, internal};
use crate::routes::reservations::{ListReservations, NewReservation, Reservation};
use crate::service::Service;
use crate::service::adjustments::not_available;
use crate::service::backorders::fill_backorders;
use crate::service::levels::{Key, Levels};
use crate::service::references::{check_fineness, check_scope, find_product, find_warehouse};

/// The longest a reservation made by hand may last.
const MOST_DAYS: i64 = 30;

impl Service {
    pub(crate) async fn list_reservations(
        &self,
        ctx: &Ctx,
        query: ListReservations,
    ) -> Result<Page<reservation::Model>> {
        use reservation::Column;
        let mut select = reservation::Entity::find();
        if let Some(product_id) = query.product_id {
            select = select.filter(Column::ProductId.eq(product_id));
        }
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        if let Some(order_id) = query.order_id {
            select = select.filter(Column::OrderId.eq(order_id));
        }
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        select = ctx.scope.filter(select, Column::WarehouseId);
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &reservation::Model| row.id.uuid();
        fetch(self.db.read(), select, Column::Id, id_of, "reservations", &request).await
    }

    pub(crate) async fn reservation(&self, id: ReservationId) -> Result<reservation::Model> {
        let found = reservation::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("reservation", id))
    }

    pub(crate) async fn create_reservation(&self, ctx: &Ctx, new: NewReservation) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let expires_at = expiry(tx.now(), new.expires_at, new.ttl_s)?;
        let warehouse_id = find_warehouse(&tx, new.warehouse_id, "/warehouse_id").await?.id;
        let product = find_product(&tx, new.product_id).await?;
        let quantity = new.quantity.get();
        check_fineness(&product, quantity, "/quantity")?;
        let key = Key { product_id: product.id, warehouse_id };
        let mut levels = Levels::lock(&tx, &[key].into()).await?;
        let level = levels.at(key)?;
        let short = not_available(&product, warehouse_id, quantity, level);
        if level.reserve_up_to(quantity) < quantity {
            return Err(short.into());
        }
        let model = reservation::Model {
            id: ReservationId::new(),
            order_id: None,
            order_line_id: None,
            product_id: product.id,
            warehouse_id,
            quantity,
            remaining: quantity,
            status: ReservationStatus::Active,
            expires_at: Some(expires_at),
            note: Some(new.note.into()),
            kit_line_id: None,
            kit_id: None,
            first_id: None,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        tx.insert_late([model.clone().into_active_model()])?;
        let reservation = Reservation::from(model);
        levels.store(&mut tx).await?;
        tx.audit_new("reservation", reservation.id.uuid(), &reservation)?;
        let location = format!("/api/v1/inventory/reservations/{}", reservation.id);
        tx.reply(Reply::created(&reservation, location)).await
    }

    pub(crate) async fn release_reservation(&self, ctx: &Ctx, id: ReservationId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = find(&tx, id).await?;
        let key = Key { product_id: found.product_id, warehouse_id: found.warehouse_id };
        let mut levels = Levels::lock(&tx, &[key].into()).await?;
        // Again, now that nobody else can end it.
        let before = find(&tx, id).await?;
        ctx.check_version(before.version)?;
        let status = MACHINE.apply(before.status, "release")?;
        if before.order_id.is_some() {
            return Err(Error::ReservationOfOrder.into());
        }
        levels.at(key)?.release(before.remaining).map_err(internal)?;
        let mut model = before.clone().into_active_model();
        model.status = Set(status);
        model.remaining = Set(Quantity::ZERO);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = Reservation::from(model.update(&*tx).await?);
        fill_backorders(&mut tx, &mut levels).await?;
        levels.store(&mut tx).await?;
        tx.audit("reservation", id.uuid(), Some(&Reservation::from(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

async fn find(tx: &Tx, id: ReservationId) -> Result<reservation::Model> {
    let found = reservation::Entity::find_by_id(id).one(&**tx).await?;
    let found = found.ok_or_else(|| kernel::Error::not_found("reservation", id))?;
    check_scope(tx.ctx(), [found.warehouse_id], "reservation", id)?;
    Ok(found)
}

/// When a reservation expires that is to last until `at` or for `ttl_s` seconds.
fn expiry(
    now: DateTime<Utc>,
    at: Option<DateTime<Utc>>,
    ttl_s: Option<u32>,
) -> Result<DateTime<Utc>, Error> {
    let (at, pointer) = match (at, ttl_s) {
        (Some(at), None) => (at, "/expires_at"),
        (None, Some(ttl_s)) => (now + Duration::seconds(ttl_s.into()), "/ttl_s"),
        _ => return Err(Error::ExpiryUnclear),
    };
    if at <= now || at > now + Duration::days(MOST_DAYS) {
        return Err(Error::ExpiryOutOfRange { pointer, most_days: MOST_DAYS });
    }
    Ok(at)
}

impl From<reservation::Model> for Reservation {
    fn from(model: reservation::Model) -> Self {
        // Consuming and expiring are nobody's to ask for, and an order's reservation is
        // released by what happens to the order.
        let mut allowed_actions = MACHINE.allowed_actions(model.status);
        allowed_actions.retain(|action| *action == "release" && model.order_id.is_none());
        Reservation {
            id: model.id,
            order_id: model.order_id,
            // Of a part, the line that the order has.
            order_line_id: model.kit_line_id.or(model.order_line_id),
            kit_id: model.kit_id,
            product_id: model.product_id,
            warehouse_id: model.warehouse_id,
            quantity: model.quantity,
            remaining: model.remaining,
            status: model.status,
            expires_at: model.expires_at,
            note: model.note,
            allowed_actions,
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_by_hand_ends_in_the_near_future() {
        let now = Utc::now();
        let check = |at: Option<i64>, ttl_s: Option<u32>, expected: Result<i64, &str>| {
            let given = at.map(|seconds| now + Duration::seconds(seconds));
            let found = expiry(now, given, ttl_s).map(|at| (at - now).num_seconds());
            let found = found.map_err(|error| kernel::Error::from(error).code().to_owned());
            assert_eq!(found, expected.map_err(str::to_owned), "{at:?} {ttl_s:?}");
        };
        check(Some(60), None, Ok(60));
        check(None, Some(2_592_000), Ok(2_592_000));
        check(None, Some(2_592_001), Err("expiry_out_of_range"));
        check(None, Some(0), Err("expiry_out_of_range"));
        check(Some(0), None, Err("expiry_out_of_range"));
        check(Some(-1), None, Err("expiry_out_of_range"));
        check(None, None, Err("expiry_unclear"));
        check(Some(60), Some(60), Err("expiry_unclear"));
    }
}
