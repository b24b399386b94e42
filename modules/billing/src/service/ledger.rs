//! Reading the books: accounts, entries, the trial balance.

use std::collections::HashMap;

use chrono::{NaiveDate, Utc};
use contracts::ids::JournalEntryId;
use kernel::Result;
use kernel::db::query_all;
use kernel::money::{Currency, Money};
use kernel::page::{Page, fetch};
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
};

use crate::entities::{account, account_balance, journal_entry, journal_line};
use crate::routes::accounts::{Account, AccountBalance, Chart, TrialBalance};
use crate::routes::journal_entries::{JournalEntry, JournalLine, ListJournalEntries};
use crate::service::Service;
use crate::service::dates::check_range;

/// Both sides of an account.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
struct Sides {
    debit: i64,
    credit: i64,
}

#[derive(Debug, FromQueryResult)]
struct AccountSides {
    account: String,
    debit: i64,
    credit: i64,
}

impl Service {
    pub(crate) async fn accounts(&self) -> Result<Chart> {
        let sides = self.current_sides().await?;
        let currency = self.company.currency;
        let rows = self.chart().await?.into_iter().map(|row| {
            let sides = sides.get(&row.code).copied().unwrap_or_default();
            Account {
                code: row.code,
                name: row.name,
                kind: row.kind,
                debit: Money::new(sides.debit, currency),
                credit: Money::new(sides.credit, currency),
                balance: Money::new(sides.debit - sides.credit, currency),
            }
        });
        Ok(Chart { data: rows.collect() })
    }

    /// As of a day, from the lines of the entries until then; of now, from the balances that
    /// are kept up.
    pub(crate) async fn trial_balance(&self, as_of: Option<NaiveDate>) -> Result<TrialBalance> {
        if let Some(as_of) = as_of {
            check_day(as_of, "?as_of")?;
        }
        let sides = match as_of {
            Some(as_of) => self.sides_as_of(as_of).await?,
            None => self.current_sides().await?,
        };
        let currency = self.company.currency;
        let mut total = Sides::default();
        let mut accounts = Vec::new();
        for row in self.chart().await? {
            let sides = sides.get(&row.code).copied().unwrap_or_default();
            total.debit += sides.debit;
            total.credit += sides.credit;
            accounts.push(AccountBalance {
                code: row.code,
                name: row.name,
                debit: Money::new(sides.debit, currency),
                credit: Money::new(sides.credit, currency),
                balance: Money::new(sides.debit - sides.credit, currency),
            });
        }
        Ok(TrialBalance {
            as_of: as_of.unwrap_or_else(|| Utc::now().date_naive()),
            accounts,
            total_debit: Money::new(total.debit, currency),
            total_credit: Money::new(total.credit, currency),
            difference: Money::new(total.debit - total.credit, currency),
        })
    }

    pub(crate) async fn list_journal_entries(
        &self,
        query: ListJournalEntries,
    ) -> Result<Page<JournalEntry>> {
        let mut select = journal_entry::Entity::find();
        if let Some(source_type) = query.source_type {
            select = select.filter(journal_entry::Column::SourceType.eq(source_type));
        }
        if let Some(source_id) = query.source_id {
            select = select.filter(journal_entry::Column::SourceId.eq(source_id));
        }
        if let Some(from) = query.from {
            check_day(from, "?from")?;
            select = select.filter(journal_entry::Column::EntryOn.gte(from));
        }
        if let Some(to) = query.to {
            check_day(to, "?to")?;
            select = select.filter(journal_entry::Column::EntryOn.lte(to));
        }
        if let Some(account) = &query.account {
            let of_account = Query::select()
                .column(journal_line::Column::EntryId)
                .from(journal_line::Entity)
                .and_where(journal_line::Column::Account.eq(&**account))
                .to_owned();
            select = select.filter(journal_entry::Column::Id.in_subquery(of_account));
        }
        let id_of = |row: &journal_entry::Model| row.id.uuid();
        let request = query.page();
        let key = journal_entry::Column::Id;
        let page = fetch(self.db.read(), select, key, id_of, "journal-entries", &request).await?;
        let ids = page.data.iter().map(|row| row.id).collect();
        let mut lines = lines_of(self.db.read(), ids).await?;
        Ok(page.map(|row| {
            let lines = lines.remove(&row.id).unwrap_or_default();
            present_entry(row, lines)
        }))
    }

    pub(crate) async fn journal_entry(&self, id: JournalEntryId) -> Result<JournalEntry> {
        let found = journal_entry::Entity::find_by_id(id).one(self.db.read()).await?;
        let row = found.ok_or_else(|| kernel::Error::not_found("journal entry", id))?;
        let lines = lines_of(self.db.read(), vec![id]).await?.remove(&id).unwrap_or_default();
        Ok(present_entry(row, lines))
    }

    async fn chart(&self) -> Result<Vec<account::Model>> {
        let rows = account::Entity::find().order_by_asc(account::Column::Code);
        Ok(rows.all(self.db.read()).await?)
    }

    async fn current_sides(&self) -> Result<HashMap<String, Sides>> {
        let rows = account_balance::Entity::find().all(self.db.read()).await?;
        let sides = rows
            .into_iter()
            .map(|row| (row.account, Sides { debit: row.debit_minor, credit: row.credit_minor }));
        Ok(sides.collect())
    }

    async fn sides_as_of(&self, as_of: NaiveDate) -> Result<HashMap<String, Sides>> {
        let sql = "SELECT l.account, CAST(SUM(l.debit_minor) AS BIGINT) AS debit, \
            CAST(SUM(l.credit_minor) AS BIGINT) AS credit \
            FROM journal_lines l JOIN journal_entries e ON e.id = l.entry_id \
            WHERE e.entry_on <= $1 GROUP BY l.account";
        let rows: Vec<AccountSides> = query_all(self.db.read(), sql, vec![as_of.into()]).await?;
        let sides = rows
            .into_iter()
            .map(|row| (row.account, Sides { debit: row.debit, credit: row.credit }));
        Ok(sides.collect())
    }
}

/// A day the books can have, as a query asks for it. Others do not even compare: in SQLite
/// a date is text, of four digits for the year.
fn check_day(day: NaiveDate, pointer: &'static str) -> Result<()> {
    check_range(day, pointer).map_err(|error| {
        let detail = error.to_string();
        kernel::Error::bad_request("invalid_query", &detail).with_field(
            pointer,
            "invalid_value",
            detail,
        )
    })
}

async fn lines_of(
    conn: &impl ConnectionTrait,
    ids: Vec<JournalEntryId>,
) -> Result<HashMap<JournalEntryId, Vec<journal_line::Model>>> {
    let rows = journal_line::Entity::find()
        .filter(journal_line::Column::EntryId.is_in(ids))
        .order_by_asc(journal_line::Column::EntryId)
        .order_by_asc(journal_line::Column::Position)
        .all(conn)
        .await?;
    let mut lines: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        lines.entry(row.entry_id).or_default().push(row);
    }
    Ok(lines)
}

/// The entry as it is answered.
pub(crate) fn present_entry(
    row: journal_entry::Model,
    lines: Vec<journal_line::Model>,
) -> JournalEntry {
    let currency: Currency = row.currency;
    let lines = lines.into_iter().map(|line| JournalLine {
        account: line.account,
        debit: Money::new(line.debit_minor, currency),
        credit: Money::new(line.credit_minor, currency),
    });
    JournalEntry {
        id: row.id,
        number: row.number,
        entry_on: row.entry_on,
        source_type: row.source_type,
        source_id: row.source_id,
        description: row.description,
        lines: lines.collect(),
        created_at: row.created_at,
    }
}
