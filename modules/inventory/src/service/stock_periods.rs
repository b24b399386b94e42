//! Stock periods: closing the stock through a day, with what there was at its end (I23).

use chrono::{Days, NaiveDate};
use contracts::ids::StockPeriodId;
use kernel::date::{business_date, check_date};
use kernel::db::{Tx, execute, lock_table, query_one};
use kernel::http::Reply;
use kernel::money::Money;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Error as KernelError, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult,
    IntoActiveModel, QueryFilter, QueryOrder,
};

use crate::entities::stock_period::{self, MACHINE, PeriodStatus};
use crate::error::Error;
use crate::routes::stock_periods::{
    CloseStockPeriod, ListStockPeriods, ReopenStockPeriod, StockPeriod,
};
use crate::service::Service;

/// What the triggers say (0113).
const REFUSAL: &str = "the stock period is closed";

/// The last day before the first there can be (`check_date`).
const BEFORE_ALL: NaiveDate = match NaiveDate::from_ymd_opt(1899, 12, 31) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// What came to each level within a period, from `$1` (not included) to `$2`.
const WITHIN: &str = "SELECT product_id, warehouse_id, \
    CASE to_location WHEN 'warehouse' THEN quantity ELSE -quantity END AS quantity, \
    CASE to_location WHEN 'warehouse' THEN value_minor ELSE -value_minor END AS value_minor \
    FROM stock_moves WHERE moved_on > $1 AND moved_on <= $2 AND warehouse_id IS NOT NULL \
    UNION ALL SELECT product_id, warehouse_id, 0, value_minor FROM cost_layers \
    WHERE booked_on > $1 AND booked_on <= $2 \
    UNION ALL SELECT product_id, warehouse_id, 0, value_minor FROM cost_variances \
    WHERE booked_on > $1 AND booked_on <= $2";

impl Service {
    pub(crate) async fn list_stock_periods(
        &self,
        query: ListStockPeriods,
    ) -> Result<Page<StockPeriod>> {
        use stock_period::{Column, Entity, Model};
        let mut select = Entity::find();
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        let conn = self.db.read();
        let page = fetch(conn, select, Column::Id, id_of, "stock_periods", &request).await?;
        Ok(page.map(|row| self.present_period(row)))
    }

    pub(crate) async fn stock_period(&self, id: StockPeriodId) -> Result<StockPeriod> {
        let found = stock_period::Entity::find_by_id(id).one(self.db.read()).await?;
        let found = found.ok_or_else(|| KernelError::not_found("stock period", id))?;
        Ok(self.present_period(found))
    }

    pub(crate) async fn close_stock_period(
        &self,
        ctx: &Ctx,
        close: CloseStockPeriod,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let period = self.present_period(close_period(&tx, close).await?);
        tx.audit_new("stock_period", period.id.uuid(), &period)?;
        let location = format!("/api/v1/inventory/stock-periods/{}", period.id);
        tx.reply(Reply::created(&period, location)).await
    }

