//! Suppliers' bills: entered and matched, approved, rejected.

use chrono::{Datelike, NaiveDate};
use contracts::events::{BillApproved, BilledLine};
use contracts::ids::{BillId, BillLineId};
use kernel::date::{business_date, check_date};
use kernel::db::Tx;
use kernel::db::audit::check_four_eyes;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::machine::{Machine, Transition};
use kernel::money::Percent;
use kernel::page::{Page, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder,
};

use crate::entities::bill::BillStatus;
use crate::entities::journal_entry::SourceType;
use crate::entities::{bill, bill_line, purchase_order};
use crate::error::Error;
use crate::routes::bills::{Bill, ListBills, NewBill};
use crate::service::dates::days_after;
use crate::service::goods::relieve;
use crate::service::journal::{Entry, account, post};
use crate::service::matching::{MatchException, match_lines};
use crate::service::order_lines::OrderLines;
use crate::service::period_locks::first_open_day;
use crate::service::presenting::present_bill as present;
use crate::service::tax_rates::{TaxTable, stored_class};
use crate::service::totals::{Line, Terms, calculate};
use crate::service::{Service, check_line_count, insert_all};

/// What it takes to approve a bill that does not match.
const OVERRIDE: &str = "billing.bill:override";

/// Every transition of a bill. `match` and `settle` happen by themselves.
pub(crate) const MACHINE: Machine<BillStatus> = Machine {
    resource: "the bill",
    transitions: &[
        Transition { action: "match", from: &[BillStatus::Exception], to: BillStatus::Matched },
        Transition {
            action: "approve",
            from: &[BillStatus::Matched, BillStatus::Exception],
            to: BillStatus::Approved,
        },
        Transition {
            action: "reject",
            from: &[BillStatus::Matched, BillStatus::Exception],
            to: BillStatus::Rejected,
        },
        Transition { action: "settle", from: &[BillStatus::Approved], to: BillStatus::Settled },
    ],
};

impl Service {
    pub(crate) async fn list_bills(&self, query: ListBills) -> Result<Page<Bill>> {
        let mut select = bill::Entity::find();
        if let Some(status) = query.status {
            select = select.filter(bill::Column::Status.eq(status));
        }
        if let Some(id) = query.supplier_id {
            select = select.filter(bill::Column::SupplierId.eq(id));
        }
        if let Some(id) = query.purchase_order_id {
            select = select.filter(bill::Column::PurchaseOrderId.eq(id));
        }
        let id_of = |row: &bill::Model| row.id.uuid();
        let request = query.page();
        let page =
            fetch(self.db.read(), select, bill::Column::Id, id_of, "bills", &request).await?;
        let data = page.data.into_iter().map(|row| present(row, None)).collect::<Result<_>>()?;
        Ok(Page { data, page: page.page })
    }

    pub(crate) async fn bill(&self, id: BillId) -> Result<Bill> {
        let found = bill::Entity::find_by_id(id).one(self.db.read()).await?;
        let row = found.ok_or_else(|| kernel::Error::not_found("bill", id))?;
        let lines = lines_of(self.db.read(), id).await?;
        present(row, Some(&lines))
    }

    pub(crate) async fn create_bill(&self, ctx: &Ctx, new: NewBill) -> Result<Reply> {
        check_line_count(new.lines.len())?;
        let mut tx = self.db.begin_once(ctx).await?;
        let billed_on = business_date(new.billed_on, tx.now().date_naive(), "/billed_on")?;
        let order = self.order_of(&tx, &new).await?;
        let due_on = due_on(new.due_on, billed_on, order.payment_terms_days)?;
        let ordered = OrderLines::lock(&tx, order.id).await?;
        let claims = ordered.claims(&new.lines)?;
        let exceptions = match_lines(&ordered.facts(&claims), self.config.price_tolerance);

        let number = tx.next_number("BILL", billed_on.year()).await?;
        let (row, lines) =
            self.draft_bill(&tx, new, &order, &ordered, (billed_on, due_on), number).await?;
        let row = bill::Model {
            status: status_of(&exceptions),
            exceptions: serde_json::to_string(&exceptions)?,
            ..row
        };
        insert_all(&tx, lines.clone()).await?;
        insert_all(&tx, [row.clone()]).await.or_conflict(|| duplicate(&row).into())?;
        if row.status == BillStatus::Matched {
            ordered
                .count_billed(&tx, claims.iter().map(|(id, claim)| (*id, claim.quantity)))
                .await?;
        }
        let bill = present(row, Some(&lines))?;
        tx.audit_new("bill", bill.id.uuid(), &bill)?;
        let location = format!("/api/v1/billing/bills/{}", bill.id);
        tx.reply(Reply::created(&bill, location)).await
    }

