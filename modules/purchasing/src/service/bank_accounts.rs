//! Where suppliers are paid. The audit log shows of a number its last four characters.

use contracts::ids::SupplierId;
use iban::{Iban, IbanLike};
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, fetch};
use kernel::{Ctx, Result};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::supplier_bank_account::SupplierBankAccountId;
use crate::entities::{supplier, supplier_bank_account as account};
use crate::error::Error;
use crate::routes::bank_accounts::{
    ListSupplierBankAccounts, NewSupplierBankAccount, SupplierBankAccount, SupplierBankAccountPatch,
};
use crate::service::Service;

/// The type in the audit log.
const RESOURCE: &str = "supplier_bank_account";

impl Service {
    pub(crate) async fn list_bank_accounts(
        &self,
        supplier_id: SupplierId,
        query: ListSupplierBankAccounts,
    ) -> Result<Page<SupplierBankAccount>> {
        self.supplier(supplier_id).await?;
        let select = account::Entity::find().filter(account::Column::SupplierId.eq(supplier_id));
        let id_of = |row: &account::Model| row.id.uuid();
        let (key, request) = (account::Column::Id, query.page());
        let page = fetch(self.db.read(), select, key, id_of, "bank-accounts", &request).await?;
        Ok(page.map(present))
    }

    pub(crate) async fn bank_account(
        &self,
        (supplier_id, id): (SupplierId, SupplierBankAccountId),
    ) -> Result<SupplierBankAccount> {
        let found = account::Entity::find_by_id(id).one(self.db.read()).await?;
        found
            .filter(|row| row.supplier_id == supplier_id)
            .map(present)
            .ok_or_else(|| kernel::Error::not_found("bank account", id))
    }

    pub(crate) async fn create_bank_account(
        &self,
        ctx: &Ctx,
        supplier_id: SupplierId,
        new: NewSupplierBankAccount,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let supplier = lock_supplier(&tx, supplier_id).await?;
        let row = account::Model {
            id: SupplierBankAccountId::new(),
            supplier_id,
            holder_name: new.holder_name.into(),
            iban: new.iban.map(|iban| read_iban(&iban)).transpose()?,
            account_number: new.account_number.map(Into::into),
            bank_code: new.bank_code.map(Into::into),
            bic: new.bic.map(|bic| read_bic(&bic)).transpose()?,
            currency: new.currency.unwrap_or(supplier.currency),
            is_default: new.is_default,
            is_active: true,
            version: 1,
            created_at: tx.now(),
            updated_at: tx.now(),
        };
        check_whole(&row)?;
        if row.is_default {
            replace_default(&mut tx, &row).await?;
        }
        let row = row.into_active_model().insert(&*tx).await.or_conflict(taken)?;
        tx.audit_new(RESOURCE, row.id.uuid(), &masked(row.clone()))?;
        let location =
            format!("/api/v1/purchasing/suppliers/{supplier_id}/bank-accounts/{}", row.id);
        tx.reply(Reply::created(&present(row), location)).await
    }

    pub(crate) async fn update_bank_account(
        &self,
        ctx: &Ctx,
        (supplier_id, id): (SupplierId, SupplierBankAccountId),
        patch: SupplierBankAccountPatch,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        lock_supplier(&tx, supplier_id).await?;
        let found = tx.lock::<account::Entity>(id).await?;
        let before = found
            .filter(|row| row.supplier_id == supplier_id)
            .ok_or_else(|| kernel::Error::not_found("bank account", id))?;
        ctx.check_version(before.version)?;
        let mut after = before.clone();
        if let Some(holder_name) = patch.holder_name {
            after.holder_name = holder_name.into();
        }
        if let Some(iban) = patch.iban {
            after.iban = iban.map(|iban| read_iban(&iban)).transpose()?;
        }
        if let Some(number) = patch.account_number {
            after.account_number = number.map(Into::into);
        }
        if let Some(bank_code) = patch.bank_code {
            after.bank_code = bank_code.map(Into::into);
        }
        if let Some(bic) = patch.bic {
            after.bic = bic.map(|bic| read_bic(&bic)).transpose()?;
        }
        if let Some(currency) = patch.currency {
            after.currency = currency;
        }
        if let Some(is_active) = patch.is_active {
            after.is_active = is_active;
            after.is_default &= is_active;
        }
        if let Some(is_default) = patch.is_default {
            after.is_default = is_default;
        }
        check_whole(&after)?;
        if after.is_default && !before.is_default {
            replace_default(&mut tx, &after).await?;
        }
        after.version += 1;
        after.updated_at = tx.now();
        let row = after.into_active_model().reset_all().update(&*tx).await.or_conflict(taken)?;
        tx.audit(RESOURCE, id.uuid(), Some(&masked(before)), Some(&masked(row.clone())))?;
        tx.reply(Reply::ok(&present(row))).await
    }
}

