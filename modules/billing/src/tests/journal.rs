//! The journal is double-entry by constraint, and tells what was posted.

use chrono::Days;
use contracts::ids::JournalEntryId;
use serde_json::{Value, json};
use utoipa::PartialSchema;

use crate::entities::journal_entry::SourceType;
use crate::routes::accounts::{Account, AccountBalance, TrialBalance};
use crate::routes::ageing::{Ageing, AgeingBucket};
use crate::service::journal::{Entry, account, post};
use crate::tests::documents::{customer, incoming, shipment};
use crate::tests::support::{Books, id, refused, run_raw, today, user};

fn entry(postings: &[(&'static str, i64)]) -> Entry {
    Entry {
        source_type: SourceType::StockMove,
        source_id: uuid::Uuid::now_v7(),
        entry_on: today(),
        document_on: today(),
        description: "a try".into(),
        currency: kernel::money::Currency::EUR,
        postings: postings.to_vec(),
    }
}

#[tokio::test]
async fn an_entry_that_does_not_balance_is_refused_by_the_database() {
    let books = Books::open().await;
    for postings in [
        &[(account::BANK, 5), (account::REVENUE, -4)][..],
        &[(account::BANK, 5)][..],
        &[(account::BANK, 5), ("9999", -5)][..],
    ] {
        let tx = books.service.db.begin(&user()).await.expect("a transaction");
        post(&tx, entry(postings)).await.expect_err("it must not balance");
    }
    let tx = books.service.db.begin(&user()).await.expect("a transaction");
    let twice = entry(&[(account::BANK, 5), (account::BANK, 5), (account::REVENUE, -10)]);
    post(&tx, twice).await.expect("it balances").expect("it is something");
    let nothing = post(&tx, entry(&[(account::BANK, 0), (account::REVENUE, 0)])).await;
    assert!(nothing.expect("nothing is wrong").is_none());
    tx.commit().await.expect("committed");
    assert_eq!(books.balance("1000").await, 10);
    books.assert_laws().await;
}

#[tokio::test]
async fn a_source_posts_once() {
    let books = Books::open().await;
    let tx = books.service.db.begin(&user()).await.expect("a transaction");
    let first = entry(&[(account::BANK, 5), (account::REVENUE, -5)]);
    let second = Entry { source_id: first.source_id, ..entry(&first.postings) };
    post(&tx, first).await.expect("posted");
    post(&tx, second).await.expect_err("posted twice");
}

#[tokio::test]
async fn entries_are_found_by_account_source_and_day() {
    let books = Books::open().await;
    let customer = customer();
    let invoice = books.issued(&shipment(&customer, &[("1", "100.00", "standard")])).await;
    books.pay(incoming(&customer, "20.00", json!([]))).await.expect("paid");
    let find = async |query: Value| {
        let query = serde_json::from_value(query).expect("a query");
        books.service.list_journal_entries(query).await.expect("a page").data
    };
    assert_eq!(find(json!({})).await.len(), 2);
    assert_eq!(find(json!({"account": "1100"})).await.len(), 2);
    let of_bank = find(json!({"account": "1000"})).await;
    assert_eq!(of_bank.len(), 1);
    assert_eq!(
        find(json!({"source_type": "invoice"})).await[0].source_id,
        id::<()>(&invoice).uuid()
    );
    assert_eq!(find(json!({"source_id": invoice["id"]})).await.len(), 1);
    assert_eq!(find(json!({"from": today(), "to": today()})).await.len(), 2);
    assert_eq!(find(json!({"from": today() + Days::new(1)})).await.len(), 0);
    assert_eq!(find(json!({"to": today() - Days::new(1)})).await.len(), 0);
    let one = books.service.journal_entry(of_bank[0].id).await.expect("the entry");
    assert_eq!(json!(one), json!(of_bank[0]));
    refused(books.service.journal_entry(JournalEntryId::new()).await, 404, "not_found");
}

#[tokio::test]
async fn an_entry_with_two_lines_on_an_account_is_listed_once() {
    let books = Books::open().await;
    let tx = books.service.db.begin(&user()).await.expect("a transaction");
    let twice = entry(&[(account::BANK, 5), (account::BANK, 5), (account::REVENUE, -10)]);
    post(&tx, twice).await.expect("posted");
    tx.commit().await.expect("committed");
    for code in ["1000", "4000"] {
        let query = serde_json::from_value(json!({ "account": code })).expect("a query");
        let page = books.service.list_journal_entries(query).await.expect("a page");
        assert_eq!(page.data.len(), 1, "{code}");
    }
}

#[tokio::test]
async fn between_days_entries_come_in_the_order_of_their_days() {
    let books = Books::open().await;
    let mut expected = Vec::new();
    for days_ago in [3, 1, 2, 1, 9] {
        let mut body = incoming(&customer(), "1.00", json!([]));
        let on = today() - Days::new(days_ago);
        body["received_on"] = json!(on);
        let payment = books.pay(body).await.expect("paid");
        expected.push((on, id::<()>(&payment).uuid()));
    }
    let from = today() - Days::new(5);
    expected.retain(|(on, _)| *on >= from);
    expected.sort();
    for sort in ["created_at", "-created_at"] {
        let mut found = Vec::new();
        let mut query = json!({ "from": from, "sort": sort, "limit": 1 });
        loop {
            let asked = serde_json::from_value(query.clone()).expect("a query");
            let page = books.service.list_journal_entries(asked).await.expect("a page");
            found.extend(page.data.iter().map(|entry| (entry.entry_on, entry.source_id)));
            match page.page.next_cursor {
                Some(cursor) => query["cursor"] = json!(cursor),
                None => break,
            }
        }
        assert_eq!(found, expected, "{sort}");
        expected.reverse();
    }
}

#[tokio::test]
async fn the_trial_balance_is_known_for_every_day() {
    let books = Books::open().await;
    let customer = customer();
    let past = today() - Days::new(400);
    let draft = books.drafted(&shipment(&customer, &[("1", "100.00", "standard")])).await;
    books.issue(id(&draft), json!({ "issued_on": past })).await.expect("issued");
    books.pay(incoming(&customer, "20.00", json!([]))).await.expect("paid");
    let receivable = async |as_of: Option<chrono::NaiveDate>| {
        let balance = books.service.trial_balance(as_of).await.expect("a trial balance");
        assert_eq!(balance.difference.minor(), 0);
        assert_eq!(balance.total_debit, balance.total_credit);
        let found = balance.accounts.iter().find(|account| account.code == "1100");
        (balance.as_of, found.expect("the account").balance.minor())
    };
    assert_eq!(receivable(Some(past - Days::new(1))).await, (past - Days::new(1), 0));
    assert_eq!(receivable(Some(past)).await, (past, 12000));
    assert_eq!(receivable(Some(today())).await, (today(), 10000));
    assert_eq!(receivable(None).await, (today(), 10000));
}

/// Each part of a balance is full, or all of them together.
#[tokio::test]
async fn what_an_account_has_no_room_for_is_refused_and_changes_nothing() {
    for (each, left) in
        [(4_000_000_000_000_000_000_i64, None), (249_999_999_999_999_999, Some("0.16"))]
    {
        let books = Books::open().await;
        let draft = books.drafted(&shipment(&customer(), &[("1", "10.00", "zero")])).await;
        let raw = books.raw().await;
        for part in 0..16 {
            let sql = format!(
                "INSERT INTO account_balance_parts (account, part, debit_minor, credit_minor) \
                 VALUES ('1000', {part}, {each}, 0), ('4000', {part}, 0, {each})"
            );
            run_raw(&raw, &sql).await.expect("they are filled");
        }
        let pay = async |amount| books.pay(incoming(&customer(), amount, json!([]))).await;
        let paid = async || {
            let query = serde_json::from_value(json!({})).expect("a query");
            books.service.list_payments(query).await.expect("a page").data.len()
        };
        if let Some(amount) = left {
            pay(amount).await.expect("there is room for it");
        }
        let before = paid().await;
        let error = pay("0.01").await.expect_err("there is no room");
        assert_eq!((error.status(), error.code()), (422, "amount_overflow"), "{error:?}");
        assert_eq!(error.fields()[0].pointer, "/amount");
        assert_eq!(paid().await, before);
        refused(books.issue(id(&draft), json!({})).await, 422, "amount_overflow");
        assert_eq!(books.invoice(id(&draft)).await, draft);
    }
}

/// Sums have more digits than amounts, and all accounts together more than one.
#[tokio::test]
async fn sums_are_shown_with_as_many_digits_as_they_have() {
    let books = Books::open().await;
    let raw = books.raw().await;
    let most = 4_000_000_000_000_000_000_i64;
    for accounts in ["'1000', '1100', '1200'", "'2000', '4000', '5000'"] {
        let (debit, credit) = if accounts.starts_with("'1") { (most, 0) } else { (0, most) };
        let sql = format!(
            "UPDATE account_balances SET debit_minor = {debit}, credit_minor = {credit} \
             WHERE account IN ({accounts})"
        );
        run_raw(&raw, &sql).await.expect("they are filled");
    }
    for as_of in [None, Some(today())] {
        let balance = json!(books.service.trial_balance(as_of).await.expect("a trial balance"));
        let totals = ["total_debit", "total_credit", "difference"];
        let totals = totals.map(|field| balance[field]["amount"].as_str().expect("an amount"));
        assert_eq!(totals, ["120000000000000000.00", "120000000000000000.00", "0.00"]);
    }
    let chart = json!(books.service.accounts().await.expect("the chart"));
    assert_eq!(chart["data"][0]["balance"]["amount"], "40000000000000000.00");
    // And the document says so of each.
    for schema in [
        json!(Account::schema()),
        json!(AccountBalance::schema()),
        json!(TrialBalance::schema()),
        json!(AgeingBucket::schema()),
        json!(Ageing::schema()),
    ] {
        let schema = schema.to_string();
        assert!(schema.contains("/MoneySum\"") && !schema.contains("/Money\""), "{schema}");
    }
}