    pub(crate) async fn reopen_stock_period(
        &self,
        ctx: &Ctx,
        id: StockPeriodId,
        reopen: ReopenStockPeriod,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        lock_table(&*tx, "stock_periods").await?;
        let found = stock_period::Entity::find_by_id(id).one(&*tx).await?;
        let before = found.ok_or_else(|| KernelError::not_found("stock period", id))?;
        ctx.check_version(before.version)?;
        let status = MACHINE.apply(before.status, "reopen")?;
        if let Some(newest) = newest(&*tx).await?.filter(|newest| newest.id != id) {
            return Err(Error::LaterPeriodClosed { through: newest.through }.into());
        }
        let mut model = before.clone().into_active_model();
        model.status = Set(status);
        model.reopen_reason = Set(Some(reopen.reason.into_string()));
        model.reopened_by = Set(ctx.actor.id);
        model.version = Set(before.version + 1);
        model.updated_at = Set(tx.now());
        let after = self.present_period(model.update(&*tx).await?);
        tx.audit("stock_period", id.uuid(), Some(&self.present_period(before)), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    fn present_period(&self, row: stock_period::Model) -> StockPeriod {
        StockPeriod {
            id: row.id,
            through: row.through,
            status: row.status,
            allowed_actions: MACHINE.allowed_actions(row.status),
            previous_id: row.previous_id,
            value: Money::new(row.value_minor, self.company.currency),
            note: row.note,
            reopen_reason: row.reopen_reason,
            closed_by: row.closed_by,
            reopened_by: row.reopened_by,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Closes the stock through a day and writes down what there was: what there was at the end of
/// the period before, and what came to it since.
pub(crate) async fn close_period(tx: &Tx, close: CloseStockPeriod) -> Result<stock_period::Model> {
    #[derive(FromQueryResult)]
    struct Came {
        value_minor: i64,
    }
    let through = close.through;
    check_date(through, "/through")?;
    if through >= tx.now().date_naive() {
        return Err(Error::PeriodNotOver.into());
    }
    // Whoever is writing has done so before it goes on, and whoever comes later meets the
    // period.
    for table in ["stock_periods", "stock_moves", "cost_layers", "cost_variances"] {
        lock_table(&**tx, table).await?;
    }
    let previous = newest(&**tx).await?;
    let after = previous.as_ref().map_or(BEFORE_ALL, |previous| previous.through);
    if through <= after {
        let pointer = "/through".to_owned();
        return Err(Error::PeriodClosed { pointer, through: after }.into());
    }
    let days = vec![after.into(), through.into()];
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(value_minor), 0) AS BIGINT) AS value_minor FROM ({WITHIN}) came"
    );
    let came: Option<Came> = query_one(&**tx, sql, days.clone()).await?;
    let came = came.map_or(0, |came| came.value_minor);
    let period = stock_period::Model {
        id: StockPeriodId::new(),
        position: previous.as_ref().map_or(0, |previous| previous.position) + 1,
        previous_id: previous.as_ref().map(|previous| previous.id),
        through,
        status: PeriodStatus::Closed,
        value_minor: previous.map_or(0, |previous| previous.value_minor) + came,
        note: close.note.map(Into::into),
        reopen_reason: None,
        closed_by: tx.ctx().actor.id,
        reopened_by: None,
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    period.clone().into_active_model().insert(&**tx).await?;
    let sql = format!(
        "INSERT INTO stock_snapshots (period_id, product_id, warehouse_id, quantity, value_minor) \
         SELECT p.id, m.product_id, m.warehouse_id, CAST(SUM(m.quantity) AS BIGINT), \
         CAST(SUM(m.value_minor) AS BIGINT) FROM stock_periods p JOIN (\
         SELECT product_id, warehouse_id, quantity, value_minor FROM stock_snapshots \
         WHERE period_id = (SELECT previous_id FROM stock_periods WHERE id = $3) \
         UNION ALL {WITHIN}) m ON true WHERE p.id = $3 \
         GROUP BY p.id, m.product_id, m.warehouse_id \
         HAVING SUM(m.quantity) <> 0 OR SUM(m.value_minor) <> 0"
    );
    let values = [days, vec![period.id.into()]].concat();
    execute(&**tx, sql, values).await?;
    Ok(period)
}

/// The day something that has happened is booked on: today unless said, never in the future
/// nor in a closed period. Of what is dated today nothing is asked.
pub(crate) async fn open_date(tx: &Tx, given: Option<NaiveDate>, field: &str) -> Result<NaiveDate> {
    let today = tx.now().date_naive();
    let date = business_date(given, today, field)?;
    match closed_through(tx, date).await? {
        Some(through) if through >= date => {
            Err(Error::PeriodClosed { pointer: field.to_owned(), through }.into())
        }
        _ => Ok(date),
    }
}

/// The day what others tell of is booked on: the first that is open, where theirs is not. The
/// goods have moved, so it cannot be refused.
pub(crate) async fn first_open_day(tx: &Tx, date: NaiveDate) -> Result<NaiveDate> {
    let through = closed_through(tx, date).await?;
    Ok(through.map_or(date, |through| date.max(through + Days::new(1))))
}

/// Through which day the stock is closed, as far as something of that day has to know: only
/// what is over is ever closed.
async fn closed_through(tx: &Tx, date: NaiveDate) -> Result<Option<NaiveDate>> {
    if date >= tx.now().date_naive() {
        return Ok(None);
    }
    Ok(newest(&**tx).await?.map(|period| period.through))
}

/// The newest period that is closed.
async fn newest(conn: &impl ConnectionTrait) -> Result<Option<stock_period::Model>> {
    let closed = stock_period::Entity::find()
        .filter(stock_period::Column::Status.eq(PeriodStatus::Closed))
        .order_by_desc(stock_period::Column::Through);
    Ok(closed.one(conn).await?)
}

/// What the database refuses because a period was closed a moment ago is asked anew: who then
/// sees the period is told, or takes another day.
pub(crate) trait OrClosed<T> {
    fn or_closed(self) -> Result<T>;
}

impl<T> OrClosed<T> for Result<T, DbErr> {
    fn or_closed(self) -> Result<T> {
        self.map_err(|error| match error.to_string().contains(REFUSAL) {
            true => KernelError::unavailable("transaction_aborted", REFUSAL, 1).with_source(error),
            false => error.into(),
        })
    }
}
