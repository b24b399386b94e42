//! Why stock is corrected, and corrections that somebody else has to approve.

use contracts::ids::StockMoveId;
use kernel::db::{Tx, query_one};
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::money::Money;
use kernel::page::{Page, PageRequest, fetch};
use kernel::text::Code;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
};
use uuid::Uuid;

use crate::entities::adjustment_request::{self, MACHINE, RequestStatus};
use crate::entities::stock_move::LocationKind;
use crate::entities::{adjustment_reason, product};
use crate::error::{Error, internal};
use crate::routes::adjustment_requests::{
    AdjustmentReason, AdjustmentRequest, ListAdjustmentReasons, ListAdjustmentRequests,
    NewAdjustmentReason,
};
use crate::routes::adjustments::NewAdjustment;
use crate::routes::moves::ReverseStockMove;
use crate::service::Service;
use crate::service::references::{check_fineness, find_product, find_warehouse};
use crate::service::reversals::{check_not_reversed, find_reversible};
use crate::service::stock_periods::open_date;

/// The reason a request names.
pub(crate) async fn find_reason(
    tx: &Tx,
    code: Option<&str>,
) -> Result<Option<adjustment_reason::Model>> {
    let Some(code) = code else { return Ok(None) };
    let found = adjustment_reason::Entity::find()
        .filter(adjustment_reason::Column::Code.eq(code))
        .one(&**tx)
        .await?;
    Ok(Some(found.ok_or(Error::UnknownReason)?))
}

/// What a correction of a reason may be worth without being approved.
pub(crate) async fn limit_of(
    tx: &Tx,
    reason: Option<&adjustment_reason::Model>,
) -> Result<Option<i64>> {
    match reason {
        Some(reason) => Ok(reason.approval_above_minor),
        None => lowest_limit(tx).await,
    }
}

/// Refuses a correction above its limit.
pub(crate) fn check_limit(value: Money, limit: Option<i64>) -> Result<(), Error> {
    match limit {
        Some(limit) if value.minor() > limit => {
            let limit = Money::new(limit, value.currency());
            Err(Error::ApprovalRequired { value, limit })
        }
        _ => Ok(()),
    }
}

/// The limit of a correction that names no reason, or leaving it out would get around them all.
async fn lowest_limit(tx: &Tx) -> Result<Option<i64>> {
    let sql = "SELECT MIN(approval_above_minor) AS lowest FROM adjustment_reasons";
    let found: Option<Limit> = query_one(&**tx, sql, vec![]).await?;
    Ok(found.and_then(|found| found.lowest))
}

#[derive(FromQueryResult)]
struct Limit {
    lowest: Option<i64>,
}

impl Service {
    pub(crate) async fn list_adjustment_reasons(
        &self,
        query: ListAdjustmentReasons,
    ) -> Result<Page<AdjustmentReason>> {
        use adjustment_reason::{Column, Entity, Model};
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id;
        let (conn, select) = (self.db.read(), Entity::find());
        let page = fetch(conn, select, Column::Id, id_of, "adjustment_reasons", &request).await?;
        Ok(page.map(|row| self.present_reason(row)))
    }

    pub(crate) async fn create_adjustment_reason(
        &self,
        ctx: &Ctx,
        new: NewAdjustmentReason,
    ) -> Result<Reply> {
        let approval_above_minor = match new.approval_above {
            Some(limit) if limit.currency() != self.company.currency => {
                return Err(Error::ForeignLimit.into());
            }
            Some(limit) if limit.minor() < 0 => return Err(Error::NegativeLimit.into()),
            limit => limit.map(Money::minor),
        };
        let mut tx = self.db.begin_once(ctx).await?;
        let code = String::from(new.code);
        let model = adjustment_reason::Model {
            id: Uuid::now_v7(),
            code: code.clone(),
            name: new.name.into(),
            kind: new.kind,
            approval_above_minor,
            created_at: tx.now(),
        };
        let taken = || Error::ReasonCodeTaken { code }.into();
        let inserted = model.into_active_model().insert(&*tx).await.or_conflict(taken)?;
        let reason = self.present_reason(inserted);
        tx.audit_new("adjustment_reason", reason.id, &reason)?;
        let location = "/api/v1/inventory/adjustment-reasons".to_owned();
        tx.reply(Reply::created_plain(&reason, location)).await
    }

    fn present_reason(&self, row: adjustment_reason::Model) -> AdjustmentReason {
        let limit = row.approval_above_minor;
        AdjustmentReason {
            id: row.id,
            code: row.code,
            name: row.name,
            kind: row.kind,
            approval_above: limit.map(|minor| Money::new(minor, self.company.currency)),
            created_at: row.created_at,
        }
    }

