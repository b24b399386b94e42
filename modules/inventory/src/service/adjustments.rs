//! Making the books say what a count found.

use contracts::events::StockAdjusted;
use contracts::ids::WarehouseId;
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::money::Money;
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::EntityTrait;
use uuid::Uuid;

use crate::entities::adjustment_reason::ReasonKind;
use crate::entities::lot;
use crate::entities::product::{self, Tracking};
use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::error::{Error, Shortage, internal};
use crate::routes::adjustments::NewAdjustment;
use crate::routes::moves::StockMove;
use crate::service::Service;
use crate::service::adjustment_requests::{check_limit, find_reason, limit_of};
use crate::service::backorders::fill_backorders;
use crate::service::bins::{Bins, Part, blocked};
use crate::service::days::{days_since, least, lost_since};
use crate::service::level::Level;
use crate::service::levels::{Key, Levels};
use crate::service::locations::find_location;
use crate::service::moves::{NewMove, Posting, post};
use crate::service::pick_losses::free_held;
use crate::service::promises::break_newest;
use crate::service::references::{check_fineness, find_product, find_warehouse};
use crate::service::stock_periods::open_date;

impl Service {
    pub(crate) async fn adjust_stock(&self, ctx: &Ctx, new: NewAdjustment) -> Result<Reply> {
        if new.quantity.is_zero() {
            return Err(Error::QuantityZero.into());
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let posted = self.post_adjustment(&mut tx, new, false).await?;
        let location = format!("/api/v1/inventory/moves/{}", posted.id);
        tx.reply(Reply::created_plain(&posted, location)).await
    }

    /// Posts an adjustment; one above the limit of its reason only if it `is_approved`.
    pub(crate) async fn post_adjustment(
        &self,
        tx: &mut Tx,
        new: NewAdjustment,
        is_approved: bool,
    ) -> Result<StockMove> {
        let adjusted_on = open_date(tx, new.adjusted_on, "/adjusted_on").await?;
        let warehouse_id = find_warehouse(tx, new.warehouse_id, "/warehouse_id").await?.id;
        let product = find_product(tx, new.product_id).await?;
        check_fineness(&product, new.quantity, "/quantity")?;
        let reason = find_reason(tx, new.reason_code.as_deref()).await?;
        let limit = match is_approved {
            true => None,
            false => limit_of(tx, reason.as_ref()).await?,
        };
        let key = Key { product_id: product.id, warehouse_id };
        let mut levels = Levels::lock_to_issue(tx, &[key].into()).await?;
        let quantity = magnitude(new.quantity)?;
        let bins = bins_of(tx, &new, &product, quantity).await?;
        let comes_in = new.quantity.is_positive();
        if new.break_reservations && !comes_in {
            // What is blocked is promised to nobody.
            let blocked = blocked(tx, &levels, key, &bins).await?;
            let level = levels.at(key)?;
            let fit = quantity.checked_sub(blocked).map_err(internal)?;
            let missing = fit.checked_sub(level.available()).map_err(internal)?;
            let missing = missing.min(level.reserved);
            if missing.is_positive() && (quantity <= level.on_hand || level.allows_negative) {
                break_newest(tx, &mut levels, &[(key, missing)]).await?;
            }
            if let Bins::Given(parts) = &bins {
                free_held(tx, &levels, &[(key, parts)]).await?;
            }
        }
        let mut days = Vec::new();
        if !comes_in && adjusted_on < tx.now().date_naive() {
            let since = days_since(tx, [key].into_iter(), adjusted_on).await?;
            days = since.into_values().flatten().collect();
            let least = least(levels.at(key)?, &days);
            if least < quantity {
                return Err(too_few(&product, warehouse_id, quantity, least).into());
            }
        }
        if !comes_in {
            levels.learn_costs(tx, [(key, quantity)]).await?;
        }
        let value = self.adjust_level(levels.at(key)?, &new, &product)?;
        if lost_since(levels.at(key)?, &days).is_some() {
            // What it costs today is more than all of it was worth then.
            return Err(Error::ValueMoved.into());
        }
        check_limit(value, limit)?;
        let outside = match &reason {
            Some(reason) if reason.kind == ReasonKind::Scrap && !comes_in => LocationKind::Scrap,
            _ => LocationKind::Adjustment,
        };
        let (from, to) = match comes_in {
            true => (outside, LocationKind::Warehouse),
            false => (LocationKind::Warehouse, outside),
        };
        let posting = Posting {
            source_type: MoveSourceType::Adjustment,
            source_id: Uuid::now_v7(),
            moved_on: adjusted_on,
            reason: Some(new.reason.into_string()),
            reason_code: reason.map(|reason| reason.code),
        };
        let adjustment = NewMove {
            kind: MoveKind::Adjustment,
            product_id: product.id,
            from,
            to,
            warehouse_id: Some(warehouse_id),
            quantity,
            unit_cost: new.unit_cost,
            value,
            line_id: None,
            reverses_id: None,
            bins,
        };
        let posted = post(tx, &mut levels, posting, vec![adjustment]).await?.remove(0);
        publish_adjusted(tx, &posted, &product, warehouse_id, comes_in)?;
        fill_backorders(tx, &mut levels).await?;
        levels.store(tx).await?;
        Ok(posted)
    }

    /// Takes the quantity in or out, and returns its value.
    fn adjust_level(
        &self,
        level: &mut Level,
        new: &NewAdjustment,
        product: &product::Model,
    ) -> Result<Money> {
        let too_large = |source| Error::TooLarge { pointer: "/quantity".into(), source };
        let is_new = new.quantity.is_positive() && level.on_hand.is_zero();
        match new.unit_cost {
            Some(_) if !is_new => Err(Error::UnitCostNotAllowed.into()),
            None if is_new && level.owed.is_zero() => Err(Error::UnitCostRequired.into()),
            Some(unit_cost) => {
                Ok(level.receive_at(new.quantity, unit_cost, &self.company).map_err(too_large)?)
            }
            None if new.quantity.is_positive() => {
                Ok(level.receive_at_average(new.quantity, &self.company).map_err(too_large)?)
            }
            None => {
                let asked = magnitude(new.quantity)?;
                let short = not_available(product, new.warehouse_id, asked, level);
                if level.goes_below(asked)
                    && level.provisional_minor(asked, &self.company).is_none()
                {
                    return Err(Error::CostUnknown.into());
                }
                Ok(level.issue_or_owe(asked, &self.company).map_err(|_| short)?)
            }
        }
    }
}

/// Where an adjustment says that goods are, and of which lot.
async fn bins_of(
    tx: &Tx,
    new: &NewAdjustment,
    product: &product::Model,
    quantity: Quantity,
) -> Result<Bins> {
    if let Some(id) = new.location_id {
        let found = find_location(tx, id, new.warehouse_id, "/location_id").await?;
        if new.quantity.is_positive() && !found.is_active {
            return Err(Error::LocationInactive { pointer: "/location_id".into() }.into());
        }
    }
    if let Some(id) = new.lot_id {
        let found = lot::Entity::find_by_id(id).one(&**tx).await?;
        if found.is_none_or(|lot| lot.product_id != product.id) {
            return Err(Error::UnknownLot { pointer: "/lot_id".into() }.into());
        }
        if product.tracking == Tracking::Serial && quantity != Quantity::ONE {
            return Err(Error::SerialOfMany { pointer: "/quantity".into() }.into());
        }
    }
    if new.lot_id.is_none() && new.location_id.is_none() {
        return Ok(Bins::Rule);
    }
    Ok(Bins::Given(vec![Part { lot_id: new.lot_id, location_id: new.location_id, quantity }]))
}

pub(crate) fn magnitude(quantity: Quantity) -> Result<Quantity> {
    Ok(if quantity.is_negative() { quantity.checked_neg().map_err(internal)? } else { quantity })
}

/// The refusal where `asked` of one product is more than is available.
pub(crate) fn not_available(
    product: &product::Model,
    warehouse_id: WarehouseId,
    asked: Quantity,
    level: &Level,
) -> Error {
    too_few(product, warehouse_id, asked, level.available())
}

fn too_few(
    product: &product::Model,
    warehouse_id: WarehouseId,
    asked: Quantity,
    available: Quantity,
) -> Error {
    let (product_id, sku) = (product.id, product.sku.clone());
    let shortage = Shortage { product_id, sku, warehouse_id, asked, available };
    Error::InsufficientStock { shortages: vec![shortage] }
}

/// Tells that stock was corrected by `posted`: up if the goods came in.
pub(crate) fn publish_adjusted(
    tx: &mut Tx,
    posted: &StockMove,
    product: &product::Model,
    warehouse_id: WarehouseId,
    came_in: bool,
) -> Result<()> {
    let (mut quantity, mut value) = (posted.quantity, posted.value);
    if !came_in {
        quantity = quantity.checked_neg().map_err(internal)?;
        value = value.checked_neg().map_err(internal)?;
    }
    let adjusted = StockAdjusted {
        move_id: posted.id,
        product_id: product.id,
        warehouse_id,
        adjusted_on: posted.moved_on,
        quantity,
        value,
        reason: posted.reason.clone().unwrap_or_default(),
        is_cost_of_sales: false,
    };
    tx.publish(product.id.uuid(), product.version, &adjusted)
}
