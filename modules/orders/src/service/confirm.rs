//! Confirming an order: credit is held, then stock, and then one transaction makes the
//! order stand. No lock is held over a call; what is held expires by itself should this
//! process not live to give it back.

use std::time::{Duration, Instant};

use chrono::{NaiveDate, TimeDelta, Utc};
use contracts::events::{ConfirmedLine, OrderConfirmed};
use contracts::ids::OrderId;
use contracts::inventory::{Release, Reserve, ReserveLine, Reserved};
use contracts::sales::{HoldCredit, ReleaseCredit};
use kernel::db::execute;
use kernel::http::Reply;
use kernel::{Ctx, Result};
use sea_orm::EntityTrait;

use crate::entities::order::{self, OrderStatus};
use crate::error::Error;
use crate::service::Service;
use crate::service::document::Document;
use crate::service::status::ORDER;

/// Longest wait for giving something back; after that it is left to expire.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

impl Service {
    pub(crate) async fn confirm_order(&self, ctx: &Ctx, id: OrderId) -> Result<Reply> {
        let draft = self.begin_confirmation(ctx, id).await?;
        let confirmed = match self.hold(ctx, &draft).await {
            Ok(reserved) => self.commit_confirmation(ctx, &draft, &reserved).await,
            Err(error) => Err(error),
        };
        if confirmed.is_err() {
            self.release_unless_owned(ctx, &draft).await;
        }
        confirmed
    }

    /// Checks that the order can be confirmed, and notes for which version of it holds
    /// are about to be placed, before they are.
    async fn begin_confirmation(&self, ctx: &Ctx, id: OrderId) -> Result<Document> {
        let tx = self.db.begin_once(ctx).await?;
        let mut draft = Document::lock(&tx, id).await?;
        ctx.check_version(draft.order.version)?;
        ORDER.apply(draft.order.status, "confirm")?;
        let version = draft.order.version;
        let held_version = draft.order.held_version.replace(version);
        if held_version != Some(version) {
            // Bookkeeping of ours that nobody can see: no new version and no audit row.
            let sql = "UPDATE orders SET held_version = $1 WHERE id = $2 AND version = $1";
            execute(&*tx, sql, vec![version.into(), id.into()]).await?;
        }
        tx.commit().await?;
        if held_version.is_some_and(|held| held != version) {
            // Held for the order as it was before somebody changed it.
            self.release(ctx, id).await;
        }
        Ok(draft)
    }

    /// Holds credit and stock for the draft.
    async fn hold(&self, ctx: &Ctx, draft: &Document) -> Result<Vec<Promised>> {
        let reserved = self.try_hold(ctx, draft).await?;
        if let Some(lines) = promised_lines(draft, &reserved) {
            return Ok(lines);
        }
        // A confirmation of an earlier version was still asking when this one began.
        self.release(ctx, draft.order.id).await;
        let reserved = self.try_hold(ctx, draft).await?;
        promised_lines(draft, &reserved).ok_or_else(|| Error::HeldSomethingElse.into())
    }

    async fn try_hold(&self, ctx: &Ctx, draft: &Document) -> Result<Reserved> {
        let order = &draft.order;
        // Bounded when the module is built.
        let expires_at = Utc::now() + TimeDelta::seconds(self.config.hold_ttl_s as i64);
        let credit = HoldCredit {
            order_id: order.id,
            customer_id: order.customer_id,
            amount: order.money(order.total_minor),
            expires_at,
        };
        self.sales.hold_credit(ctx, credit).await?;
        let lines = draft.lines.iter().map(|line| ReserveLine {
            line_id: line.id,
            product_id: line.product_id,
            warehouse_id: order.warehouse_id,
            quantity: line.ordered,
        });
        let stock = Reserve {
            order_id: order.id,
            expires_at,
            allow_backorder: order.allow_backorder,
            lines: lines.collect(),
        };
        self.inventory.reserve(ctx, stock).await
    }

    async fn commit_confirmation(
        &self,
        ctx: &Ctx,
        draft: &Document,
        promised: &[Promised],
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let before = Document::lock(&tx, draft.order.id).await?;
        ctx.check_version(before.order.version)?;
        let confirmed = ORDER.apply(before.order.status, "confirm")?;
        if before.order.version != draft.order.version {
            return Err(kernel::Error::stale(before.order.version));
        }
        let mut after = before.clone();
        for (line, (reserved, backordered, promised_on)) in after.lines.iter_mut().zip(promised) {
            if !line.step(|counters| counters.allocate(*reserved, *backordered)) {
                return Err(Error::HeldSomethingElse.into());
            }
            line.promise(*promised_on);
        }
        after.enter(&tx, confirmed);
        after.save(&mut tx, &before).await?;
        let order = &after.order;
        let lines = after.lines.iter().map(|line| ConfirmedLine {
            line_id: line.id,
            product_id: line.product_id,
            warehouse_id: order.warehouse_id,
            reserved: line.reserved,
            backordered: line.backordered,
        });
        let event = OrderConfirmed {
            order_id: order.id,
            number: order.number.clone(),
            customer_id: order.customer_id,
            total: order.money(order.total_minor),
            lines: lines.collect(),
        };
        tx.publish(order.id.uuid(), order.version, &event)?;
        tx.reply(Reply::ok(&after.view()?)).await
    }

    /// Gives back what a confirmation that failed may hold. Not if the order stands, for
    /// then another confirmation of it owns the same holds; nor if one of a later version
    /// has begun. What cannot be found out is left to expire.
    async fn release_unless_owned(&self, ctx: &Ctx, draft: &Document) {
        if !self.is_owned(ctx, draft).await.unwrap_or(true) {
            self.release(ctx, draft.order.id).await;
        }
    }

    /// Asked of the writer, for what refused the confirmation may not be readable yet.
    async fn is_owned(&self, ctx: &Ctx, draft: &Document) -> Result<bool> {
        let tx = self.db.begin(ctx).await?;
        let order = order::Entity::find_by_id(draft.order.id).one(&*tx).await?;
        tx.commit().await?;
        Ok(order.is_none_or(|order| {
            matches!(order.status, OrderStatus::Confirmed | OrderStatus::Completed)
                || order.held_version != draft.order.held_version
        }))
    }

    /// Gives back what is held for an order; what cannot be given back expires.
    async fn release(&self, ctx: &Ctx, id: OrderId) {
        // The caller's own deadline may be what ended the confirmation.
        let mut ctx = ctx.clone();
        ctx.deadline = Instant::now() + RELEASE_DEADLINE;
        let credit = self.sales.release_credit(&ctx, ReleaseCredit { order_id: id }).await;
        let stock = self.inventory.release(&ctx, Release { order_id: id }).await;
        for error in [credit, stock].into_iter().filter_map(Result::err) {
            tracing::warn!(order.id = %id, error = ?error, "left a hold to expire");
        }
    }
}

/// What inventory promised for a line: in micros reserved and backordered, and the day by which
/// the latter is to be there.
type Promised = (i64, i64, Option<NaiveDate>);

/// What inventory promised for each line of the draft; `None` if it speaks of other lines or
/// quantities.
fn promised_lines(draft: &Document, reserved: &Reserved) -> Option<Vec<Promised>> {
    if reserved.lines.len() != draft.lines.len() {
        return None;
    }
    let lines = draft.lines.iter().zip(&reserved.lines).map(|(line, promised)| {
        let (reserved, backordered) = (promised.reserved.micros(), promised.backordered.micros());
        let fits = promised.line_id == line.id && line.counters().allocate(reserved, backordered);
        fits.then_some((reserved, backordered, promised.promised_on))
    });
    lines.collect()
}