    pub(crate) async fn list_adjustment_requests(
        &self,
        query: ListAdjustmentRequests,
    ) -> Result<Page<adjustment_request::Model>> {
        use adjustment_request::{Column, Entity, Model};
        let mut select = Entity::find();
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id;
        fetch(self.db.read(), select, Column::Id, id_of, "adjustment_requests", &request).await
    }

    pub(crate) async fn adjustment_request(&self, id: Uuid) -> Result<adjustment_request::Model> {
        let found = adjustment_request::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("adjustment request", id))
    }

    /// Writes down what is asked for, if it can be meant. Nothing moves.
    pub(crate) async fn request_adjustment(&self, ctx: &Ctx, new: NewAdjustment) -> Result<Reply> {
        if new.quantity.is_zero() {
            return Err(Error::QuantityZero.into());
        }
        let tx = self.db.begin_once(ctx).await?;
        open_date(&tx, new.adjusted_on, "/adjusted_on").await?;
        find_warehouse(&tx, new.warehouse_id, "/warehouse_id").await?;
        let product: product::Model = find_product(&tx, new.product_id).await?;
        check_fineness(&product, new.quantity, "/quantity")?;
        find_reason(&tx, new.reason_code.as_deref()).await?;
        open_request(tx, &new, None).await
    }

    /// Writes down that a move is to be taken back, where that needs to be approved.
    pub(crate) async fn request_reversal(
        &self,
        ctx: &Ctx,
        id: StockMoveId,
        request: ReverseStockMove,
    ) -> Result<Reply> {
        let tx = self.db.begin_once(ctx).await?;
        let (original, warehouse_id) = find_reversible(&tx, id).await?;
        check_not_reversed(&tx, id).await?;
        let comes_in = original.from_location == LocationKind::Warehouse;
        let quantity = match comes_in {
            true => original.quantity,
            false => original.quantity.checked_neg().map_err(internal)?,
        };
        let reason_code = original.reason_code.as_deref().map(Code::parse).transpose();
        let mirror = NewAdjustment {
            warehouse_id,
            product_id: original.product_id,
            lot_id: None,
            location_id: None,
            quantity,
            unit_cost: None,
            reason: request.reason,
            reason_code: reason_code.map_err(kernel::Error::internal)?,
            break_reservations: false,
            adjusted_on: None,
        };
        open_request(tx, &mirror, Some(id)).await
    }

    /// Posts what was asked for, or not. Who asked for it does not decide.
    pub(crate) async fn decide_adjustment(
        &self,
        ctx: &Ctx,
        id: Uuid,
        action: &'static str,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<adjustment_request::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("adjustment request", id))?;
        ctx.check_version(before.version)?;
        let status = MACHINE.apply(before.status, action)?;
        if before.requested_by == ctx.actor.id {
            return Err(Error::OwnRequest.into());
        }
        let before_shown = AdjustmentRequest::try_from(before.clone())?;
        let mut model = before.clone().into_active_model();
        if status == RequestStatus::Approved {
            let new: NewAdjustment = serde_json::from_str(&before.adjustment)?;
            let posted = match before.reverses_id {
                Some(id) => self.post_reversal(&mut tx, id, new.reason, true).await?,
                None => self.post_adjustment(&mut tx, new, true).await?,
            };
            model.move_id = Set(Some(posted.id));
        }
        model.status = Set(status);
        model.decided_by = Set(ctx.actor.id);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = AdjustmentRequest::try_from(model.update(&*tx).await?)?;
        tx.audit("adjustment_request", id, Some(&before_shown), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }
}

async fn open_request(
    mut tx: Tx,
    new: &NewAdjustment,
    reverses_id: Option<StockMoveId>,
) -> Result<Reply> {
    let model = adjustment_request::Model {
        id: Uuid::now_v7(),
        adjustment: serde_json::to_string(new)?,
        reverses_id,
        status: RequestStatus::Pending,
        requested_by: tx.ctx().actor.id,
        decided_by: None,
        move_id: None,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let inserted = model.into_active_model().insert(&*tx).await?;
    let request = AdjustmentRequest::try_from(inserted)?;
    tx.audit_new("adjustment_request", request.id, &request)?;
    let location = format!("/api/v1/inventory/adjustment-requests/{}", request.id);
    tx.reply(Reply::created(&request, location)).await
}

impl TryFrom<adjustment_request::Model> for AdjustmentRequest {
    type Error = kernel::Error;

    fn try_from(model: adjustment_request::Model) -> Result<Self> {
        Ok(AdjustmentRequest {
            id: model.id,
            adjustment: serde_json::from_str(&model.adjustment)?,
            reverses_id: model.reverses_id,
            status: model.status,
            allowed_actions: MACHINE.allowed_actions(model.status),
            requested_by: model.requested_by,
            decided_by: model.decided_by,
            move_id: model.move_id,
            version: model.version,
            created_at: model.created_at,
            updated_at: model.updated_at,
        })
    }
}
