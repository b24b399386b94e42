//! Random sequences of everything that can happen: after every step each law holds, the
//! books balance, and no refusal is our fault.

use chrono::Days;
use contracts::events::{PurchaseOrderApproved, ReceiptPosted, StockAdjusted};
use contracts::ids::{ProductId, StockMoveId, WarehouseId};
use contracts::sales::CustomerInfo;
use kernel::money::{Currency, Money};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::tests::documents::{
    bill, customer, incoming, outgoing, purchase_order, receipt, shipment, stock_received,
};
use crate::tests::support::{Books, eur, id, read, today, user};

/// Something that happens; `which` chooses among what there is, modulo its number.
#[derive(Clone, Debug)]
enum Step {
    Ship { lines: Vec<(u32, u32, u8)>, includes_tax: bool, per_line: bool },
    Issue { which: u16, days_ago: u8 },
    Discard { which: u16 },
    Redraft { which: u16, percent: u8 },
    Pay { which: u16, share: u8, extra: u16, days_ago: u8 },
    Allocate { which: u16, to: u16, cents: u16 },
    UseCredit { which: u16, to: u16, cents: u16 },
    Refund { which: u16, of_note: bool, cents: u16, days_ago: u8 },
    ReversePayment { which: u16, days_ago: u8 },
    ReverseRefund { which: u16, days_ago: u8 },
    ReverseAllocation { which: u16, place: u16 },
    Credit { which: u16, line: u16, share: u8, days_ago: u8 },
    CreditAll { which: u16 },
    Order { lines: Vec<(u8, u32)> },
    Receive { which: u16, share: u8, line: u16 },
    TellStock { which: u16 },
    Bill { which: u16, line: u16, share: u8, dearer: bool, number: u8 },
    Approve { which: u16, with_reason: bool },
    Reject { which: u16 },
    PayBill { which: u16, share: u8 },
    Adjust { value: i16 },
    Close { days_ago: u8, kind: &'static str },
    Reopen { which: u16 },
}

/// Ordinary prices, and some of less than a cent.
fn price() -> impl Strategy<Value = u32> {
    prop_oneof![2 => 0_u32..50_000_000, 1 => 0_u32..9_000]
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<u16>;
    let share = || 1_u8..=100;
    prop_oneof![
        2 => (
            prop::collection::vec((1_u32..9_000_000, price(), 0_u8..3), 1..5),
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|(lines, includes_tax, per_line)| Step::Ship {
                lines,
                includes_tax,
                per_line,
            }),
        3 => (which(), 0_u8..5).prop_map(|(which, days_ago)| Step::Issue { which, days_ago }),
        1 => which().prop_map(|which| Step::Discard { which }),
        1 => (which(), 0_u8..30).prop_map(|(which, percent)| Step::Redraft { which, percent }),
        2 => (which(), share(), 0_u16..500, 0_u8..4).prop_map(|(which, share, extra, days_ago)| {
            Step::Pay { which, share, extra, days_ago }
        }),
        2 => (which(), which(), 1_u16..2000)
            .prop_map(|(which, to, cents)| Step::Allocate { which, to, cents }),
        3 => (which(), which(), share(), 0_u8..4).prop_map(|(which, line, share, days_ago)| {
            Step::Credit { which, line, share, days_ago }
        }),
        1 => which().prop_map(|which| Step::CreditAll { which }),
        2 => (which(), which(), 1_u16..2000)
            .prop_map(|(which, to, cents)| Step::UseCredit { which, to, cents }),
        2 => (which(), any::<bool>(), 1_u16..600, 0_u8..3).prop_map(
            |(which, of_note, cents, days_ago)| Step::Refund { which, of_note, cents, days_ago }
        ),
        1 => (which(), 0_u8..3)
            .prop_map(|(which, days_ago)| Step::ReversePayment { which, days_ago }),
        1 => (which(), 0_u8..3)
            .prop_map(|(which, days_ago)| Step::ReverseRefund { which, days_ago }),
        2 => (which(), which())
            .prop_map(|(which, place)| Step::ReverseAllocation { which, place }),
        1 => prop::collection::vec((1_u8..50, price()), 1..4)
            .prop_map(|lines| Step::Order { lines }),
        3 => (which(), share(), which())
            .prop_map(|(which, share, line)| Step::Receive { which, share, line }),
        3 => which().prop_map(|which| Step::TellStock { which }),
        3 => (which(), which(), share(), any::<bool>(), 0_u8..20).prop_map(
            |(which, line, share, dearer, number)| Step::Bill {
                which,
                line,
                share,
                dearer,
                number,
            }
        ),
        3 => (which(), any::<bool>())
            .prop_map(|(which, with_reason)| Step::Approve { which, with_reason }),
        1 => which().prop_map(|which| Step::Reject { which }),
        1 => (which(), share()).prop_map(|(which, share)| Step::PayBill { which, share }),
        1 => any::<i16>().prop_map(|value| Step::Adjust { value }),
        // Soon all is closed, but for what was closed softly and is reopened.
        1 => (1_u8..6, prop_oneof![9 => Just("soft"), 1 => Just("hard")])
            .prop_map(|(days_ago, kind)| Step::Close { days_ago, kind }),
        2 => which().prop_map(|which| Step::Reopen { which }),
    ]
}

/// What has happened so far.
struct World {
    books: Books,
    customers: Vec<CustomerInfo>,
    invoices: Vec<Value>,
    payments: Vec<Value>,
    notes: Vec<Value>,
    refunds: Vec<Value>,
    orders: Vec<PurchaseOrderApproved>,
    /// Receipts inventory has not told of yet.
    untold: Vec<ReceiptPosted>,
    bills: Vec<Value>,
    locks: Vec<Value>,
    /// Steps that were not refused.
    done: usize,
}

fn pick<T: Clone>(of: &[T], which: u16) -> Option<T> {
    if of.is_empty() { None } else { Some(of[usize::from(which) % of.len()].clone()) }
}

fn micros(micros: u32) -> String {
    Quantity::from_micros(micros.into()).to_string()
}

fn cents(amount: &Value) -> i64 {
    let money: Money = serde_json::from_value(amount.clone()).expect("an amount");
    money.minor()
}

fn money(minor: i64) -> String {
    kernel::money::format_scaled(minor, 2, 2)
}

/// At least the smallest part of a quantity.
fn part(of: Quantity, share: u8) -> String {
    let micros = (of.micros() * i64::from(share) / 100).max(1);
    Quantity::from_micros(micros).to_string()
}

impl World {
    async fn new() -> World {
        World {
            books: Books::open().await,
            customers: vec![customer(), customer()],
            invoices: Vec::new(),
            payments: Vec::new(),
            notes: Vec::new(),
            refunds: Vec::new(),
            orders: Vec::new(),
            untold: Vec::new(),
            bills: Vec::new(),
            locks: Vec::new(),
            done: 0,
        }
    }

