//! What is sold and bought on the first day.

use serde_json::{Value, json};

use super::stock::{Goods, picking};
use crate::flows::{address, eventually};
use crate::harness::{Api, Server, text};

pub(super) async fn customer(api: &Api, goods: &Goods) -> Value {
    let list = json!({"code": "RETAIL", "name": "Retail", "currency": "EUR", "is_default": true});
    let list = api.post("/api/v1/sales/price-lists", list).await.ok();
    let path = format!("/api/v1/sales/price-lists/{}", text(&list["id"]));
    api.get(&path).await.ok();
    let list = api.patch(&path, &list, json!({"name": "Retail prices"})).await.ok();
    let prices = json!({"prices": [
        {"product_id": goods.chair["id"], "min_quantity": "1", "unit_price": "79.00"},
        {"product_id": goods.chair["id"], "min_quantity": "10", "unit_price": "69.00"},
        {"product_id": goods.table["id"], "min_quantity": "1", "unit_price": "349.00"}
    ]});
    api.put(&format!("{path}/prices"), &list, prices).await.ok();
    api.get(&format!("{path}/prices")).await.ok();

    let customer = json!({
        "name": "Café Elbe GmbH", "email": "einkauf@cafe-elbe.example", "tax_id": "DE123456789",
        "payment_terms_days": 14, "billing_address": address(),
        "credit_limit": {"amount": "20000.00", "currency": "EUR"}
    });
    let customer = api.post("/api/v1/sales/customers", customer).await.ok();
    let path = format!("/api/v1/sales/customers/{}", text(&customer["id"]));
    api.get(&path).await.ok();
    let customer = api.patch(&path, &customer, json!({"payment_terms_days": 30})).await.ok();
    let explain = json!({
        "customer_id": customer["id"], "lines": [{"product_id": goods.chair["id"], "quantity": "12"}]
    });
    api.post("/api/v1/sales/prices/explain", explain).await.ok();
    customer
}

