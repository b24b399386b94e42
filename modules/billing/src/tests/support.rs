//! A billing module with its own data, and what others would tell it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::Responder;
use actix_web::body::to_bytes;
use actix_web::test::TestRequest;
use chrono::{Days, NaiveDate, Utc};
use contracts::billing::RoundingMode;
use contracts::events::{SUBSCRIPTIONS, ShipmentShipped};
use contracts::ids::{BillId, CreditNoteId, InvoiceId, PaymentId, RefundId};
use kernel::config::{CompanyConfig, DataConfig, Synchronous};
use kernel::ctx::{REQUEST, RequestScope};
use kernel::events::{Event, EventData, Subscriber};
use kernel::http::Reply;
use kernel::module::ModuleDeps;
use kernel::money::{Currency, Percent, Rounding};
use kernel::token::Permissions;
use kernel::{Actor, Ctx, Result};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::routes::ageing::Ageing;
use crate::service::Service;
use crate::tests::documents::{
    bill, customer, incoming, outgoing, purchase_order, receipt, shipment, stock_received,
};
use crate::{Config, Deps, open};

/// A module and the directory of its data, removed when dropped.
pub(super) struct Books {
    pub service: Service,
    dir: PathBuf,
    sql: kernel::config::SqlConfig,
}

impl Drop for Books {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Books {
    pub async fn open() -> Books {
        let dir = std::env::temp_dir().join(format!("billing-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let data = DataConfig {
            dir: dir.clone(),
            read_connections: 2,
            acquire_timeout_ms: 10_000,
            synchronous: Synchronous::Normal,
        };
        let company = CompanyConfig { currency: Currency::EUR, rounding: Rounding::HalfUp };
        let sql = test_support::sql(&["billing"]).await;
        let module = ModuleDeps {
            data,
            sql: sql.clone(),
            company,
            subscriptions: SUBSCRIPTIONS,
            cache: Default::default(),
            metrics: Default::default(),
        };
        let config = Config {
            rounding_mode: RoundingMode::PerDocument,
            price_tolerance: Percent::from_ppm(10_000),
            four_eyes: false,
        };
        let service = open(config, Deps { module }).await.expect("it opens");
        Books { service, dir, sql }
    }

    /// The database, past everything the module guards it with.
    pub async fn raw(&self) -> DatabaseConnection {
        let mut options = match self.sql.connection_string("billing") {
            Some(url) => sea_orm::ConnectOptions::new(url.expose()),
            None => {
                let file = self.dir.join("billing.db");
                sea_orm::ConnectOptions::new(format!("sqlite://{}?mode=rw", file.display()))
            }
        };
        options.set_schema_search_path("billing");
        options.max_connections(1).sqlx_logging(false);
        Database::connect(options).await.expect("it opens")
    }

    /// Tells an event of somebody else, and returns it.
    pub async fn hear<T: EventData>(&self, data: &T) -> Event {
        let event = event(data);
        self.service.handle(&event).await.expect("it is applied");
        event
    }

    /// No law is broken, and the books balance.
    pub async fn assert_laws(&self) {
        for law in self.service.check_laws().await.expect("the laws are counted").laws {
            assert_eq!(law.violations, 0, "{} {}", law.id, law.description);
        }
        let now = self.service.trial_balance(None).await.expect("a trial balance");
        assert_eq!(now.difference.minor(), 0);
        let today = self.service.trial_balance(Some(Utc::now().date_naive())).await;
        let today = today.expect("a trial balance");
        let balances = |balance: &crate::routes::accounts::TrialBalance| -> Vec<_> {
            balance.accounts.iter().map(|a| (a.code.clone(), a.debit, a.credit)).collect()
        };
        assert_eq!(balances(&now), balances(&today));
        for days in [0, 1, 2, 3, 5] {
            self.assert_ageing(Utc::now().date_naive() - Days::new(days)).await;
        }
        self.assert_statements().await;
    }

    /// The balance sheet balances on any day, and what was earned between two is the profit and
    /// loss of the days in between.
    async fn assert_statements(&self) {
        let today = Utc::now().date_naive();
        let mut earlier: Option<(NaiveDate, i128)> = None;
        for day in [5, 3, 2, 1, 0].map(|days| today - Days::new(days)) {
            let sheet = self.service.balance_sheet(Some(day)).await.expect("a balance sheet");
            assert_eq!(sheet.difference.minor(), 0, "{day}: {sheet:?}");
            let sides = (sheet.assets.total.minor(), sheet.liabilities_and_equity.minor());
            assert_eq!(sides.0, sides.1, "{day}: {sheet:?}");
            let equity = &sheet.equity;
            let result = equity.retained_earnings.minor() + equity.result_of_year.minor();
            if let Some((last, before)) = earlier {
                let period = json!({ "from": last + Days::new(1), "to": day });
                let shown = self.service.profit_and_loss(read(period)).await.expect("a statement");
                assert_eq!(shown.result.minor(), result - before, "{last} to {day}: {shown:?}");
            }
            earlier = Some((day, result));
        }
    }

    /// Law B-10 at any day: ageing comes to the account of receivables, or of payables, and
    /// is the sum of its rows.
    async fn assert_ageing(&self, as_of: NaiveDate) {
        let books = self.service.trial_balance(Some(as_of)).await.expect("a trial balance");
        let balance = |code: &str| {
            let account = books.accounts.iter().find(|account| account.code == code);
            account.expect("the account").balance.minor()
        };
        let query = || {
            let query = json!({ "as_of": as_of, "limit": 200, "buckets": "1,2,3" });
            serde_json::from_value(query).expect("a query")
        };
        let owed = self.service.receivables_ageing(query()).await.expect("ageing");
        let rows: Vec<_> = owed.data.iter().map(|row| &row.ageing).collect();
        assert_sums(&rows, &owed.totals, balance("1100"), as_of);
        let due = self.service.payables_ageing(query()).await.expect("ageing");
        let rows: Vec<_> = due.data.iter().map(|row| &row.ageing).collect();
        assert_sums(&rows, &due.totals, -balance("2000"), as_of);
    }

    /// Debit less credit of an account.
    pub async fn balance(&self, code: &str) -> i64 {
        let chart = self.service.accounts().await.expect("the chart").data;
        let account = chart.iter().find(|account| account.code == code).expect("the account");
        i64::try_from(account.balance.minor()).expect("small")
    }

    /// The lines of the entry from a source as (account, debit less credit), if there is one.
    pub async fn posted(&self, source_id: Uuid) -> Vec<(String, i64)> {
        let query = serde_json::from_value(json!({ "source_id": source_id })).expect("a query");
        let page = self.service.list_journal_entries(query).await.expect("a page").data;
        assert!(page.len() <= 1, "{source_id} posted twice");
        let lines = page.into_iter().flat_map(|entry| entry.lines);
        lines.map(|line| (line.account, line.debit.minor() - line.credit.minor())).collect()
    }

    /// Contents of the published events of a type, oldest first.
    pub async fn published(&self, kind: &str) -> Vec<Value> {
        #[derive(sea_orm::FromQueryResult)]
        struct Data {
            data: String,
        }
        let sql = "SELECT data FROM events WHERE type = $1 ORDER BY seq";
        let rows: Vec<Data> = kernel::db::query_all(self.service.db.read(), sql, vec![kind.into()])
            .await
            .expect("rows");
        rows.iter().map(|row| serde_json::from_str(&row.data).expect("JSON")).collect()
    }

    /// Ships goods; returns the draft.
    pub async fn drafted(&self, shipment: &ShipmentShipped) -> Value {
        self.hear(shipment).await;
        let query = json!({ "shipment_id": shipment.shipment_id });
        let query = serde_json::from_value(query).expect("a query");
        let page = self.service.list_invoices(query).await.expect("a page");
        assert_eq!(page.data.len(), 1, "one invoice for each shipment");
        self.invoice(page.data[0].id).await
    }

    /// Ships goods and issues the invoice.
    pub async fn issued(&self, shipment: &ShipmentShipped) -> Value {
        let draft = self.drafted(shipment).await;
        self.issue(id(&draft), json!({})).await.expect("it is issued")
    }

    pub async fn invoice(&self, id: InvoiceId) -> Value {
        json!(self.service.invoice(id).await.expect("the invoice"))
    }

    pub async fn issue(&self, id: InvoiceId, body: Value) -> Result<Value> {
        body_of(self.service.issue_invoice(&user(), id, read(body)).await?).await
    }

    pub async fn redraft(&self, id: InvoiceId) -> Result<Value> {
        body_of(self.service.redraft_invoice(&user(), id).await?).await
    }

    /// Sets the rate of a tax class, in percent.
    pub async fn change_rate(&self, code: &str, percent: &str) {
        let query = read(json!({ "code": code }));
        let rates = self.service.list_tax_rates(query).await.expect("a page").data;
        let patch = read(json!({ "rate": percent }));
        self.service.update_tax_rate(&user(), rates[0].id, patch).await.expect("changed");
    }

    pub async fn credit(&self, id: InvoiceId, body: Value) -> Result<Value> {
        body_of(self.service.create_credit_note(&user(), id, read(body)).await?).await
    }

    pub async fn pay(&self, body: Value) -> Result<Value> {
        body_of(self.service.create_payment(&user(), read(body)).await?).await
    }

    pub async fn allocate(&self, id: PaymentId, body: Value) -> Result<Value> {
        body_of(self.service.allocate_payment(&user(), id, read(body)).await?).await
    }

    pub async fn payment(&self, id: PaymentId) -> Value {
        json!(self.service.payment(id).await.expect("the payment"))
    }

    pub async fn reverse(&self, id: PaymentId, body: Value) -> Result<Value> {
        body_of(self.service.reverse_payment(&user(), id, read(body)).await?).await
    }

    /// Takes back the allocation at this place of a payment.
    pub async fn unapply(&self, payment: &Value, place: usize) -> Result<Value> {
        let ids = (id(payment), id(&payment["allocations"][place]));
        let body = read(json!({ "reason": "for another invoice" }));
        body_of(self.service.reverse_allocation(&user(), ids, body).await?).await
    }

    /// Settles invoices with the credit of a note.
    pub async fn use_credit(&self, id: CreditNoteId, allocations: Value) -> Result<Value> {
        let body = read(json!({ "allocations": allocations }));
        body_of(self.service.allocate_credit(&user(), id, body).await?).await
    }

    pub async fn refund(&self, body: Value) -> Result<Value> {
        body_of(self.service.create_refund(&user(), read(body)).await?).await
    }

    pub async fn reverse_refund(&self, id: RefundId, body: Value) -> Result<Value> {
        body_of(self.service.reverse_refund(&user(), id, read(body)).await?).await
    }

    pub async fn enter_bill(&self, body: Value) -> Result<Value> {
        body_of(self.service.create_bill(&user(), read(body)).await?).await
    }

    pub async fn bill(&self, id: BillId) -> Value {
        json!(self.service.bill(id).await.expect("the bill"))
    }

    pub async fn approve(&self, ctx: &Ctx, id: BillId) -> Result<Value> {
        body_of(self.service.approve_bill(ctx, id).await?).await
    }

    pub async fn reject(&self, id: BillId) -> Result<Value> {
        body_of(self.service.reject_bill(&user(), id).await?).await
    }

    pub async fn close(&self, through: NaiveDate, kind: &str) -> Result<Value> {
        let body = json!({ "through": through, "kind": kind, "reason": "the month is done" });
        body_of(self.service.create_period_lock(&user(), read(body)).await?).await
    }

    /// Reopens what was closed through this day last.
    pub async fn reopen(&self, through: NaiveDate) -> Result<Value> {
        let locks = self.service.list_period_locks(read(json!({}))).await.expect("a page").data;
        let lock = locks.iter().find(|lock| lock.through == through).expect("the lock");
        let body = read(json!({ "reason": "an invoice came late" }));
        body_of(self.service.reopen_period_lock(&user(), lock.id, body).await?).await
    }
}

fn assert_sums(rows: &[&Ageing], totals: &Ageing, account: i128, as_of: NaiveDate) {
    assert_eq!(totals.balance.minor(), account, "{as_of}: {totals:?}");
    for (place, bucket) in totals.buckets.iter().enumerate() {
        let amounts = rows.iter().map(|row| row.buckets[place].amount.minor());
        assert_eq!(bucket.amount.minor(), amounts.sum::<i128>(), "{as_of}: {bucket:?}");
    }
    let credit: i128 = rows.iter().map(|row| row.credit.minor()).sum();
    assert_eq!(totals.credit.minor(), credit, "{as_of}");
    for row in rows {
        let open: i128 = row.buckets.iter().map(|bucket| bucket.amount.minor()).sum();
        assert_eq!(row.balance.minor(), open - row.credit.minor(), "{as_of}: {row:?}");
        assert!(row.credit.minor() >= 0, "{as_of}: {row:?}");
        assert!(row.buckets.iter().all(|bucket| bucket.amount.minor() >= 0), "{as_of}: {row:?}");
    }
}

/// Runs it and counts the SQL statements it took.
pub(super) async fn count_statements<T>(work: impl Future<Output = T>) -> (T, u32) {
    let request_id: Arc<str> = "counted".into();
    let scope = Arc::new(RequestScope::new(request_id));
    let done = REQUEST.scope(scope.clone(), work).await;
    (done, scope.statements.load(Ordering::Relaxed))
}

/// An event as its publisher would send it.
pub(super) fn event<T: EventData>(data: &T) -> Event {
    Event {
        id: Uuid::now_v7(),
        kind: T::TYPE.into(),
        version: T::VERSION,
        occurred_at: Utc::now(),
        aggregate_id: Uuid::now_v7(),
        aggregate_version: 1,
        correlation_id: "a test".into(),
        causation_id: None,
        previous: None,
        attempts: 0,
        traceparent: None,
        actor: Actor::system("a test"),
        data: json!(data),
    }
}

/// Somebody who may do anything, and gives no reason.
pub(super) fn user() -> Ctx {
    let mut ctx = Ctx::system("a test");
    ctx.permissions = Arc::new(Permissions::new(vec!["*".into()]));
    ctx
}

/// A request body, as the server would read it.
pub(super) fn read<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).expect("a valid body")
}

