//! What moves in the stock moves in the books, once.

use contracts::events::{IssuedLine, StockAdjusted, StockIssued, StockReturned};
use contracts::ids::{
    OrderId, OrderLineId, ProductId, ReturnId, ShipmentId, StockMoveId, WarehouseId,
};
use kernel::events::{EventData, Subscriber};
use kernel::money::{Currency, Money};
use kernel::quantity::Quantity;
use serde_json::json;
use uuid::Uuid;

use crate::tests::support::{Books, event, refused, today};

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

fn line(cost: i64) -> IssuedLine {
    IssuedLine {
        order_line_id: OrderLineId::new(),
        product_id: ProductId::new(),
        quantity: Quantity::ONE,
        cost: eur(cost),
    }
}

/// Told twice by one event and once more by another, it is posted once.
async fn check<T: EventData>(books: &Books, told: &T, source: Uuid, expected: &[(&str, i64)]) {
    let first = books.hear(told).await;
    books.service.handle(&first).await.expect("applied already");
    books.hear(told).await;
    let expected: Vec<_> =
        expected.iter().map(|(code, amount)| ((*code).to_owned(), *amount)).collect();
    assert_eq!(books.posted(source).await, expected, "{}", T::TYPE);
    books.assert_laws().await;
}

#[tokio::test]
async fn goods_that_leave_and_come_back_are_posted_at_cost() {
    let books = Books::open().await;
    let issued = StockIssued {
        shipment_id: ShipmentId::new(),
        order_id: OrderId::new(),
        issued_on: today(),
        lines: vec![line(700), line(350)],
        cost: eur(1050),
    };
    let source = issued.shipment_id.uuid();
    check(&books, &issued, source, &[("5000", 1050), ("1200", -1050)]).await;
    let returned = StockReturned {
        return_id: ReturnId::new(),
        order_id: issued.order_id,
        returned_on: today(),
        lines: vec![line(350)],
        cost: eur(350),
        scrapped: Vec::new(),
    };
    let source = returned.return_id.uuid();
    check(&books, &returned, source, &[("1200", 350), ("5000", -350)]).await;
}

/// What comes back to be scrapped is no cost of sales any more, but lost.
#[tokio::test]
async fn goods_that_come_back_to_be_scrapped_are_lost() {
    let books = Books::open().await;
    let returned = |lines: Vec<IssuedLine>, cost: i64, scrapped: Vec<IssuedLine>| StockReturned {
        return_id: ReturnId::new(),
        order_id: OrderId::new(),
        returned_on: today(),
        lines,
        cost: eur(cost),
        scrapped,
    };
    let all = returned(Vec::new(), 0, vec![line(700), line(50)]);
    check(&books, &all, all.return_id.uuid(), &[("5200", 750), ("5000", -750)]).await;
    let some = returned(vec![line(350)], 350, vec![line(120)]);
    let expected = [("1200", 350), ("5200", 120), ("5000", -470)];
    check(&books, &some, some.return_id.uuid(), &expected).await;
}

fn adjusted(value: i64) -> StockAdjusted {
    StockAdjusted {
        move_id: StockMoveId::new(),
        product_id: ProductId::new(),
        warehouse_id: WarehouseId::new(),
        adjusted_on: today(),
        quantity: Quantity::from_micros(value.signum() * 1_000_000),
        value: eur(value),
        reason: "stock take".into(),
        is_cost_of_sales: false,
    }
}

#[tokio::test]
async fn adjustments_go_either_way() {
    let books = Books::open().await;
    let up = adjusted(500);
    check(&books, &up, up.move_id.uuid(), &[("1200", 500), ("5200", -500)]).await;
    let down = adjusted(-120);
    check(&books, &down, down.move_id.uuid(), &[("1200", -120), ("5200", 120)]).await;
    let nothing = adjusted(0);
    check(&books, &nothing, nothing.move_id.uuid(), &[]).await;
    assert_eq!(books.balance("1200").await, 380);
}

/// Goods sold before they came cost more than was known, or less.
#[tokio::test]
async fn what_goods_sold_below_nothing_came_to_cost_is_cost_of_sales() {
    let books = Books::open().await;
    let more = StockAdjusted { is_cost_of_sales: true, ..adjusted(-70) };
    check(&books, &more, more.move_id.uuid(), &[("1200", -70), ("5000", 70)]).await;
    let less = StockAdjusted { is_cost_of_sales: true, ..adjusted(30) };
    check(&books, &less, less.move_id.uuid(), &[("1200", 30), ("5000", -30)]).await;
}

#[tokio::test]
async fn another_currency_is_refused() {
    let books = Books::open().await;
    let mut told = adjusted(500);
    told.value = Money::new(500, "USD".parse().expect("a currency"));
    let outcome = books.service.handle(&event(&told)).await;
    refused(outcome, 422, "currency_not_supported");
}

#[tokio::test]
async fn what_billing_does_not_hear_is_an_error() {
    let books = Books::open().await;
    let mut strange = event(&adjusted(1));
    strange.kind = "inventory.stock.counted".into();
    refused(books.service.handle(&strange).await, 500, "internal_error");
    let mut broken = event(&adjusted(1));
    broken.data = json!({});
    refused(books.service.handle(&broken).await, 500, "internal_error");
}