pub(super) async fn selling(server: &Server, api: &Api, goods: &Goods, customer: &Value) {
    let quotation = json!({
        "customer_id": customer["id"], "warehouse_id": goods.warehouse["id"],
        "lines": [
            {"product_id": goods.chair["id"], "quantity": "12"},
            {"product_id": goods.table["id"], "quantity": "3", "discount": "5"}
        ]
    });
    let quotations = "/api/v1/sales/quotations";
    let quote = async || api.post(quotations, quotation.clone()).await.ok();
    let path_of = |quotation: &Value| format!("{quotations}/{}", text(&quotation["id"]));
    let rejected = quote().await;
    let sent = api.act(&format!("{}/send", path_of(&rejected)), &rejected).await.ok();
    api.act(&format!("{}/reject", path_of(&sent)), &sent).await.ok();
    let dropped = quote().await;
    api.act(&format!("{}/cancel", path_of(&dropped)), &dropped).await.ok();
    let draft = quote().await;
    let path = path_of(&draft);
    let until = json!({"valid_until": chrono::Utc::now().date_naive() + chrono::Days::new(14)});
    let draft = api.patch(&path, &draft, until).await.ok();
    let sent = api.act(&format!("{path}/send"), &draft).await.ok();
    let accepted = api.act(&format!("{path}/accept"), &sent).await.ok();
    server.settle().await;
    api.get(&path).await.ok();

    // From the quotation to cash.
    let orders = "/api/v1/orders/orders";
    let order = api.post(orders, json!({"quotation_id": accepted["id"]})).await.ok();
    let path = format!("{orders}/{}", text(&order["id"]));
    let order = api.patch(&path, &order, json!({"customer_reference": "PO 4711"})).await.ok();
    let order = api.act(&format!("{path}/confirm"), &order).await.ok();
    server.settle().await;
    picking(api, &order).await;
    let chairs = &order["lines"][0]["id"];
    let part = json!({"lines": [{"order_line_id": chairs, "quantity": "5"}]});
    let wrong = api.post(&format!("{path}/shipments"), part).await.ok();
    let shipments = "/api/v1/orders/shipments";
    let cancel = format!("{shipments}/{}/cancel", text(&wrong["id"]));
    api.act(&cancel, &wrong).await.ok();
    let part = json!({
        "lines": [{"order_line_id": chairs, "quantity": "10"}],
        "carrier": "DHL", "tracking_number": "00340434161094042557"
    });
    let shipment = api.post(&format!("{path}/shipments"), part).await.ok();
    let shipment_path = format!("{shipments}/{}", text(&shipment["id"]));
    let tracking = json!({"tracking_number": "00340434161094042558"});
    let shipment = api.patch(&shipment_path, &shipment, tracking).await.ok();
    let shipment = api.act(&format!("{shipment_path}/ship"), &shipment).await.ok();
    api.act(&format!("{shipment_path}/deliver"), &shipment).await.ok();
    api.get(&shipment_path).await.ok();
    api.get(&format!("{path}/shipments")).await.ok();
    server.settle().await;

    let invoice = invoice_of(api, &shipment).await;
    let invoice_path = format!("/api/v1/billing/invoices/{}", text(&invoice["id"]));
    let today = json!({"issued_on": chrono::Utc::now().date_naive()});
    let invoice = api.act_with(&format!("{invoice_path}/issue"), &invoice, today).await.ok();
    let payment = json!({
        "direction": "incoming", "customer_id": customer["id"], "amount": invoice["total"],
        "method": "bank_transfer", "external_key": "statement 17, line 3"
    });
    let payment = api.post("/api/v1/billing/payments", payment).await.ok();
    let payment_path = format!("/api/v1/billing/payments/{}", text(&payment["id"]));
    let allocation = json!({"allocations": [
        {"invoice_id": invoice["id"], "amount": {"amount": "500.00", "currency": "EUR"}}
    ]});
    api.act_with(&format!("{payment_path}/allocations"), &payment, allocation).await.ok();
    api.get(&payment_path).await.ok();

    // Another was meant for another invoice, and then the bank takes it back.
    let euro = json!({"amount": "1.00", "currency": "EUR"});
    let cheque = json!({
        "direction": "incoming", "customer_id": customer["id"], "amount": euro,
        "method": "cheque", "allocations": [{"invoice_id": invoice["id"], "amount": euro}]
    });
    let cheque = api.post("/api/v1/billing/payments", cheque).await.ok();
    let path_of_cheque = format!("/api/v1/billing/payments/{}", text(&cheque["id"]));
    let allocation = text(&cheque["allocations"][0]["id"]);
    let why = json!({"reason": "meant for another invoice"});
    let unapply = format!("{path_of_cheque}/allocations/{allocation}/reverse");
    let cheque = api.act_with(&unapply, &cheque, why).await.ok();
    let why = json!({"reason": "the cheque bounced"});
    api.act_with(&format!("{path_of_cheque}/reverse"), &cheque, why).await.ok();

    // Two chairs come back.
    let returned = json!({
        "lines": [{"order_line_id": chairs, "quantity": "2", "restock": true}],
        "reason": "wrong colour"
    });
    let returned = api.post(&format!("{path}/returns"), returned).await.ok();
    api.get(&format!("/api/v1/orders/returns/{}", text(&returned["id"]))).await.ok();
    server.settle().await;
    let credit = json!({
        "lines": [{"invoice_line_id": invoice["lines"][0]["id"], "quantity": "2"}],
        "reason": "two chairs returned"
    });
    let credit = api.post(&format!("{invoice_path}/credit-notes"), credit).await.ok();
    api.get(&format!("/api/v1/billing/credit-notes/{}", text(&credit["id"]))).await.ok();
    api.get(&invoice_path).await.ok();
    server.settle().await;

    let owed = invoice;

    // The rest of the order is not wanted any more.
    let order = api.get(&path).await.ok();
    let cancel = format!("{path}/lines/{}/cancel", text(&order["lines"][0]["id"]));
    let order = api.act_with(&cancel, &order, json!({"quantity": "1"})).await.ok();
    api.act(&format!("{path}/close-short"), &order).await.ok();
    server.settle().await;
    api.get(&format!("{path}/timeline")).await.ok();

    // A direct order, its draft invoice thrown away and made anew, and one cancelled.
    let direct = json!({
        "customer_id": customer["id"], "warehouse_id": goods.warehouse["id"],
        "lines": [{"product_id": goods.table["id"], "quantity": "1", "unit_price": "300.00"}]
    });
    let order = api.post(orders, direct.clone()).await.ok();
    let path = format!("{orders}/{}", text(&order["id"]));
    let order = api.act(&format!("{path}/confirm"), &order).await.ok();
    assert_eq!(order["status"], "confirmed");
    let shipment = api.post(&format!("{path}/shipments"), json!({})).await.ok();
    let ship = format!("{shipments}/{}/ship", text(&shipment["id"]));
    let shipment = api.act(&ship, &shipment).await.ok();
    server.settle().await;
    let invoice = invoice_of(api, &shipment).await;
    let invoice_path = format!("/api/v1/billing/invoices/{}", text(&invoice["id"]));
    let discarded = api.act(&format!("{invoice_path}/discard"), &invoice).await.ok();
    let draft = api.act(&format!("{invoice_path}/redraft"), &discarded).await.ok();
    credit_of_a_customer(api, &draft, &owed).await;
    let order = api.post(orders, direct).await.ok();
    api.act(&format!("{orders}/{}/cancel", text(&order["id"])), &order).await.ok();
    what_waits(server, api, (customer, goods)).await;
}

