//! Reading the books: accounts, entries, the trial balance.

use std::collections::HashMap;

use chrono::{NaiveDate, Utc};
use contracts::ids::JournalEntryId;
use kernel::Result;
use kernel::date::check_date;
use kernel::db::query_all;
use kernel::money::{Currency, Money, MoneySum};
use kernel::page::{Page, PageRequest, Sort, fetch, invalid_cursor};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, Iterable, JoinType, Order,
    QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use crate::entities::journal_entry::SourceType;
use crate::entities::{account, account_balance, journal_entry, journal_line};
use crate::routes::accounts::{Account, AccountBalance, Chart, TrialBalance};
use crate::routes::journal_entries::{JournalEntry, JournalLine, ListJournalEntries};
use crate::service::Service;
use crate::service::dates::first_id_of;

/// The name of the list of entries in its cursors.
const LIST: &str = "journal-entries";

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
                debit: MoneySum::new(sides.debit, currency),
                credit: MoneySum::new(sides.credit, currency),
                balance: MoneySum::new(sides.debit - sides.credit, currency),
            }
        });
        Ok(Chart { data: rows.collect() })
    }

    /// From the balances that are kept up; as of a day, less what is dated later.
    pub(crate) async fn trial_balance(&self, as_of: Option<NaiveDate>) -> Result<TrialBalance> {
        if let Some(as_of) = as_of {
            check_date(as_of, "?as_of")?;
        }
        let sides = match as_of {
            Some(as_of) => self.sides_as_of(as_of).await?,
            None => self.current_sides().await?,
        };
        let currency = self.company.currency;
        let (mut debit, mut credit) = (0_i128, 0_i128);
        let mut accounts = Vec::new();
        for row in self.chart().await? {
            let sides = sides.get(&row.code).copied().unwrap_or_default();
            debit += i128::from(sides.debit);
            credit += i128::from(sides.credit);
            accounts.push(AccountBalance {
                code: row.code,
                name: row.name,
                debit: MoneySum::new(sides.debit, currency),
                credit: MoneySum::new(sides.credit, currency),
                balance: MoneySum::new(sides.debit - sides.credit, currency),
            });
        }
        Ok(TrialBalance {
            as_of: as_of.unwrap_or_else(|| Utc::now().date_naive()),
            accounts,
            total_debit: MoneySum::new(debit, currency),
            total_credit: MoneySum::new(credit, currency),
            difference: MoneySum::new(debit - credit, currency),
        })
    }

    pub(crate) async fn list_journal_entries(
        &self,
        query: ListJournalEntries,
    ) -> Result<Page<JournalEntry>> {
        let request = query.page();
        let by_day = query.from.is_some() || query.to.is_some();
        let mut select = journal_entry::Entity::find();
        if let Some(source_type) = query.source_type {
            select = select.filter(journal_entry::Column::SourceType.eq(source_type));
        }
        if let Some(source_id) = query.source_id {
            select = select.filter(journal_entry::Column::SourceId.eq(source_id));
            if query.source_type.is_none() {
                // The index on sources begins with their type: so it serves all of them.
                let any = SourceType::iter();
                select = select.filter(journal_entry::Column::SourceType.is_in(any));
            }
        }
        if let Some(from) = query.from {
            check_date(from, "?from")?;
            select = select.filter(journal_entry::Column::EntryOn.gte(from));
        }
        if let Some(to) = query.to {
            check_date(to, "?to")?;
            select = select.filter(journal_entry::Column::EntryOn.lte(to));
        }
        if let Some(account) = &query.account {
            // Joined, not looked for: the lines of an account are read in the order of their
            // entries, however rare or frequent the account is. An entry may have two.
            let lines = journal_entry::Entity::belongs_to(journal_line::Entity)
                .from(journal_entry::Column::Id)
                .to(journal_line::Column::EntryId);
            select = select
                .join(JoinType::InnerJoin, lines.into())
                .filter(journal_line::Column::Account.eq(&**account))
                .filter(Expr::cust(
                    "journal_lines.position = (SELECT MIN(b.position) FROM journal_lines AS b \
                     WHERE b.entry_id = journal_lines.entry_id \
                     AND b.account = journal_lines.account)",
                ));
            if let Some(after) = request.after(LIST)?.filter(|_| !by_day) {
                // As of the entries' ids, which no database concludes by itself.
                let entry_id = journal_line::Column::EntryId;
                select = select.filter(match request.sort {
                    Sort::NewestFirst => entry_id.lt(after),
                    Sort::OldestFirst => entry_id.gt(after),
                });
            }
        }
        let page = match by_day {
            true => page_by_day(self.db.read(), select, &request).await?,
            false => {
                let key = journal_entry::Column::Id;
                fetch(self.db.read(), select, key, id_of, LIST, &request).await?
            }
        };
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

    /// The balances less what is dated later: the nearer the day, the less there is to read.
    /// An entry is never dated after it was made, so ids tell where later ones begin.
    async fn sides_as_of(&self, as_of: NaiveDate) -> Result<HashMap<String, Sides>> {
        let sql = "SELECT b.account, \
            CAST(b.debit_minor - COALESCE(later.debit, 0) AS BIGINT) AS debit, \
            CAST(b.credit_minor - COALESCE(later.credit, 0) AS BIGINT) AS credit \
            FROM account_totals b LEFT JOIN (\
                SELECT l.account, SUM(l.debit_minor) AS debit, SUM(l.credit_minor) AS credit \
                FROM journal_lines l JOIN journal_entries e ON e.id = l.entry_id \
                WHERE e.entry_on > $1 AND e.id >= $2 AND l.entry_id >= $2 GROUP BY l.account\
            ) later ON later.account = b.account";
        let values = vec![as_of.into(), first_id_of(as_of).into()];
        let rows: Vec<AccountSides> = query_all(self.db.read(), sql, values).await?;
        let sides = rows
            .into_iter()
            .map(|row| (row.account, Sides { debit: row.debit, credit: row.credit }));
        Ok(sides.collect())
    }
}

fn id_of(row: &journal_entry::Model) -> Uuid {
    row.id.uuid()
}

/// A page in the order of days and, within one, of ids: what lies between two days is
/// together then, and no page has to pass over what does not.
async fn page_by_day(
    conn: &impl ConnectionTrait,
    select: Select<journal_entry::Entity>,
    request: &PageRequest,
) -> Result<Page<journal_entry::Model>> {
    use journal_entry::Column::{EntryOn, Id};
    let order = match request.sort {
        Sort::NewestFirst => Order::Desc,
        Sort::OldestFirst => Order::Asc,
    };
    let mut select = select.order_by(EntryOn, order.clone()).order_by(Id, order);
    if let Some(after) = request.after(LIST)? {
        let last = journal_entry::Entity::find_by_id(JournalEntryId::from_uuid(after));
        let last = last.one(conn).await?.ok_or_else(invalid_cursor)?;
        let place = Expr::tuple([EntryOn.into_expr(), Id.into_expr()]);
        let place_of_last = Expr::tuple([last.entry_on.into(), last.id.into()]);
        select = select.filter(match request.sort {
            Sort::NewestFirst => place.lt(place_of_last),
            Sort::OldestFirst => place.gt(place_of_last),
        });
    }
    let rows = select.limit(request.limit.rows() as u64 + 1).all(conn).await?;
    Ok(Page::cut(rows, id_of, LIST, request))
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
        document_on: row.document_on,
        source_type: row.source_type,
        source_id: row.source_id,
        description: row.description,
        exception_reason: row.exception_reason,
        lines: lines.collect(),
        created_at: row.created_at,
    }
}
