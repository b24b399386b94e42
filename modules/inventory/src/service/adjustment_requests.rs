//! Why stock is corrected, and corrections that somebody else has to approve.

use kernel::db::{Tx, query_one};
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::money::Money;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
};
use uuid::Uuid;

use crate::entities::adjustment_request::{self, MACHINE, RequestStatus};
use crate::entities::{adjustment_reason, product};
use crate::error::Error;
use crate::routes::adjustment_requests::{
    AdjustmentReason, AdjustmentRequest, ListAdjustmentReasons, ListAdjustmentRequests,
    NewAdjustmentReason,
};
use crate::routes::adjustments::NewAdjustment;
use crate::service::Service;
use crate::service::references::{check_fineness, find_product, find_warehouse};
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

/// The limit of a correction that names no reason, or leaving it out would get around them all.
pub(crate) async fn lowest_limit(tx: &Tx) -> Result<Option<i64>> {
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
        let mut tx = self.db.begin_once(ctx).await?;
        open_date(&tx, new.adjusted_on, "/adjusted_on").await?;
        find_warehouse(&tx, new.warehouse_id, "/warehouse_id").await?;
        let product: product::Model = find_product(&tx, new.product_id).await?;
        check_fineness(&product, new.quantity, "/quantity")?;
        find_reason(&tx, new.reason_code.as_deref()).await?;
        let model = adjustment_request::Model {
            id: Uuid::now_v7(),
            adjustment: serde_json::to_string(&new)?,
            status: RequestStatus::Pending,
            requested_by: ctx.actor.id,
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
            let posted = self.post_adjustment(&mut tx, new, true).await?;
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

impl TryFrom<adjustment_request::Model> for AdjustmentRequest {
    type Error = kernel::Error;

    fn try_from(model: adjustment_request::Model) -> Result<Self> {
        Ok(AdjustmentRequest {
            id: model.id,
            adjustment: serde_json::from_str(&model.adjustment)?,
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