/// An invoice is paid and then taken back: part of the credit settles another invoice, part of
/// it goes back to the customer, and does not arrive.
async fn credit_of_a_customer(api: &Api, draft: &Value, owed: &Value) {
    let invoice_path = format!("/api/v1/billing/invoices/{}", text(&draft["id"]));
    let invoice = api.act(&format!("{invoice_path}/issue"), draft).await.ok();
    let payment = json!({
        "direction": "incoming", "customer_id": invoice["customer_id"],
        "amount": invoice["total"], "method": "card",
        "allocations": [{"invoice_id": invoice["id"], "amount": invoice["total"]}]
    });
    api.post("/api/v1/billing/payments", payment).await.ok();
    let note = json!({"reason": "the table came back"});
    let note = api.post(&format!("{invoice_path}/credit-notes"), note).await.ok();
    let euro = json!({"amount": "1.00", "currency": "EUR"});
    let note_path = format!("/api/v1/billing/credit-notes/{}", text(&note["id"]));
    let allocations = json!({"allocations": [{"invoice_id": owed["id"], "amount": euro}]});
    api.post(&format!("{note_path}/allocations"), allocations).await.ok();
    api.get(&format!("{note_path}/credit")).await.ok();
    api.get("/api/v1/billing/credits").await.ok();
    let refund = json!({
        "credit_note_id": note["id"], "amount": euro, "method": "bank_transfer",
        "reason": "the customer wants it back"
    });
    let refund = api.post("/api/v1/billing/refunds", refund).await.ok();
    let path = format!("/api/v1/billing/refunds/{}", text(&refund["id"]));
    api.get(&path).await.ok();
    api.get("/api/v1/billing/refunds").await.ok();
    let lost = json!({"reason": "the account was closed"});
    api.post(&format!("{path}/reverse"), lost).await.ok();
}

/// An order for more than there is, promised, and not wanted any more.
async fn what_waits(server: &Server, api: &Api, (customer, goods): (&Value, &Goods)) {
    let orders = "/api/v1/orders/orders";
    let order = json!({
        "customer_id": customer["id"], "warehouse_id": goods.warehouse["id"],
        "allow_backorder": true,
        "lines": [{"product_id": goods.table["id"], "quantity": "40", "unit_price": "1.00"}]
    });
    let order = api.post(orders, order).await.ok();
    let path = format!("{orders}/{}", text(&order["id"]));
    let order = api.act(&format!("{path}/confirm"), &order).await.ok();
    server.settle().await;
    let backorders = "/api/v1/inventory/backorders";
    let list = format!("{backorders}?order_id={}", text(&order["id"]));
    let waits = api.get(&list).await.ok()["data"][0].clone();
    let promise = json!({"promised_on": chrono::Utc::now().date_naive() + chrono::Days::new(10)});
    let waits_path = format!("{backorders}/{}", text(&waits["id"]));
    api.act_with(&format!("{waits_path}/promise"), &waits, promise).await.ok();
    api.get(&waits_path).await.ok();
    server.settle().await;
    let order = api.get(&path).await.ok();
    api.act(&format!("{path}/cancel"), &order).await.ok();
    server.settle().await;
}

