//! Payments and what they settle.

use contracts::events::{PaymentApplied, PaymentCaptured};
use contracts::ids::{CustomerId, InvoiceId, PaymentId, SupplierId};
use kernel::events::EventData;
use serde_json::{Value, json};

use crate::tests::documents::{
    bill, customer, incoming, outgoing, purchase_order, receipt, shipment, stock_received,
};
use crate::tests::support::{Books, count_statements, eur, id, refused, user};

#[tokio::test]
async fn a_payment_settles_invoices_in_part_and_in_whole() {
    let books = Books::open().await;
    let customer = customer();
    let first = books.issued(&shipment(&customer, &[("1", "100.00", "zero")])).await;
    let second = books.issued(&shipment(&customer, &[("1", "50.00", "zero")])).await;
    let allocations = json!([{"invoice_id": first["id"], "amount": eur("100.00")}]);
    let payment = books.pay(incoming(&customer, "130.00", allocations)).await.expect("paid");
    assert_eq!((&payment["applied"], &payment["unapplied"]), (&eur("100.00"), &eur("30.00")));
    assert_eq!(payment["allowed_actions"], json!(["allocate", "reverse"]));
    assert_eq!(books.invoice(id(&first)).await["status"], "settled");
    assert_eq!(books.balance("1100").await, 2000);
    assert_eq!(books.balance("1000").await, 13000);
    books.assert_laws().await;

    let allocations =
        json!({"allocations": [{"invoice_id": second["id"], "amount": eur("30.00")}]});
    let payment = books.allocate(id(&payment), allocations).await.expect("allocated");
    assert_eq!((&payment["unapplied"], &payment["version"]), (&eur("0.00"), &json!(2)));
    assert_eq!(payment["allocations"].as_array().expect("allocations").len(), 2);
    assert_eq!(payment["allowed_actions"], json!(["reverse"]));
    let second = books.invoice(id(&second)).await;
    assert_eq!((&second["status"], &second["open"]), (&json!("issued"), &eur("20.00")));
    assert_eq!(books.published(PaymentCaptured::TYPE).await.len(), 1);
    let applied = books.published(PaymentApplied::TYPE).await;
    let told: Vec<_> = applied.iter().map(|e| (&e["amount"], &e["invoice_open"])).collect();
    assert_eq!(told, [(&eur("100.00"), &eur("0.00")), (&eur("30.00"), &eur("20.00"))]);
    let shown = json!(books.service.payment(id(&payment)).await.expect("the payment"));
    assert_eq!(shown, payment);
    books.assert_laws().await;
}

#[tokio::test]
async fn allocations_beyond_what_is_open_or_left_are_refused() {
    let books = Books::open().await;
    let customer = customer();
    let invoice = books.issued(&shipment(&customer, &[("1", "100.00", "zero")])).await;
    let draft = books.drafted(&shipment(&customer, &[("1", "10.00", "zero")])).await;
    let of = |id: &Value, amount: &str| json!([{"invoice_id": id, "amount": eur(amount)}]);
    let check = async |amount: &str, allocations: Value, status, code| {
        let outcome = books.pay(incoming(&customer, amount, allocations)).await;
        refused(outcome, status, code);
    };
    check("200.00", of(&invoice["id"], "100.01"), 409, "over_allocated").await;
    check("50.00", of(&invoice["id"], "50.01"), 409, "payment_exhausted").await;
    check("50.00", of(&draft["id"], "10.00"), 409, "document_not_open").await;
    let unknown = json!(InvoiceId::new());
    check("50.00", of(&unknown, "10.00"), 422, "unknown_invoice").await;
    check("50.00", of(&invoice["id"], "0.00"), 422, "amount_not_positive").await;
    check("50.00", of(&invoice["id"], "-1.00"), 422, "amount_not_positive").await;
    check("0.00", json!([]), 422, "amount_not_positive").await;
    let one = json!({"invoice_id": invoice["id"], "amount": eur("1.00")});
    check("50.00", json!([one, one]), 422, "duplicate_allocation").await;
    check("50.00", json!(vec![one; 5001]), 422, "too_many_lines").await;
    let dollars = json!({"amount": "1.00", "currency": "USD"});
    let dollars = json!([{"invoice_id": invoice["id"], "amount": dollars}]);
    check("50.00", dollars, 422, "currency_not_supported").await;
    let neither = json!([{"amount": eur("1.00")}]);
    check("50.00", neither, 422, "wrong_document").await;
    let a_bill = json!([{"bill_id": invoice["id"], "amount": eur("1.00")}]);
    check("50.00", a_bill, 422, "wrong_document").await;
    let stranger = crate::tests::documents::customer();
    let other = incoming(&stranger, "50.00", of(&invoice["id"], "10.00"));
    refused(books.pay(other).await, 422, "other_party");
    // Amounts too large for a sum are more than any payment has.
    let huge = "9999999999999.99";
    let drafts: Vec<_> =
        (0..1000).map(|_| json!({"invoice_id": InvoiceId::new(), "amount": eur(huge)})).collect();
    check(huge, json!(drafts), 409, "payment_exhausted").await;
    // Nothing of all this left a trace.
    assert_eq!(books.balance("1000").await, 0);
    let paid = books.pay(incoming(&customer, "100.00", of(&invoice["id"], "100.00"))).await;
    let paid = paid.expect("paid");
    assert!(paid["number"].as_str().expect("a number").starts_with("PAY-"), "{paid}");
    check("1.00", of(&invoice["id"], "1.00"), 409, "over_allocated").await;
    let more = json!({"allocations": of(&invoice["id"], "0.01")});
    refused(books.allocate(id(&paid), more).await, 409, "payment_exhausted");
    refused(books.allocate(id(&paid), json!({"allocations": []})).await, 422, "no_lines");
    let unknown = json!({"allocations": of(&invoice["id"], "0.01")});
    refused(books.allocate(PaymentId::new(), unknown).await, 404, "not_found");
    books.assert_laws().await;
}

