//! Profit and loss, and the balance sheet: the books by kind of account.

use chrono::{Datelike, NaiveDate, Utc};
use kernel::date::check_date;
use kernel::db::query_all;
use kernel::money::{Currency, MoneySum};
use kernel::{Error, Result};
use sea_orm::FromQueryResult;

use crate::entities::account::AccountKind;
use crate::routes::statements::{
    BalanceSheet, Equity, Period, ProfitAndLoss, StatementLine, StatementSection,
};
use crate::service::Service;
use crate::service::dates::first_id_of;

/// An account and what is on it, debit less credit.
#[derive(Debug, FromQueryResult)]
struct Balance {
    code: String,
    name: String,
    kind: AccountKind,
    /// At the end of the day asked about.
    balance: i64,
    /// Of that, what was posted in the year or period; of income and expenses alone.
    of_period: i64,
}

impl Service {
    pub(crate) async fn profit_and_loss(&self, period: Period) -> Result<ProfitAndLoss> {
        let to = period.to.unwrap_or_else(|| Utc::now().date_naive());
        check_date(to, "?to")?;
        let from = period.from.unwrap_or_else(|| new_year(to));
        check_date(from, "?from")?;
        if to < from {
            let detail = "the period ends before it begins";
            let error = Error::bad_request("invalid_query", detail);
            return Err(error.with_field("?to", "invalid_value", detail));
        }
        let sql = "SELECT a.code, a.name, a.kind, CAST(0 AS BIGINT) AS balance, \
            CAST(COALESCE(SUM(p.net), 0) AS BIGINT) AS of_period FROM accounts a LEFT JOIN (\
                SELECT l.account, l.debit_minor - l.credit_minor AS net \
                FROM journal_entries e JOIN journal_lines l ON l.entry_id = e.id \
                WHERE e.entry_on BETWEEN $1 AND $2) p ON p.account = a.code \
            WHERE a.kind IN ('income', 'expense') \
            GROUP BY a.code, a.name, a.kind ORDER BY a.code";
        let values = vec![from.into(), to.into()];
        let rows: Vec<Balance> = query_all(self.db.read(), sql, values).await?;
        let currency = self.company.currency;
        let (income, earned) = section(&rows, AccountKind::Income, currency);
        let (expenses, spent) = section(&rows, AccountKind::Expense, currency);
        let result = MoneySum::new(earned - spent, currency);
        Ok(ProfitAndLoss { from, to, income, expenses, result })
    }

    pub(crate) async fn balance_sheet(&self, as_of: Option<NaiveDate>) -> Result<BalanceSheet> {
        let as_of = as_of.unwrap_or_else(|| Utc::now().date_naive());
        check_date(as_of, "?as_of")?;
        let rows = self.balances(as_of, new_year(as_of)).await?;
        let currency = self.company.currency;
        let (assets, owned) = section(&rows, AccountKind::Asset, currency);
        let (liabilities, owed) = section(&rows, AccountKind::Liability, currency);
        let (own, brought_in) = section(&rows, AccountKind::Equity, currency);
        let results = rows
            .iter()
            .filter(|row| matches!(row.kind, AccountKind::Income | AccountKind::Expense));
        let (mut result, mut result_of_year) = (0_i128, 0_i128);
        for row in results {
            result -= i128::from(row.balance);
            result_of_year -= i128::from(row.of_period);
        }
        let equity = brought_in + result;
        let money = |minor: i128| MoneySum::new(minor, currency);
        Ok(BalanceSheet {
            as_of,
            assets,
            liabilities,
            equity: Equity {
                accounts: own.accounts,
                retained_earnings: money(result - result_of_year),
                result_of_year: money(result_of_year),
                total: money(equity),
            },
            liabilities_and_equity: money(owed + equity),
            difference: money(owned - owed - equity),
        })
    }

    /// As the trial balance of a day: the balances less what is dated later. With it, in one
    /// statement so that both fit together, what was earned and spent from `from` on.
    async fn balances(&self, as_of: NaiveDate, from: NaiveDate) -> Result<Vec<Balance>> {
        let sql = "SELECT a.code, a.name, a.kind, \
            CAST(COALESCE(b.debit_minor - b.credit_minor, 0) - COALESCE(later.net, 0) AS BIGINT) \
                AS balance, \
            CAST(COALESCE(period.net, 0) AS BIGINT) AS of_period \
            FROM accounts a LEFT JOIN account_totals b ON b.account = a.code \
            LEFT JOIN (\
                SELECT l.account, SUM(l.debit_minor - l.credit_minor) AS net \
                FROM journal_lines l JOIN journal_entries e ON e.id = l.entry_id \
                WHERE e.entry_on > $1 AND e.id >= $2 AND l.entry_id >= $2 GROUP BY l.account\
            ) later ON later.account = a.code \
            LEFT JOIN (\
                SELECT l.account, SUM(l.debit_minor - l.credit_minor) AS net \
                FROM journal_entries e JOIN journal_lines l ON l.entry_id = e.id \
                JOIN accounts k ON k.code = l.account AND k.kind IN ('income', 'expense') \
                WHERE e.entry_on BETWEEN $3 AND $1 GROUP BY l.account\
            ) period ON period.account = a.code \
            ORDER BY a.code";
        let values = vec![as_of.into(), first_id_of(as_of).into(), from.into()];
        Ok(query_all(self.db.read(), sql, values).await?)
    }
}

/// The first day of the year of `day`.
fn new_year(day: NaiveDate) -> NaiveDate {
    day.with_ordinal(1).unwrap_or(day)
}

/// The accounts of a kind as they are shown, and their sum.
fn section(rows: &[Balance], kind: AccountKind, currency: Currency) -> (StatementSection, i128) {
    let amount = |row: &Balance| match kind {
        AccountKind::Asset => i128::from(row.balance),
        AccountKind::Liability | AccountKind::Equity => -i128::from(row.balance),
        AccountKind::Income => -i128::from(row.of_period),
        AccountKind::Expense => i128::from(row.of_period),
    };
    let of_kind = || rows.iter().filter(|row| row.kind == kind);
    let total: i128 = of_kind().map(amount).sum();
    let accounts = of_kind().map(|row| StatementLine {
        code: row.code.clone(),
        name: row.name.clone(),
        amount: MoneySum::new(amount(row), currency),
    });
    let accounts = accounts.collect();
    (StatementSection { accounts, total: MoneySum::new(total, currency) }, total)
}