async fn invoice_of(api: &Api, shipment: &Value) -> Value {
    let path = format!("/api/v1/billing/invoices?shipment_id={}", text(&shipment["id"]));
    let found = eventually(api, &path, |page| page["data"][0].is_object()).await;
    found.expect("billing drafts an invoice for the shipment")["data"][0].clone()
}

pub(super) async fn buying(server: &Server, api: &Api, goods: &Goods) {
    let supplier = json!({
        "name": "Holzwerk Süd KG", "email": "vertrieb@holzwerk.example",
        "payment_terms_days": 30, "address": address()
    });
    let supplier = api.post("/api/v1/purchasing/suppliers", supplier).await.ok();
    let path = format!("/api/v1/purchasing/suppliers/{}", text(&supplier["id"]));
    api.get(&path).await.ok();
    let supplier = api.patch(&path, &supplier, json!({"payment_terms_days": 45})).await.ok();
    let accounts = format!("{path}/bank-accounts");
    let account = json!({
        "holder_name": "Holzwerk Nord GmbH", "iban": "DE89 3704 0044 0532 0130 00",
        "bic": "COBADEFFXXX", "is_default": true
    });
    let account = api.post(&accounts, account).await.ok();
    let path = format!("{accounts}/{}", text(&account["id"]));
    api.get(&path).await.ok();
    api.patch(&path, &account, json!({"holder_name": "Holzwerk Nord AG"})).await.ok();
    api.get(&accounts).await.ok();

    let orders = "/api/v1/purchasing/purchase-orders";
    let order = json!({
        "supplier_id": supplier["id"], "warehouse_id": goods.warehouse["id"],
        "lines": [{"product_id": goods.chair["id"], "quantity": "20", "unit_price": "32.00"}]
    });
    let unwanted = api.post(orders, order.clone()).await.ok();
    api.act(&format!("{orders}/{}/cancel", text(&unwanted["id"])), &unwanted).await.ok();
    let order = api.post(orders, order).await.ok();
    let path = format!("{orders}/{}", text(&order["id"]));
    let expected = chrono::Utc::now().date_naive() + chrono::Days::new(7);
    let order = api.patch(&path, &order, json!({"expected_on": expected})).await.ok();
    let order = api.act(&format!("{path}/approve"), &order).await.ok();
    api.act(&format!("{path}/send"), &order).await.ok();
    let line = &order["lines"][0]["id"];
    let receipt = json!({
        "purchase_order_id": order["id"], "delivery_note": "LS 2210",
        "lines": [{"purchase_order_line_id": line, "quantity": "15"}]
    });
    let receipt = api.post("/api/v1/purchasing/receipts", receipt).await.ok();
    api.get(&format!("/api/v1/purchasing/receipts/{}", text(&receipt["id"]))).await.ok();
    server.settle().await;

    let bills = "/api/v1/billing/bills";
    let bill = |number: &str, quantity: &str| {
        json!({
            "supplier_id": supplier["id"], "purchase_order_id": order["id"],
            "supplier_invoice_number": number,
            "lines": [
                {"purchase_order_line_id": line, "quantity": quantity, "unit_price": "32.00"}
            ]
        })
    };
    let wrong = api.post(bills, bill("RE-1001", "20")).await.ok();
    assert_eq!(wrong["status"], "exception", "five of the twenty have not arrived");
    api.act(&format!("{bills}/{}/reject", text(&wrong["id"])), &wrong).await.ok();
    let right = api.post(bills, bill("RE-1002", "15")).await.ok();
    let path_of_bill = format!("{bills}/{}", text(&right["id"]));
    let right = api.act(&format!("{path_of_bill}/approve"), &right).await.ok();
    let payment = json!({
        "direction": "outgoing", "supplier_id": supplier["id"], "amount": right["total"],
        "method": "bank_transfer",
        "allocations": [{"bill_id": right["id"], "amount": right["total"]}]
    });
    api.post("/api/v1/billing/payments", payment).await.ok();
    api.get(&path_of_bill).await.ok();
    server.settle().await;
    let order = api.get(&path).await.ok();
    api.act(&format!("{path}/close"), &order).await.ok();
}