#[tokio::test]
async fn money_comes_from_customers_and_goes_to_suppliers() {
    let books = Books::open().await;
    let order = purchase_order(&[("1", "1.00")]);
    books.hear(&order).await;
    let (customer, supplier) = (CustomerId::new(), order.supplier_id);
    let check =
        async |direction: &str, customer: Option<CustomerId>, supplier: Option<SupplierId>| {
            let payment = json!({
                "direction": direction, "customer_id": customer, "supplier_id": supplier,
                "amount": eur("1.00"), "method": "cash"
            });
            books.pay(payment).await
        };
    for outcome in [
        check("incoming", None, None).await,
        check("incoming", None, Some(supplier)).await,
        check("incoming", Some(customer), Some(supplier)).await,
        check("outgoing", None, None).await,
        check("outgoing", Some(customer), None).await,
        check("outgoing", Some(customer), Some(supplier)).await,
    ] {
        refused(outcome, 422, "wrong_party");
    }
    // Nobody pays whom nothing was ordered from, and no customer has a supplier's id.
    let stranger = SupplierId::new();
    for (outcome, pointer) in [
        (check("outgoing", None, Some(stranger)).await, "/supplier_id"),
        (
            check("outgoing", None, Some(SupplierId::from_uuid(customer.uuid()))).await,
            "/supplier_id",
        ),
        (
            check("incoming", Some(CustomerId::from_uuid(supplier.uuid())), None).await,
            "/customer_id",
        ),
    ] {
        let error = outcome.expect_err("no such party");
        assert_eq!((error.status(), error.code()), (422, "unknown_party"));
        assert_eq!(error.fields()[0].pointer, pointer);
    }
    assert_eq!(books.balance("2000").await, 0);
    // A customer may pay before anything is shipped.
    check("incoming", Some(customer), None).await.expect("paid");
    check("outgoing", None, Some(supplier)).await.expect("paid");
    assert_eq!(books.balance("1000").await, 0);
    assert_eq!(books.published(PaymentCaptured::TYPE).await.len(), 1);
    books.assert_laws().await;
}

#[tokio::test]
async fn an_external_key_is_used_once() {
    let books = Books::open().await;
    let mut payment = incoming(&customer(), "5.00", json!([]));
    payment["external_key"] = json!("bank:2026-03-01:17");
    books.pay(payment.clone()).await.expect("paid");
    refused(books.pay(payment).await, 409, "external_key_taken");
    books.assert_laws().await;
}

#[tokio::test]
async fn a_bill_is_paid_in_part_and_in_whole() {
    let books = Books::open().await;
    let order = purchase_order(&[("10", "4.10")]);
    books.hear(&order).await;
    let receipt = receipt(&order, &[(0, "10")]);
    books.hear(&receipt).await;
    books.hear(&stock_received(&receipt)).await;
    let entered =
        books.enter_bill(bill(&order, "R-1", &[(0, "10", "4.10")])).await.expect("entered");
    let of = |amount: &str| json!([{"bill_id": entered["id"], "amount": eur(amount)}]);
    let early = books.pay(outgoing(&order, "10.00", of("10.00"))).await;
    refused(early, 409, "document_not_open");
    books.approve(&user(), id(&entered)).await.expect("approved");
    refused(books.pay(outgoing(&order, "100.00", of("49.21"))).await, 409, "over_allocated");
    books.pay(outgoing(&order, "20.00", of("20.00"))).await.expect("paid");
    assert_eq!(books.bill(id(&entered)).await["open"], eur("29.20"));
    books.assert_laws().await;
    books.pay(outgoing(&order, "30.00", of("29.20"))).await.expect("paid");
    let paid = books.bill(id(&entered)).await;
    assert_eq!((&paid["status"], &paid["open"]), (&json!("settled"), &eur("0.00")));
    // 80 cents too much: our credit with the supplier.
    assert_eq!(books.balance("2000").await, 80);
    let stranger = purchase_order(&[("1", "1.00")]);
    refused(books.pay(outgoing(&stranger, "1.00", of("1.00"))).await, 422, "other_party");
    books.assert_laws().await;
}

#[tokio::test]
async fn statements_do_not_grow_with_allocations() {
    let books = Books::open().await;
    let customer = customer();
    let mut counts = Vec::new();
    for many in [1, 30] {
        let mut allocations = Vec::new();
        for _ in 0..many {
            let invoice = books.issued(&shipment(&customer, &[("1", "1.00", "zero")])).await;
            allocations.push(json!({"invoice_id": invoice["id"], "amount": eur("1.00")}));
        }
        let payment = incoming(&customer, "100.00", json!(allocations));
        let (paid, count) = count_statements(books.pay(payment)).await;
        paid.expect("paid");
        counts.push(count);
    }
    assert_eq!(counts[0], counts[1]);
    books.assert_laws().await;
}
