//! Drafting a purchase order.

use chrono::{Datelike, Utc};
use contracts::ids::PurchaseOrderId;
use kernel::date::business_date;
use kernel::http::Reply;
use kernel::{Ctx, Result};
use sea_orm::{EntityTrait, IntoActiveModel};

use crate::entities::purchase_order::{self, BillingStatus, PurchaseOrderStatus, ReceiptStatus};
use crate::routes::purchase_orders::NewPurchaseOrder;
use crate::service::document::Document;
use crate::service::draft::insert_lines;
use crate::service::suppliers::find_active;
use crate::service::view::rounding_mode_text;
use crate::service::{Service, check_line_count, dates};

impl Service {
    pub(crate) async fn create_purchase_order(
        &self,
        ctx: &Ctx,
        new: NewPurchaseOrder,
    ) -> Result<Reply> {
        check_line_count(new.lines.len())?;
        let ordered_on = business_date(new.ordered_on, Utc::now().date_naive(), "/ordered_on")?;
        let expected_on = dates::expected(new.expected_on, ordered_on)?;
        self.db.answer_repeat(ctx).await?;
        self.check_warehouse(ctx, new.warehouse_id).await?;
        // A supplier has the company's currency: no other is possible so far.
        let currency = self.company.currency;
        let draft = self.draft_lines(ctx, currency, None, &new.lines).await?;

        let mut tx = self.db.begin_once(ctx).await?;
        let supplier = find_active(&tx, new.supplier_id).await?;
        let totals = &draft.totals;
        let order = purchase_order::Model {
            id: PurchaseOrderId::new(),
            number: tx.next_number("PO", tx.now().year()).await?,
            status: PurchaseOrderStatus::Draft,
            receipt_status: ReceiptStatus::None,
            billing_status: BillingStatus::None,
            supplier_id: supplier.id,
            supplier_name: supplier.name,
            payment_terms_days: supplier.payment_terms_days,
            warehouse_id: new.warehouse_id,
            ordered_on,
            expected_on,
            currency,
            rounding_mode: rounding_mode_text(totals.rounding_mode).to_owned(),
            net_minor: totals.net.minor(),
            tax_minor: totals.tax.minor(),
            total_minor: totals.total.minor(),
            approved_at: None,
            sent_at: None,
            closed_at: None,
            cancelled_at: None,
            is_closed_short: false,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        let row = order.clone().into_active_model();
        purchase_order::Entity::insert(row).exec_without_returning(&*tx).await?;
        let lines = insert_lines(&tx, order.id, draft).await?;
        let view = Document { order, lines }.view();
        tx.audit_new("purchase_order", view.id.uuid(), &view)?;
        let location = format!("/api/v1/purchasing/purchase-orders/{}", view.id);
        tx.reply(Reply::created(&view, location)).await
    }
}
