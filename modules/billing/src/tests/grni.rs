//! The account of goods received and not invoiced over many receipts and bills.

use crate::tests::documents::{bill, purchase_order, receipt, stock_received};
use crate::tests::support::{Books, id, user};

/// Receipts and bills of 3 × 0.335 in odd parts: what each receipt rounded up comes off
/// again.
#[tokio::test]
async fn a_line_received_and_billed_in_whole_leaves_nothing() {
    let books = Books::open().await;
    let order = purchase_order(&[("3", "0.335"), ("7", "1.005")]);
    books.hear(&order).await;
    for part in [[(0, "1"), (1, "2.5")], [(0, "1"), (1, "2.5")], [(0, "1"), (1, "2")]] {
        let receipt = receipt(&order, &part);
        books.hear(&receipt).await;
        books.hear(&stock_received(&receipt)).await;
    }
    let parts = [[(0, "2", "0.335"), (1, "1", "1.005")], [(0, "1", "0.335"), (1, "6", "1.005")]];
    for (number, part) in parts.iter().enumerate() {
        let body = bill(&order, &format!("R-{number}"), part);
        let entered = books.enter_bill(body).await.expect("entered");
        books.approve(&user(), id(&entered)).await.expect("approved");
        books.assert_laws().await;
    }
    assert_eq!(books.balance("2100").await, 0);
}