    /// A refusal is fine if it is the caller's fault.
    fn note(&mut self, outcome: Result<Value>) -> Option<Value> {
        match outcome {
            Ok(value) => {
                self.done += 1;
                Some(value)
            }
            Err(error) => {
                assert!([403, 409, 422].contains(&error.status()), "{error:?}");
                None
            }
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Ship { lines, includes_tax, per_line } => {
                let classes = ["standard", "reduced", "zero"];
                let texts: Vec<_> = lines
                    .iter()
                    .map(|(quantity, price, class)| {
                        (micros(*quantity), micros(*price), classes[usize::from(*class)])
                    })
                    .collect();
                let lines: Vec<_> =
                    texts.iter().map(|(q, p, class)| (q.as_str(), p.as_str(), *class)).collect();
                let customer = &self.customers[self.invoices.len() % 2];
                let mut shipment = shipment(customer, &lines);
                shipment.shipped_on = today() - Days::new(3);
                shipment.prices_include_tax = includes_tax;
                if per_line {
                    shipment.rounding_mode = contracts::billing::RoundingMode::PerLine;
                }
                let draft = self.books.drafted(&shipment).await;
                self.invoices.push(draft);
                self.done += 1;
            }
            Step::Issue { which, days_ago } => {
                let Some(invoice) = pick(&self.invoices, which) else { return };
                let day = today() - Days::new(days_ago.into());
                let body = json!({ "issued_on": day });
                let outcome = self.books.issue(id(&invoice), body).await;
                self.note(outcome);
            }
            Step::Discard { which } => {
                let Some(invoice) = pick(&self.invoices, which) else { return };
                let outcome = self.books.service.discard_invoice(&user(), id(&invoice)).await;
                self.note(outcome.map(|_| Value::Null));
            }
            Step::Redraft { which, percent } => {
                let Some(invoice) = pick(&self.invoices, which) else { return };
                self.books.change_rate("standard", &percent.to_string()).await;
                let outcome = self.books.service.redraft_invoice(&user(), id(&invoice)).await;
                self.note(outcome.map(|_| Value::Null));
            }
            Step::Pay { which, share, extra, days_ago } => {
                self.pay((which, share, extra), days_ago).await;
            }
            Step::Allocate { which, to, cents } => {
                let (Some(payment), Some(invoice)) =
                    (pick(&self.payments, which), pick(&self.invoices, to))
                else {
                    return;
                };
                let amount = eur(&money(cents.into()));
                let body =
                    json!({"allocations": [{"invoice_id": invoice["id"], "amount": amount}]});
                let outcome = self.books.allocate(id(&payment), body).await;
                self.note(outcome);
            }
            Step::UseCredit { which, to, cents } => {
                let (Some(note), Some(invoice)) =
                    (pick(&self.notes, which), pick(&self.invoices, to))
                else {
                    return;
                };
                let allocation =
                    json!([{"invoice_id": invoice["id"], "amount": eur(&money(cents.into()))}]);
                let outcome = self.books.use_credit(id(&note), allocation).await;
                self.note(outcome);
            }
            Step::Refund { which, of_note, cents, days_ago } => {
                let (field, from) = match of_note {
                    true => ("credit_note_id", &self.notes),
                    false => ("payment_id", &self.payments),
                };
                let Some(source) = pick(from, which) else { return };
                let body = json!({
                    field: source["id"], "amount": eur(&money(cents.into())), "method": "cash",
                    "reason": "asked for it", "refunded_on": today() - Days::new(days_ago.into())
                });
                let outcome = self.books.refund(body).await;
                if let Some(refund) = self.note(outcome) {
                    self.refunds.push(refund);
                }
            }
            Step::ReverseRefund { which, days_ago } => {
                let Some(refund) = pick(&self.refunds, which) else { return };
                let day = today() - Days::new(days_ago.into());
                let body = json!({ "reason": "it did not arrive", "reversed_on": day });
                let outcome = self.books.reverse_refund(id(&refund), body).await;
                self.note(outcome);
            }
            Step::ReversePayment { which, days_ago } => {
                let Some(payment) = pick(&self.payments, which) else { return };
                let day = today() - Days::new(days_ago.into());
                let body = json!({ "reason": "it bounced", "reversed_on": day });
                let outcome = self.books.reverse(id(&payment), body).await;
                self.note(outcome);
            }
            Step::ReverseAllocation { which, place } => {
                let Some(payment) = pick(&self.payments, which) else { return };
                let payment = self.books.payment(id(&payment)).await;
                let made: Vec<_> = payment["allocations"].as_array().expect("a list").clone();
                let made: Vec<_> = made.iter().filter(|a| a.get("reverses_id").is_none()).collect();
                let Some(allocation) = pick(&made, place) else { return };
                let ids = (id(&payment), id(allocation));
                let (ctx, body) = (user(), read(json!({ "reason": "not this one" })));
                let outcome = self.books.service.reverse_allocation(&ctx, ids, body).await;
                self.note(outcome.map(|_| Value::Null));
            }
            Step::Credit { which, line, share, days_ago } => {
                self.credit((which, line, share), days_ago).await;
            }
            Step::CreditAll { which } => {
                let Some(invoice) = pick(&self.invoices, which) else { return };
                let body = json!({ "reason": "all that is left" });
                let outcome = self.books.credit(id(&invoice), body).await;
                if let Some(note) = self.note(outcome) {
                    self.notes.push(note);
                    let after = self.books.invoice(id(&invoice)).await;
                    assert_eq!(after["credit_notes_total"], after["total"], "{after}");
                }
            }
            Step::Adjust { value } => {
                let adjusted = StockAdjusted {
                    move_id: StockMoveId::new(),
                    product_id: ProductId::new(),
                    warehouse_id: WarehouseId::new(),
                    adjusted_on: today(),
                    quantity: Quantity::from_micros(i64::from(value.signum()) * 1_000_000),
                    value: Money::new(value.into(), Currency::EUR),
                    reason: "a stock take".into(),
                    is_cost_of_sales: value % 2 == 0,
                };
                self.books.hear(&adjusted).await;
                self.done += 1;
            }
            Step::Close { days_ago, kind } => {
                let day = today() - Days::new(days_ago.into());
                let outcome = self.books.close(day, kind).await;
                if let Some(lock) = self.note(outcome) {
                    self.locks.push(lock);
                }
            }
            Step::Reopen { which } => {
                let Some(lock) = pick(&self.locks, which) else { return };
                let (ctx, reason) = (user(), read(json!({ "reason": "one more" })));
                let outcome = self.books.service.reopen_period_lock(&ctx, id(&lock), reason).await;
                self.note(outcome.map(|_| Value::Null));
            }
            purchase => self.purchase(purchase).await,
        }
    }

