//! Units beside a product's own, and exact conversion between them.

use std::collections::BTreeSet;

use contracts::ids::ProductId;
use kernel::db::insert_all;
use kernel::http::Reply;
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::entities::{product, product_unit};
use crate::error::Error;
use crate::routes::product_units::{Conversion, Converted, ProductUnit, ProductUnits, SetUnits};
use crate::service::Service;
use crate::service::barcodes::{check_barcodes, spellings};

/// Most units of a product beside its own.
const MAX_UNITS: usize = 20;

/// One of a unit is numerator / denominator of the product's own.
type Ratio = (i64, i64);

/// `quantity` in another unit; none if that cannot be written exactly.
fn convert(quantity: Quantity, from: Ratio, to: Ratio) -> Option<Quantity> {
    let numerator = i128::from(quantity.micros()) * i128::from(from.0) * i128::from(to.1);
    let denominator = i128::from(from.1) * i128::from(to.0);
    if numerator % denominator != 0 {
        return None;
    }
    let micros = i64::try_from(numerator / denominator).ok()?;
    // Through zero, because that is where the bounds are looked at.
    Quantity::from_micros(micros).checked_add(Quantity::ZERO).ok()
}

impl Service {
    pub(crate) async fn product_units(&self, id: ProductId) -> Result<ProductUnits> {
        let product = self.product(id).await?;
        let units = product_unit::Entity::find()
            .filter(product_unit::Column::ProductId.eq(id))
            .order_by_asc(product_unit::Column::Code)
            .all(self.db.read())
            .await?;
        Ok(present(product, units))
    }

    pub(crate) async fn set_product_units(
        &self,
        ctx: &Ctx,
        id: ProductId,
        set: SetUnits,
    ) -> Result<Reply> {
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<product::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("product", id))?;
        ctx.check_version(before.version)?;
        if set.units.len() > MAX_UNITS {
            return Err(Error::InvalidUnit { pointer: "/units".into() }.into());
        }
        let (mut codes, mut barcodes) = (BTreeSet::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for (i, unit) in set.units.iter().enumerate() {
            if *unit.code == *before.unit || !codes.insert(unit.code.to_string()) {
                return Err(Error::InvalidUnit { pointer: format!("/units/{i}/code") }.into());
            }
            for (ratio, field) in [(unit.numerator, "numerator"), (unit.denominator, "denominator")]
            {
                if ratio == 0 || ratio > 1_000_000_000 {
                    return Err(
                        Error::InvalidUnit { pointer: format!("/units/{i}/{field}") }.into()
                    );
                }
            }
            if let Some(barcode) = &unit.barcode {
                let pointer = format!("/units/{i}/barcode");
                // However it is written, it is one number.
                if !seen.insert(spellings(barcode).swap_remove(0)) {
                    return Err(Error::InvalidUnit { pointer }.into());
                }
                barcodes.push((barcode.to_string(), pointer));
            }
        }
        check_barcodes(&tx, &barcodes, id, true).await?;
        let of_product = product_unit::Column::ProductId.eq(id);
        let had = product_unit::Entity::find().filter(of_product.clone()).all(&*tx).await?;
        product_unit::Entity::delete_many().filter(of_product).exec(&*tx).await?;
        let units: Vec<_> = set
            .units
            .into_iter()
            .map(|unit| product_unit::Model {
                product_id: id,
                code: unit.code.into(),
                numerator: unit.numerator.into(),
                denominator: unit.denominator.into(),
                barcode: unit.barcode.map(Into::into),
            })
            .collect();
        insert_all(&*tx, units.iter().cloned().map(IntoActiveModel::into_active_model)).await?;
        let mut model = before.clone().into_active_model();
        model.version = sea_orm::ActiveValue::Set(before.version + 1);
        model.updated_at = sea_orm::ActiveValue::Set(tx.now());
        let after = sea_orm::ActiveModelTrait::update(model, &*tx).await?;
        let (before, after) = (present(before, had), present(after, units));
        tx.audit("product", id.uuid(), Some(&before), Some(&after))?;
        tx.reply(Reply::ok(&after)).await
    }

    /// A quantity in another unit, exactly or not at all.
    pub(crate) async fn convert(&self, id: ProductId, asked: Conversion) -> Result<Converted> {
        let units = self.product_units(id).await?;
        let ratio = |code: &str, pointer: &str| {
            if code == units.unit {
                return Ok((1, 1));
            }
            let found = units.units.iter().find(|unit| unit.code == code);
            let unit = found.ok_or_else(|| Error::UnknownUnit { pointer: pointer.into() })?;
            Ok::<_, Error>((unit.numerator.into(), unit.denominator.into()))
        };
        let (from, to) = (ratio(&asked.from, "/from")?, ratio(&asked.to, "/to")?);
        let inexact = || Error::ConversionNotExact { pointer: "/quantity".into() };
        let base = convert(asked.quantity.get(), from, (1, 1)).ok_or_else(inexact)?;
        // The unit of stock decides what there can be.
        let product = self.product(id).await?;
        crate::service::references::check_fineness(&product, base, "/quantity")?;
        let quantity = convert(base, (1, 1), to).ok_or_else(inexact)?;
        Ok(Converted {
            quantity,
            unit: asked.to.into(),
            base_quantity: base,
            base_unit: units.unit,
        })
    }
}

fn present(product: product::Model, units: Vec<product_unit::Model>) -> ProductUnits {
    let unit = |row: product_unit::Model| ProductUnit {
        code: row.code,
        // Within 1..=10⁹ by a CHECK of the table.
        numerator: row.numerator as u32,
        denominator: row.denominator as u32,
        barcode: row.barcode,
    };
    ProductUnits {
        product_id: product.id,
        unit: product.unit,
        unit_decimals: product.unit_decimals as u8,
        units: units.into_iter().map(unit).collect(),
        version: product.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversion_is_exact_or_none() {
        let check = |quantity: &str, from: Ratio, to: Ratio, expected: Option<&str>| {
            let converted = convert(quantity.parse().expect("a quantity"), from, to);
            assert_eq!(converted.map(|q| q.to_string()).as_deref(), expected, "{quantity}");
            if let Some(there) = converted {
                let back = convert(there, to, from).map(|q| q.to_string());
                assert_eq!(back.as_deref(), Some(quantity), "and back");
            }
        };
        check("2", (12, 1), (1, 1), Some("24"));
        check("30", (1, 1), (12, 1), Some("2.5"));
        check("10", (1, 1), (12, 1), None);
        check("3", (12, 1), (6, 1), Some("6"));
        // A pound is 0.45359237 kg, which a millionth does not hold; a thousand of them do.
        check("1", (45_359_237, 100_000_000), (1, 1), None);
        check("100", (45_359_237, 100_000_000), (1, 1), Some("45.359237"));
        check("999999999", (12, 1), (1, 1), None);
    }
}