    pub(crate) async fn approve_bill(&self, ctx: &Ctx, id: BillId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let (ordered, before) = lock_with_order(&tx, id).await?;
        ctx.check_version(before.version)?;
        if self.config.four_eyes {
            check_four_eyes(&tx, id.uuid()).await?;
        }
        let status = MACHINE.apply(before.status, "approve")?;
        let lines = lines_of(&*tx, id).await?;
        let quantities = || lines.iter().map(|l| (l.purchase_order_line_id, l.quantity));
        let mut override_reason = None;
        if before.status == BillStatus::Exception {
            override_reason = Some(may_override(ctx)?);
            ordered.override_billed(&tx, quantities()).await?;
        }

        let relief = relieve(&tx, &ordered, quantities(), self.pricing(&before)).await?;
        let variance = before.net_minor.checked_sub(relief).ok_or(Error::AmountOverflow)?;
        let posted_on = first_open_day(&tx, before.billed_on).await?;
        post(&tx, entry(&before, posted_on, relief, variance)).await?;
        let mut model = before.clone().into_active_model();
        model.status = Set(match before.total_minor {
            0 => MACHINE.apply(status, "settle")?,
            _ => status,
        });
        model.posted_on = Set(Some(posted_on));
        model.override_reason = Set(override_reason);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        let event = BillApproved {
            bill_id: id,
            purchase_order_id: after.purchase_order_id,
            lines: quantities()
                .map(|(purchase_order_line_id, quantity)| BilledLine {
                    purchase_order_line_id,
                    quantity,
                })
                .collect(),
        };
        tx.publish(after.purchase_order_id.uuid(), after.version, &event)?;
        let after = present(after, Some(&lines))?;
        tx.audit("bill", id.uuid(), Some(&present(before, None)?), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    pub(crate) async fn reject_bill(&self, ctx: &Ctx, id: BillId) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let (ordered, before) = lock_with_order(&tx, id).await?;
        ctx.check_version(before.version)?;
        let mut model = before.clone().into_active_model();
        model.status = Set(MACHINE.apply(before.status, "reject")?);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = model.update(&*tx).await?;
        let lines = lines_of(&*tx, id).await?;
        if before.status == BillStatus::Matched {
            let freed = lines.iter().map(|line| (line.purchase_order_line_id, line.quantity));
            ordered.free(&tx, freed).await?;
            self.rematch(&mut tx, before.purchase_order_id).await?;
        }
        let after = present(after, Some(&lines))?;
        tx.audit("bill", id.uuid(), Some(&present(before, None)?), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    /// The order a bill is for, known and of its supplier.
    async fn order_of(&self, tx: &Tx, new: &NewBill) -> Result<purchase_order::Model> {
        let id = new.purchase_order_id;
        let found = purchase_order::Entity::find_by_id(id).one(&**tx).await?;
        let order = found.ok_or(Error::UnknownPurchaseOrder { id })?;
        if order.supplier_id != new.supplier_id {
            return Err(Error::OtherSupplier { number: order.number }.into());
        }
        Ok(order)
    }

    /// The bill and its lines, not matched yet.
    async fn draft_bill(
        &self,
        tx: &Tx,
        new: NewBill,
        order: &purchase_order::Model,
        ordered: &OrderLines,
        (billed_on, due_on): (NaiveDate, NaiveDate),
        number: String,
    ) -> Result<(bill::Model, Vec<bill_line::Model>)> {
        let id = BillId::new();
        let taxes = TaxTable::load_in(tx).await?;
        let mut of_order = Vec::with_capacity(new.lines.len());
        let mut classes = Vec::with_capacity(new.lines.len());
        for line in &new.lines {
            let row = ordered.line(line.purchase_order_line_id)?;
            classes.push(stored_class(&row.tax_class)?);
            of_order.push(row);
        }
        let to_total = new.lines.iter().zip(&classes).enumerate().map(|(index, (line, class))| {
            Ok(Line {
                quantity: line.quantity.get(),
                unit_price: line.unit_price,
                discount: Percent::ZERO,
                tax_class: class,
                tax_rate: taxes.rate(class, index)?,
            })
        });
        let to_total = to_total.collect::<Result<Vec<_>, Error>>()?;
        let terms = Terms {
            currency: order.currency,
            rounding: self.company.rounding,
            rounding_mode: self.config.rounding_mode,
            prices_include_tax: false,
        };
        let totals = calculate(terms, &to_total).map_err(Error::from)?;
        let lines = new.lines.iter().zip(of_order).zip(&totals.lines).zip(1..);
        let lines = lines.map(|(((line, of), total), position)| bill_line::Model {
            id: BillLineId::new(),
            bill_id: id,
            position,
            purchase_order_line_id: of.id,
            product_id: of.product_id,
            sku: of.sku.clone(),
            name: of.name.clone(),
            unit: of.unit.clone(),
            quantity: line.quantity.get(),
            unit_price: line.unit_price,
            tax_class: of.tax_class.clone(),
            tax_rate: total.tax_rate,
            net_minor: total.net.minor(),
            tax_minor: total.tax.minor(),
        });
        let lines = lines.collect();
        let row = bill::Model {
            id,
            number,
            status: BillStatus::Exception,
            supplier_id: order.supplier_id,
            supplier_name: order.supplier_name.clone(),
            supplier_invoice_number: new.supplier_invoice_number.into(),
            purchase_order_id: order.id,
            purchase_order_number: order.number.clone(),
            billed_on,
            due_on,
            posted_on: None,
            currency: order.currency,
            rounding_mode: self.config.rounding_mode.into(),
            net_minor: totals.net.minor(),
            tax_minor: totals.tax.minor(),
            total_minor: totals.total.minor(),
            applied_minor: 0,
            exceptions: String::new(),
            override_reason: None,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        Ok((row, lines))
    }
}

/// A bill and the lines of its order, which are locked first: so does a receipt, which then
/// comes to the bills that wait for it.
async fn lock_with_order(tx: &Tx, id: BillId) -> Result<(OrderLines, bill::Model)> {
    let missing = || kernel::Error::not_found("bill", id);
    let bill = bill::Entity::find_by_id(id).one(&**tx).await?.ok_or_else(missing)?;
    let ordered = OrderLines::lock(tx, bill.purchase_order_id).await?;
    let bill = tx.lock::<bill::Entity>(id).await?;
    Ok((ordered, bill.ok_or_else(missing)?))
}

/// Its lines, by position.
pub(crate) async fn lines_of(
    conn: &impl ConnectionTrait,
    id: BillId,
) -> Result<Vec<bill_line::Model>> {
    Ok(bill_line::Entity::find()
        .filter(bill_line::Column::BillId.eq(id))
        .order_by_asc(bill_line::Column::Position)
        .all(conn)
        .await?)
}

fn due_on(given: Option<NaiveDate>, billed_on: NaiveDate, terms: i64) -> Result<NaiveDate> {
    let due_on = given.unwrap_or_else(|| days_after(billed_on, terms));
    check_date(due_on, "/due_on")?;
    if due_on < billed_on {
        return Err(Error::DueBeforeBilled.into());
    }
    Ok(due_on)
}

/// Where a bill stands that differs in these ways.
pub(crate) fn status_of(exceptions: &[MatchException]) -> BillStatus {
    if exceptions.is_empty() { BillStatus::Matched } else { BillStatus::Exception }
}

fn duplicate(row: &bill::Model) -> Error {
    Error::DuplicateBill { supplier_invoice_number: row.supplier_invoice_number.clone() }
}

/// The caller's reason, if they may approve what does not match.
fn may_override(ctx: &Ctx) -> Result<String> {
    if !ctx.permissions.allow(OVERRIDE) {
        return Err(kernel::Error::forbidden(OVERRIDE));
    }
    let reason = ctx.reason.as_deref().ok_or(Error::ReasonRequired)?;
    Ok(reason.to_owned())
}

/// Goods received not invoiced, input tax and the difference in price against the payable.
fn entry(row: &bill::Model, entry_on: NaiveDate, relief: i64, variance: i64) -> Entry {
    Entry {
        source_type: SourceType::Bill,
        source_id: row.id.uuid(),
        entry_on,
        document_on: row.billed_on,
        description: format!("Bill {} for {}", row.number, row.purchase_order_number),
        currency: row.currency,
        postings: vec![
            (account::RECEIVED_NOT_INVOICED, relief),
            (account::INPUT_TAX, row.tax_minor),
            (account::PRICE_VARIANCE, variance),
            (account::PAYABLE, -row.total_minor),
        ],
    }
}