    async fn pay(&mut self, (which, share, extra): (u16, u8, u16), days_ago: u8) {
        let Some(invoice) = pick(&self.invoices, which) else { return };
        let invoice = self.books.invoice(id(&invoice)).await;
        let amount = cents(&invoice["open"]) * i64::from(share) / 100;
        let customer = self.customers.iter().find(|c| json!(c.id) == invoice["customer_id"]);
        let customer = customer.expect("one of two").clone();
        let allocations = match amount {
            0 => json!([]),
            _ => json!([{"invoice_id": invoice["id"], "amount": eur(&money(amount))}]),
        };
        let mut body = incoming(&customer, &money(amount + i64::from(extra)), allocations);
        body["received_on"] = json!(today() - Days::new(days_ago.into()));
        let outcome = self.books.pay(body).await;
        if let Some(payment) = self.note(outcome) {
            self.payments.push(payment);
        }
    }

    async fn credit(&mut self, (which, line, share): (u16, u16, u8), days_ago: u8) {
        let Some(invoice) = pick(&self.invoices, which) else { return };
        let line = pick(invoice["lines"].as_array().expect("lines"), line).expect("a line");
        let quantity: Quantity =
            serde_json::from_value(line["quantity"].clone()).expect("a quantity");
        let body = json!({
            "lines": [{"invoice_line_id": line["id"], "quantity": part(quantity, share)}],
            "issued_on": today() - Days::new(days_ago.into()),
            "reason": "some of it"
        });
        let outcome = self.books.credit(id(&invoice), body).await;
        if let Some(note) = self.note(outcome) {
            self.notes.push(note);
        }
    }