/// Whoever changes a supplier's accounts waits for the others who do.
async fn lock_supplier(tx: &Tx, id: SupplierId) -> Result<supplier::Model> {
    let found = tx.lock::<supplier::Entity>(id).await?;
    found.ok_or_else(|| kernel::Error::not_found("supplier", id))
}

/// Another account is the default from now on.
async fn replace_default(tx: &mut Tx, by: &account::Model) -> Result<()> {
    let of_supplier = account::Entity::find()
        .filter(account::Column::SupplierId.eq(by.supplier_id))
        .filter(account::Column::IsDefault.eq(true));
    let Some(before) = of_supplier.one(&**tx).await? else { return Ok(()) };
    let mut row = before.clone();
    row.is_default = false;
    row.version += 1;
    row.updated_at = tx.now();
    let after = row.into_active_model().reset_all().update(&**tx).await?;
    tx.audit(RESOURCE, after.id.uuid(), Some(&masked(before)), Some(&masked(after)))
}

/// An account is named in one way, and by all that takes.
fn check_whole(row: &account::Model) -> Result<(), Error> {
    match (&row.iban, &row.account_number) {
        (Some(_), Some(_)) => {
            return Err(Error::BankAccountAmbiguous { pointer: "/account_number" });
        }
        (Some(_), None) if row.bank_code.is_some() => {
            return Err(Error::BankAccountAmbiguous { pointer: "/bank_code" });
        }
        (None, None) => return Err(Error::BankAccountIncomplete { pointer: "/iban" }),
        (None, Some(_)) if row.bank_code.is_none() && row.bic.is_none() => {
            return Err(Error::BankAccountIncomplete { pointer: "/bank_code" });
        }
        _ => {}
    }
    if row.is_default && !row.is_active {
        return Err(Error::DefaultInactive);
    }
    Ok(())
}

/// An IBAN without its spaces, if its country has such ones (the registry of ISO 13616) and its
/// check digits are right.
fn read_iban(text: &str) -> Result<String, Error> {
    let iban: String = text.chars().filter(|c| *c != ' ').collect();
    let iban: Iban = iban.to_ascii_uppercase().parse().map_err(|_| Error::InvalidIban)?;
    Ok(iban.electronic_str().to_owned())
}

/// Six letters of bank and country, then two or five letters or digits (ISO 9362).
fn read_bic(text: &str) -> Result<String, Error> {
    let bic = text.to_ascii_uppercase();
    let shape = |(at, c): (usize, char)| c.is_ascii_uppercase() || at > 5 && c.is_ascii_digit();
    let is_shaped = [8, 11].contains(&bic.len()) && bic.chars().enumerate().all(shape);
    if is_shaped { Ok(bic) } else { Err(Error::InvalidBic) }
}

fn taken() -> kernel::Error {
    Error::BankAccountTaken.into()
}

/// The account as the audit log shows it.
fn masked(row: account::Model) -> SupplierBankAccount {
    let last_four = |number: String| {
        let hidden = number.chars().count().saturating_sub(4);
        format!("…{}", number.chars().skip(hidden).collect::<String>())
    };
    let shown = present(row);
    SupplierBankAccount {
        iban: shown.iban.map(last_four),
        account_number: shown.account_number.map(last_four),
        ..shown
    }
}

fn present(row: account::Model) -> SupplierBankAccount {
    SupplierBankAccount {
        id: row.id,
        supplier_id: row.supplier_id,
        holder_name: row.holder_name,
        iban: row.iban,
        account_number: row.account_number,
        bank_code: row.bank_code,
        bic: row.bic,
        currency: row.currency,
        is_default: row.is_default,
        is_active: row.is_active,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iban_is_taken_if_its_country_has_such_and_its_check_digits_are_right() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(read_iban(text).ok().as_deref(), expected, "{text}");
        };
        check("DE89 3704 0044 0532 0130 00", Some("DE89370400440532013000"));
        check("gb82west12345698765432", Some("GB82WEST12345698765432"));
        check("NO9386011117947", Some("NO9386011117947"));
        check("MT84MALT011000012345MTLCAST001S", Some("MT84MALT011000012345MTLCAST001S"));
        // One digit wrong, two swapped, too short, not of this shape.
        check("DE89370400440532013001", None);
        check("DE89370400440532010300", None);
        check("DE8937040044", None);
        check("8937040044053201300000", None);
        check("DE89370400440532013é00", None);
        // The check digits are right: no country, letters where Germany has none, too long.
        check("ZZ8112345678901", None);
        check("DE71ABCDEFGHIJ12345678", None);
        check("DE9837040044053201300000", None);
    }

    #[test]
    fn a_bic_has_eight_or_eleven_places() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(read_bic(text).ok().as_deref(), expected, "{text}");
        };
        check("COBADEFFXXX", Some("COBADEFFXXX"));
        check("nwbkgb2l", Some("NWBKGB2L"));
        check("COBADEFFX", None);
        check("C0BADEFF", None);
        check("COBADEF!", None);
    }
}
