//! Bank accounts of suppliers: named whole, one default each, and changed in the open.

use kernel::Result;
use kernel::db::query_all;
use sea_orm::FromQueryResult;
use serde_json::{Value, json};

use super::world::{World, ctx};
use crate::routes::bank_accounts::SupplierBankAccount;

const IBAN: &str = "DE89 3704 0044 0532 0130 00";

impl World {
    async fn add_account(&self, body: Value) -> Result<SupplierBankAccount> {
        let new = serde_json::from_value(body).expect("a bank account");
        self.service.create_bank_account(&ctx(), self.supplier_id, new).await?;
        // Newest first.
        Ok(self.accounts().await.remove(0))
    }

    async fn change_account(&self, of: &SupplierBankAccount, body: Value) -> Result<()> {
        let patch = serde_json::from_value(body).expect("a patch");
        let ids = (self.supplier_id, of.id);
        self.service.update_bank_account(&ctx(), ids, patch).await.map(drop)
    }

    async fn accounts(&self) -> Vec<SupplierBankAccount> {
        let all = self.service.list_bank_accounts(self.supplier_id, Default::default()).await;
        all.expect("a page").data
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T>, status: u16, code: &str, pointer: &str) {
    let error = outcome.expect_err("it must be refused");
    assert_eq!((error.status(), error.code()), (status, code), "{error:?}");
    assert_eq!(error.fields()[0].pointer, pointer);
}

#[tokio::test]
async fn an_account_is_named_in_one_way_and_whole() {
    let world = World::new().await;
    let check = async |body: Value, code: &str, pointer: &str| {
        let mut body = body;
        body["holder_name"] = json!("Ada");
        refused(world.add_account(body).await, 422, code, pointer);
    };
    check(json!({}), "bank_account_incomplete", "/iban").await;
    check(json!({ "account_number": "12345678" }), "bank_account_incomplete", "/bank_code").await;
    let both = json!({ "iban": IBAN, "account_number": "1" });
    check(both, "bank_account_ambiguous", "/account_number").await;
    check(json!({ "iban": IBAN, "bank_code": "1" }), "bank_account_ambiguous", "/bank_code").await;
    check(json!({ "iban": "DE88370400440532013000" }), "invalid_iban", "/iban").await;
    check(json!({ "iban": "ZZ8112345678901" }), "invalid_iban", "/iban").await;
    check(json!({ "iban": "DE71ABCDEFGHIJ12345678" }), "invalid_iban", "/iban").await;
    check(json!({ "iban": IBAN, "bic": "COBADEFF1" }), "invalid_bic", "/bic").await;

    let first = json!({ "holder_name": "Ada", "iban": IBAN });
    let account = world.add_account(first.clone()).await.expect("created");
    assert_eq!(account.iban.as_deref(), Some("DE89370400440532013000"));
    assert!(account.is_active && !account.is_default);
    refused(world.add_account(first).await, 409, "bank_account_taken", "/iban");
    let national = json!({ "holder_name": "Ada", "account_number": "1", "bank_code": "021000021" });
    world.add_account(national).await.expect("created");
    let change = json!({ "account_number": "1" });
    let changed = world.change_account(&account, change).await;
    refused(changed, 422, "bank_account_ambiguous", "/account_number");
    let change = json!({ "iban": null, "account_number": "1", "bic": "NWBKGB2L" });
    world.change_account(&account, change).await.expect("changed");
}

#[tokio::test]
async fn a_supplier_has_one_default_and_it_is_active() {
    let world = World::new().await;
    let account = |iban: &str| json!({ "holder_name": "Ada", "iban": iban, "is_default": true });
    let first = world.add_account(account(IBAN)).await.expect("created");
    let second = world.add_account(account("GB82WEST12345698765432")).await.expect("created");
    let defaults = async || -> Vec<_> {
        world.accounts().await.into_iter().map(|a| (a.is_default, a.is_active, a.version)).collect()
    };
    assert_eq!(defaults().await, [(true, true, 1), (false, true, 2)]);
    world.change_account(&first, json!({ "is_default": true })).await.expect("changed");
    assert_eq!(defaults().await, [(false, true, 2), (true, true, 3)]);
    world.change_account(&first, json!({ "is_active": false })).await.expect("changed");
    assert_eq!(defaults().await, [(false, true, 2), (false, false, 4)]);
    let changed = world.change_account(&first, json!({ "is_default": true })).await;
    refused(changed, 422, "default_inactive", "/is_default");

    for (sql, words) in [
        ("is_default = TRUE, version = version + 1", "constraint failed"),
        ("is_default = TRUE, is_active = TRUE, version = version + 1", "UNIQUE constraint failed"),
        ("iban = NULL, version = version + 1", "CHECK constraint failed"),
        ("bank_code = '1', version = version + 1", "CHECK constraint failed"),
        ("holder_name = 'X'", "counts its versions"),
        ("supplier_id = randomblob(16), version = version + 1", "stays with its supplier"),
    ] {
        let sql = format!("UPDATE supplier_bank_accounts SET {sql}");
        let error = world.sql(&sql, vec![]).await.expect_err(&sql);
        let told = test_support::words(format!("{error:?}"));
        assert!(told.contains(words), "{sql}: {told}");
    }
    let error = world.sql("DELETE FROM supplier_bank_accounts", vec![]).await.expect_err("kept");
    assert!(format!("{error:?}").contains("never deleted"), "{error:?}");
    assert_eq!(second.version, 1);
}

#[tokio::test]
async fn the_audit_log_shows_the_last_four_of_a_number() {
    #[derive(FromQueryResult)]
    struct Told {
        before: Option<String>,
        after: String,
    }
    let world = World::new().await;
    let account = json!({ "holder_name": "Ada", "iban": IBAN });
    let account = world.add_account(account).await.expect("created");
    let change = json!({ "iban": "GB82WEST12345698765432" });
    world.change_account(&account, change).await.expect("changed");
    let sql = "SELECT before, after FROM audit_log \
        WHERE resource_type = 'supplier_bank_account' ORDER BY occurred_at";
    let told: Vec<Told> = query_all(world.service.db.read(), sql, vec![]).await.expect("rows");
    let iban = |text: &str| {
        let shown: Value = serde_json::from_str(text).expect("JSON");
        shown["iban"].clone()
    };
    assert_eq!(told.len(), 2);
    assert_eq!((&told[0].before, iban(&told[0].after)), (&None, json!("…3000")));
    let before = told[1].before.as_deref().expect("what it was");
    assert_eq!((iban(before), iban(&told[1].after)), (json!("…3000"), json!("…5432")));
}