    async fn purchase(&mut self, step: Step) {
        match step {
            Step::Order { lines } => {
                let texts: Vec<_> =
                    lines.iter().map(|(q, price)| (q.to_string(), micros(*price))).collect();
                let lines: Vec<_> = texts.iter().map(|(q, p)| (q.as_str(), p.as_str())).collect();
                let order = purchase_order(&lines);
                self.books.hear(&order).await;
                self.orders.push(order);
                self.done += 1;
            }
            Step::Receive { which, share, line } => {
                let Some(order) = pick(&self.orders, which) else { return };
                let line = usize::from(line) % order.lines.len();
                let quantity = part(order.lines[line].quantity, share);
                let told = receipt(&order, &[(line, quantity.as_str())]);
                self.books.hear(&told).await;
                self.untold.push(told);
                self.done += 1;
            }
            Step::TellStock { which } => {
                if self.untold.is_empty() {
                    return;
                }
                let told = self.untold.swap_remove(usize::from(which) % self.untold.len());
                self.books.hear(&stock_received(&told)).await;
                self.done += 1;
            }
            Step::Bill { which, line, share, dearer, number } => {
                let Some(order) = pick(&self.orders, which) else { return };
                let index = usize::from(line) % order.lines.len();
                let ordered = &order.lines[index];
                let price = if dearer { "9.99".into() } else { ordered.unit_price.to_string() };
                let quantity = part(ordered.quantity, share);
                let body = bill(&order, &format!("R-{number}"), &[(index, &quantity, &price)]);
                let outcome = self.books.enter_bill(body).await;
                if let Some(entered) = self.note(outcome) {
                    self.bills.push(entered);
                }
            }
            Step::Approve { which, with_reason } => {
                let Some(entered) = pick(&self.bills, which) else { return };
                let mut ctx: Ctx = user();
                ctx.reason = with_reason.then(|| "because".into());
                let outcome = self.books.approve(&ctx, id(&entered)).await;
                self.note(outcome);
            }
            Step::Reject { which } => {
                let Some(entered) = pick(&self.bills, which) else { return };
                let outcome = self.books.reject(id(&entered)).await;
                self.note(outcome);
            }
            Step::PayBill { which, share } => {
                let Some(entered) = pick(&self.bills, which) else { return };
                let entered = self.books.bill(id(&entered)).await;
                let amount = cents(&entered["open"]) * i64::from(share) / 100;
                let order = self
                    .orders
                    .iter()
                    .find(|order| json!(order.supplier_id) == entered["supplier_id"])
                    .expect("the order of the bill");
                let allocations =
                    json!([{"bill_id": entered["id"], "amount": eur(&money(amount))}]);
                let body = outgoing(order, &money(amount + 1), allocations);
                let outcome = self.books.pay(body).await;
                self.note(outcome);
            }
            other => panic!("{other:?} is not about purchases"),
        }
    }