pub(super) async fn body_of(reply: Reply) -> Result<Value> {
    let response = reply.respond_to(&TestRequest::default().to_http_request());
    let bytes = to_bytes(response.into_body()).await.expect("a body");
    Ok(serde_json::from_slice(&bytes).expect("JSON"))
}

/// The id of a document.
#[track_caller]
pub(super) fn id<T>(document: &Value) -> kernel::Id<T> {
    document["id"].as_str().expect("an id").parse().expect("a UUID")
}

/// An amount of the books' currency, as JSON.
pub(super) fn eur(text: &str) -> Value {
    json!({ "amount": text, "currency": "EUR" })
}

pub(super) fn today() -> NaiveDate {
    Utc::now().date_naive()
}

#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(outcome: Result<T>, status: u16, code: &str) {
    let error = outcome.expect_err("it must be refused");
    assert_eq!((error.status(), error.code()), (status, code), "{error:?}");
}

pub(super) async fn run_raw(conn: &DatabaseConnection, sql: &str) -> Result<(), String> {
    let sql = test_support::spell(sql, conn);
    conn.execute_unprepared(&sql).await.map(drop).map_err(test_support::words)
}

/// Books with at least two of everything: invoices in every status, credit notes, payments
/// either way, bills in every status, receipts, locks of old periods.
pub(super) async fn populated() -> Books {
    let books = Books::open().await;
    for (through, kind) in [("1999-12-31", "hard"), ("2000-01-31", "soft"), ("2000-03-31", "soft")]
    {
        books.close(through.parse().expect("a date"), kind).await.expect("closed");
    }
    books.reopen("2000-03-31".parse().expect("a date")).await.expect("reopened");
    let customer = customer();
    let lines = [("3", "19.90", "standard"), ("1", "5.25", "reduced")];
    let mut issued = Vec::new();
    for _ in 0..3 {
        issued.push(books.issued(&shipment(&customer, &lines)).await);
    }
    books.drafted(&shipment(&customer, &lines)).await;
    let discarded = books.drafted(&shipment(&customer, &lines)).await;
    books.service.discard_invoice(&user(), id(&discarded)).await.expect("discarded");
    let of = |invoice: &Value, amount: &str| json!([{ "invoice_id": invoice["id"], "amount": eur(amount) }]);
    // The first is paid in whole and then credited in part, the second paid in part.
    books.pay(incoming(&customer, "77.42", of(&issued[0], "77.42"))).await.expect("paid");
    books.pay(incoming(&customer, "30.00", of(&issued[1], "20.00"))).await.expect("paid");
    let mut notes = Vec::new();
    for invoice in &issued[..2] {
        let note = json!({
            "lines": [{"invoice_line_id": invoice["lines"][0]["id"], "quantity": "1"}],
            "reason": "one came broken"
        });
        notes.push(books.credit(id(invoice), note).await.expect("credited"));
    }
    // The credit of the first settles part of the third, and part of it goes back.
    books.use_credit(id(&notes[0]), of(&issued[2], "3.00")).await.expect("applied");
    let refund = |field: &str, of: &Value| json!({ field: of["id"], "amount": eur("2.00"), "method": "cash", "reason": "asked" });
    books.refund(refund("credit_note_id", &notes[0])).await.expect("refunded");
    let lost = books.refund(refund("credit_note_id", &notes[0])).await.expect("refunded");
    let body = json!({ "reason": "the account was closed" });
    books.reverse_refund(id(&lost), body).await.expect("reversed");
    let over = books.pay(incoming(&customer, "6.00", json!([]))).await.expect("paid");
    books.refund(refund("payment_id", &over)).await.expect("refunded");

    // One bounced, one was for something else.
    let bounced = books.pay(incoming(&customer, "8.00", of(&issued[2], "7.00"))).await;
    let body = json!({ "reason": "the cheque bounced" });
    books.reverse(id(&bounced.expect("paid")), body).await.expect("reversed");
    let paid = books.pay(incoming(&customer, "3.00", of(&issued[2], "2.00"))).await.expect("paid");
    books.unapply(&paid, 0).await.expect("taken back");

    let order = purchase_order(&[("30", "4.00")]);
    books.hear(&order).await;
    let receipt = receipt(&order, &[(0, "12")]);
    books.hear(&receipt).await;
    books.hear(&stock_received(&receipt)).await;
    let mut bills = Vec::new();
    for (number, quantity) in [("R-1", "4"), ("R-2", "3"), ("R-3", "2"), ("R-4", "2"), ("R-5", "9")]
    {
        let body = bill(&order, number, &[(0, quantity, "4.00")]);
        bills.push(books.enter_bill(body).await.expect("entered"));
    }
    books.approve(&user(), id(&bills[0])).await.expect("approved");
    books.approve(&user(), id(&bills[1])).await.expect("approved");
    books.reject(id(&bills[2])).await.expect("rejected");
    let of = |bill: &Value, amount: &str| json!([{ "bill_id": bill["id"], "amount": eur(amount) }]);
    books.pay(outgoing(&order, "19.20", of(&bills[0], "19.20"))).await.expect("paid");
    books.pay(outgoing(&order, "5.00", of(&bills[1], "4.00"))).await.expect("paid");
    books
}
