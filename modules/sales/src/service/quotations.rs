//! Drafting quotations.

use chrono::{Datelike, Utc};
use contracts::billing::Totals;
use contracts::ids::QuotationId;
use kernel::date::business_date;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Error, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::quotation::{self, Status};
use crate::routes::quotations::{ListQuotations, NewQuotation, Quotation, QuotationPatch};
use crate::service::Service;
use crate::service::customers::{active_customer, customer_info};
use crate::service::dates::valid_until;
use crate::service::quotation_machine::MACHINE;
use crate::service::quotation_rows::{
    Rows, delete_lines, insert_lines, load_head, load_rest, lock_head, rounding_mode, rounding_text,
};
use crate::service::quoting::{Quoted, Terms, check_line_count};

impl Service {
    pub(crate) async fn list_quotations(
        &self,
        query: ListQuotations,
    ) -> Result<Page<quotation::Model>> {
        let mut select = quotation::Entity::find();
        if let Some(status) = query.status {
            select = select.filter(quotation::Column::Status.eq(status));
        }
        if let Some(customer_id) = query.customer_id {
            select = select.filter(quotation::Column::CustomerId.eq(customer_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &quotation::Model| row.id.uuid();
        let column = quotation::Column::Id;
        fetch(self.db.read(), select, column, id_of, "quotations", &request).await
    }

    pub(crate) async fn quotation(&self, id: QuotationId) -> Result<Quotation> {
        let head = load_head(self.db.read(), id).await?;
        load_rest(&self.db, self.db.read(), head).await?.to_response()
    }

    pub(crate) async fn create_quotation(&self, ctx: &Ctx, new: NewQuotation) -> Result<Reply> {
        check_line_count(new.lines.len())?;
        let quoted_on = business_date(new.quoted_on, Utc::now().date_naive(), "/quoted_on")?;
        let default_days = self.config.quotation_validity_days;
        let valid_until = valid_until(new.valid_until, quoted_on, default_days)?;
        let customer = active_customer(self.db.read(), new.customer_id).await?;
        let currency = new.currency.unwrap_or(customer.currency);
        self.check_currency(currency, "/currency")?;
        self.check_warehouse(ctx, new.warehouse_id).await?;
        let terms = Terms {
            customer_id: customer.id,
            currency,
            on: quoted_on,
            prices_include_tax: new.prices_include_tax,
            rounding_mode: None,
        };
        let quoted = self.quote(ctx, terms, &new.lines).await?;

        let mut tx = self.db.begin_once(ctx).await?;
        let number = tx.next_number("QU", tx.now().year()).await?;
        let totals = &quoted.totals;
        let head = quotation::ActiveModel {
            id: Set(QuotationId::new()),
            number: Set(number),
            status: Set(Status::Draft),
            customer_id: Set(customer.id),
            customer: Set(serde_json::to_string(&customer_info(&customer)?)?),
            warehouse_id: Set(new.warehouse_id),
            quoted_on: Set(quoted_on),
            valid_until: Set(valid_until),
            currency: Set(currency),
            prices_include_tax: Set(new.prices_include_tax),
            rounding_mode: Set(rounding_text(totals.rounding_mode).to_owned()),
            net_minor: Set(totals.net.minor()),
            tax_minor: Set(totals.tax.minor()),
            total_minor: Set(totals.total.minor()),
            order_id: Set(None),
            order_number: Set(None),
            version: Set(1),
            created_at: Set(tx.now()),
            updated_at: Set(tx.now()),
        };
        let head = head.insert(&*tx).await?;
        let (lines, taxes) = insert_lines(&tx, head.id, quoted)?;
        let rows = Rows { head, lines, taxes };
        rows.remember(&mut tx);
        let quotation = rows.to_response()?;
        tx.audit_new("quotation", quotation.id.uuid(), &quotation)?;
        let location = format!("/api/v1/sales/quotations/{}", quotation.id);
        tx.reply(Reply::created(&quotation, location)).await
    }

    pub(crate) async fn update_quotation(
        &self,
        ctx: &Ctx,
        id: QuotationId,
        patch: QuotationPatch,
    ) -> Result<Reply> {
        let head = load_head(self.db.read(), id).await?;
        ctx.check_version(head.version)?;
        MACHINE.apply(head.status, "update")?;
        let before = load_rest(&self.db, self.db.read(), head).await?;
        let default_days = self.config.quotation_validity_days;
        let asked_until = patch.valid_until.or(Some(before.head.valid_until));
        let valid_until = valid_until(asked_until, before.head.quoted_on, default_days)?;
        let customer = active_customer(self.db.read(), before.head.customer_id).await?;
        if let Some(warehouse_id) = patch.warehouse_id {
            self.check_warehouse(ctx, warehouse_id).await?;
        }
        let quoted = self.quote_again(ctx, &before, &patch).await?;

        let mut tx = self.db.begin_once(ctx).await?;
        let current = lock_head(&tx, id).await?;
        if current.version != before.head.version {
            // Changed while the other modules were asked.
            return Err(Error::stale(current.version));
        }
        let mut head = current.into_active_model();
        head.customer = Set(serde_json::to_string(&customer_info(&customer)?)?);
        head.valid_until = Set(valid_until);
        if let Some(warehouse_id) = patch.warehouse_id {
            head.warehouse_id = Set(warehouse_id);
        }
        if let Some(prices_include_tax) = patch.prices_include_tax {
            head.prices_include_tax = Set(prices_include_tax);
        }
        if let Some(Quoted { totals: Totals { net, tax, total, .. }, .. }) = &quoted {
            head.net_minor = Set(net.minor());
            head.tax_minor = Set(tax.minor());
            head.total_minor = Set(total.minor());
        }
        head.version = Set(before.head.version + 1);
        head.updated_at = Set(tx.now());
        let head = head.update(&*tx).await?;
        let (lines, taxes) = match quoted {
            Some(quoted) => {
                delete_lines(&tx, id).await?;
                insert_lines(&tx, id, quoted)?
            }
            None => (before.lines.clone(), before.taxes.clone()),
        };
        let rows = Rows { head, lines, taxes };
        rows.remember(&mut tx);
        let after = rows.to_response()?;
        tx.audit("quotation", id.uuid(), Some(&before.to_response()?), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    /// The lines a patch leads to; `None` if they stay what they are.
    async fn quote_again(
        &self,
        ctx: &Ctx,
        before: &Rows,
        patch: &QuotationPatch,
    ) -> Result<Option<Quoted>> {
        let head = &before.head;
        let terms = Terms {
            customer_id: head.customer_id,
            currency: head.currency,
            on: head.quoted_on,
            prices_include_tax: patch.prices_include_tax.unwrap_or(head.prices_include_tax),
            rounding_mode: Some(rounding_mode(&head.rounding_mode)?),
        };
        if let Some(asked) = &patch.lines {
            check_line_count(asked.len())?;
            return Ok(Some(self.quote(ctx, terms, asked).await?));
        }
        if terms.prices_include_tax == head.prices_include_tax {
            return Ok(None);
        }
        let lines = before.to_priced_lines()?;
        let totals = self.total(ctx, terms, &lines).await?;
        Ok(Some(Quoted { lines, totals }))
    }
}