    /// Everything received, told and billed: nothing is received and not invoiced.
    async fn close_purchases(&mut self) {
        for told in std::mem::take(&mut self.untold) {
            self.books.hear(&stock_received(&told)).await;
        }
        self.books.assert_laws().await;
        for (number, order) in self.orders.clone().into_iter().enumerate() {
            for (index, line) in order.lines.iter().enumerate() {
                let sql = "SELECT quantity, billed FROM goods_received \
                    WHERE purchase_order_line_id = $1";
                let goods: Option<Goods> = kernel::db::query_one(
                    self.books.service.db.read(),
                    sql,
                    vec![line.purchase_order_line_id.into()],
                )
                .await
                .expect("a row");
                let Some(goods) = goods else { continue };
                if goods.billed > goods.quantity {
                    let missing = Quantity::from_micros(goods.billed - goods.quantity);
                    let told = receipt(&order, &[(index, missing.to_string().as_str())]);
                    self.books.hear(&told).await;
                    self.books.hear(&stock_received(&told)).await;
                } else if goods.billed < goods.quantity {
                    let rest = Quantity::from_micros(goods.quantity - goods.billed).to_string();
                    let name = format!("LAST-{number}-{index}");
                    let price = line.unit_price.to_string();
                    let body = bill(&order, &name, &[(index, &rest, &price)]);
                    let entered = self.books.enter_bill(body).await.expect("entered");
                    let mut ctx = user();
                    ctx.reason = Some("the last one".into());
                    self.books.approve(&ctx, id(&entered)).await.expect("approved");
                }
            }
        }
        assert_eq!(self.books.balance("2100").await, 0);
        self.books.assert_laws().await;
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Goods {
    quantity: i64,
    billed: i64,
}

/// One of each, in an order in which all are possible.
fn opening() -> Vec<Step> {
    let ship = |price| Step::Ship {
        lines: vec![(2_000_000, price, 0), (1_500_000, 3_330_000, 1)],
        includes_tax: false,
        per_line: false,
    };
    let bill = |number| Step::Bill { which: 0, line: 0, share: 20, dearer: false, number };
    vec![
        ship(10_000_000),
        ship(20_000_000),
        ship(30_000_000),
        Step::Issue { which: 0, days_ago: 3 },
        Step::Discard { which: 1 },
        Step::Redraft { which: 1, percent: 25 },
        Step::Issue { which: 2, days_ago: 3 },
        Step::Pay { which: 0, share: 50, extra: 500, days_ago: 1 },
        Step::Allocate { which: 0, to: 0, cents: 100 },
        Step::ReverseAllocation { which: 0, place: 0 },
        Step::Pay { which: 0, share: 10, extra: 5, days_ago: 1 },
        Step::ReversePayment { which: 1, days_ago: 0 },
        Step::Credit { which: 0, line: 0, share: 30, days_ago: 2 },
        Step::CreditAll { which: 2 },
        // All that is still paid of the first is credit then.
        Step::Refund { which: 0, of_note: false, cents: 10, days_ago: 0 },
        Step::CreditAll { which: 0 },
        ship(40_000_000),
        ship(50_000_000),
        Step::Issue { which: 4, days_ago: 1 },
        Step::UseCredit { which: 2, to: 4, cents: 20 },
        Step::Refund { which: 2, of_note: true, cents: 10, days_ago: 0 },
        Step::ReverseRefund { which: 0, days_ago: 0 },
        Step::ReverseRefund { which: 1, days_ago: 0 },
        Step::Order { lines: vec![(10, 335_000)] },
        Step::Receive { which: 0, share: 50, line: 0 },
        Step::TellStock { which: 0 },
        bill(100),
        bill(101),
        Step::Approve { which: 0, with_reason: false },
        Step::Reject { which: 1 },
        Step::PayBill { which: 0, share: 50 },
        Step::Adjust { value: -77 },
        Step::Close { days_ago: 9, kind: "hard" },
        Step::Close { days_ago: 2, kind: "soft" },
        Step::Adjust { value: 78 },
        Step::Reopen { which: 1 },
    ]
}

#[tokio::test]
async fn every_kind_of_step_is_possible() {
    let mut world = World::new().await;
    for step in opening() {
        let before = world.done;
        world.take(step.clone()).await;
        assert!(world.done > before, "{step:?} was refused");
        world.books.assert_laws().await;
    }
    world.close_purchases().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 100, ..Default::default() })]

    #[test]
    fn no_sequence_of_steps_breaks_a_law(steps in prop::collection::vec(step(), 40..80)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in opening() {
                world.take(step).await;
            }
            for step in steps {
                world.take(step).await;
                world.books.assert_laws().await;
            }
            world.close_purchases().await;
        });
    }
}
