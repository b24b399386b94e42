//! What becomes of a quotation: sent, decided on, expired, converted.

use chrono::Utc;
use contracts::events::{OrderCreated, QuotationAccepted};
use contracts::ids::QuotationId;
use contracts::sales::{FindQuotation, QuotationSnapshot};
use kernel::db::{Tx, query_all};
use kernel::events::Event;
use kernel::http::Reply;
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, EntityTrait, FromQueryResult, IntoActiveModel};
use serde_json::json;

use crate::entities::quotation::{self, Status};
use crate::error::Error;
use crate::service::Service;
use crate::service::customers::{active_customer, customer_info};
use crate::service::quotation_machine::{BY_ITSELF, MACHINE, is_over};
use crate::service::quotation_rows::{Rows, load_rest, lock_head};

/// Quotations expired in one transaction.
const EXPIRY_BATCH: i64 = 500;

impl Service {
    pub(crate) async fn send_quotation(&self, ctx: &Ctx, id: QuotationId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = begin_action(&tx, ctx, id, "send").await?;
        active_customer(&*tx, before.head.customer_id).await?;
        let after = put_status(&mut tx, before, Status::Sent, None).await?;
        tx.reply(Reply::ok(&after.to_response()?)).await
    }

    pub(crate) async fn accept_quotation(&self, ctx: &Ctx, id: QuotationId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = begin_action(&tx, ctx, id, "accept").await?;
        // What they accept it as is what the order and its invoices will say.
        let customer = active_customer(&*tx, before.head.customer_id).await?;
        let customer = serde_json::to_string(&customer_info(&customer)?)?;
        let after = put_status(&mut tx, before, Status::Accepted, Some(customer)).await?;
        let accepted = QuotationAccepted { quotation: after.to_snapshot()? };
        tx.publish(id.uuid(), after.head.version, &accepted)?;
        tx.reply(Reply::ok(&after.to_response()?)).await
    }

    pub(crate) async fn reject_quotation(&self, ctx: &Ctx, id: QuotationId) -> Result<Reply> {
        self.close_quotation(ctx, id, "reject", Status::Rejected).await
    }

    pub(crate) async fn cancel_quotation(&self, ctx: &Ctx, id: QuotationId) -> Result<Reply> {
        self.close_quotation(ctx, id, "cancel", Status::Cancelled).await
    }

    async fn close_quotation(
        &self,
        ctx: &Ctx,
        id: QuotationId,
        action: &str,
        to: Status,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = begin_action(&tx, ctx, id, action).await?;
        let after = put_status(&mut tx, before, to, None).await?;
        tx.reply(Reply::ok(&after.to_response()?)).await
    }

    /// What the customer accepted, for the order made of it.
    pub(crate) async fn accepted_snapshot(
        &self,
        request: FindQuotation,
    ) -> Result<QuotationSnapshot> {
        let FindQuotation { id } = request;
        let head = quotation::Entity::find_by_id(id).one(self.db.read()).await?;
        let head = head.ok_or(Error::UnknownQuotation { id })?;
        if !matches!(head.status, Status::Accepted | Status::Converted) {
            return Err(Error::QuotationNotAccepted { number: head.number }.into());
        }
        load_rest(&self.db, self.db.read(), head).await?.to_snapshot()
    }

    /// A draft order exists. Only the first one made of a quotation counts.
    pub(crate) async fn convert_quotation(&self, event: &Event, order: OrderCreated) -> Result<()> {
        let Some(mut tx) = self.db.begin_event(event).await? else {
            return Ok(());
        };
        let Some(id) = order.quotation_id else {
            return tx.commit().await;
        };
        let head = tx.lock::<quotation::Entity>(id).await?;
        match head {
            Some(head) if BY_ITSELF.apply(head.status, "convert").is_ok() => {
                let mut row = head.clone().into_active_model();
                row.status = Set(Status::Converted);
                row.order_id = Set(Some(order.order_id));
                row.order_number = Set(Some(order.number.clone()));
                row.version = Set(head.version + 1);
                row.updated_at = Set(tx.now());
                row.update(&*tx).await?;
                let before = json!({ "status": head.status });
                let after = json!({ "status": Status::Converted, "order_id": order.order_id });
                tx.audit("quotation", id.uuid(), Some(&before), Some(&after))?;
            }
            Some(head) if head.order_id == Some(order.order_id) => {}
            // Nothing to repair from here: the order stands on its own feet.
            other => tracing::warn!(
                quotation.id = %id,
                quotation.status = ?other.map(|head| head.status),
                order.id = %order.order_id,
                "an order of a quotation that could not become one"
            ),
        }
        tx.commit().await
    }

    /// Closes what nobody answered in time; returns how many.
    pub(crate) async fn expire_quotations(&self, ctx: &Ctx) -> Result<usize> {
        let mut expired = 0;
        loop {
            let batch = self.expire_some_quotations(ctx).await?;
            expired += batch;
            if batch < EXPIRY_BATCH as usize {
                return Ok(expired);
            }
        }
    }

    async fn expire_some_quotations(&self, ctx: &Ctx) -> Result<usize> {
        #[derive(FromQueryResult)]
        struct Expired {
            id: QuotationId,
        }
        let mut tx = self.db.begin(ctx).await?;
        let sql = "UPDATE quotations \
                   SET status = 'expired', version = version + 1, updated_at = $1 \
                   WHERE status = 'sent' AND id IN (SELECT id FROM quotations \
                       WHERE status = 'sent' AND valid_until < $2 \
                       ORDER BY valid_until LIMIT $3) \
                   RETURNING id";
        let now = tx.now();
        let values = vec![now.into(), now.date_naive().into(), EXPIRY_BATCH.into()];
        let expired: Vec<Expired> = query_all(&*tx, sql, values).await?;
        let before = json!({ "status": Status::Sent });
        let after = json!({ "status": Status::Expired });
        for Expired { id } in &expired {
            tx.audit("quotation", id.uuid(), Some(&before), Some(&after))?;
        }
        tx.commit().await?;
        Ok(expired.len())
    }
}

/// Loads a quotation to do `action` on it, and refuses what its state forbids.
async fn begin_action(tx: &Tx, ctx: &Ctx, id: QuotationId, action: &str) -> Result<Rows> {
    let head = lock_head(tx, id).await?;
    ctx.check_version(head.version)?;
    // Only what could have been done in time is told to be late.
    let late = match action {
        "send" => head.status == Status::Draft,
        "accept" => matches!(head.status, Status::Sent | Status::Expired),
        _ => false,
    };
    if late && is_over(head.status, head.valid_until, Utc::now().date_naive()) {
        return Err(
            Error::QuotationExpired { number: head.number, valid_until: head.valid_until }.into()
        );
    }
    MACHINE.apply(head.status, action)?;
    load_rest(tx.db(), &**tx, head).await
}

async fn put_status(
    tx: &mut Tx,
    before: Rows,
    status: Status,
    customer: Option<String>,
) -> Result<Rows> {
    let mut row = before.head.clone().into_active_model();
    row.status = Set(status);
    if let Some(customer) = customer {
        row.customer = Set(customer);
    }
    row.version = Set(before.head.version + 1);
    row.updated_at = Set(tx.now());
    let head = row.update(&**tx).await?;
    let audited = before.to_response()?;
    let after = Rows { head, ..before };
    after.remember(tx);
    tx.audit("quotation", after.head.id.uuid(), Some(&audited), Some(&after.to_response()?))?;
    Ok(after)
}
