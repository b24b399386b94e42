//! Barcodes: whether a number can be one, whose it is, and what a scan found.

use contracts::ids::ProductId;
use kernel::Result;
use kernel::db::Tx;
use kernel::quantity::Quantity;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::entities::{product, product_unit};
use crate::error::{Error, internal};
use crate::routes::barcodes::Scan;
use crate::service::Service;

/// Whether the text has the form of a GTIN: 8, 12, 13 or 14 digits.
fn is_gtin(barcode: &str) -> bool {
    matches!(barcode.len(), 8 | 12 | 13 | 14) && barcode.bytes().all(|c| c.is_ascii_digit())
}

/// Refuses what looks like a GTIN and has another check digit: a number typed wrongly. What
/// does not look like one is a code of the company's own.
pub(crate) fn check_gtin(barcode: &str, pointer: &str) -> Result<(), Error> {
    if !is_gtin(barcode) {
        return Ok(());
    }
    // From the right, each digit counts once or three times; together they make a ten.
    let sum: u32 = barcode
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, c)| u32::from(c - b'0') * if i % 2 == 1 { 3 } else { 1 })
        .sum();
    if sum.is_multiple_of(10) {
        return Ok(());
    }
    Err(Error::InvalidGtin { pointer: pointer.into(), barcode: barcode.into() })
}

/// The ways one number may be written: a GTIN of 12 digits is also one of 13 and 14 that
/// begins with zeros, and scanners do not agree which to send.
pub(crate) fn spellings(barcode: &str) -> Vec<String> {
    if !is_gtin(barcode) || barcode.len() == 8 {
        return vec![barcode.to_owned()];
    }
    let digits = barcode.trim_start_matches('0');
    let lengths = [12, 13, 14].into_iter().filter(|length| digits.len() <= *length);
    lengths.map(|length| format!("{digits:0>length$}")).collect()
}

/// Refuses barcodes that are no numbers or that somebody else has. `pointers` has one for
/// each. Two units of one product are two holders.
pub(crate) async fn check_barcodes(
    tx: &Tx,
    barcodes: &[(String, String)],
    product_id: ProductId,
    of_units: bool,
) -> Result<()> {
    for (barcode, pointer) in barcodes {
        check_gtin(barcode, pointer)?;
    }
    if barcodes.is_empty() {
        return Ok(());
    }
    let all: Vec<_> = barcodes.iter().flat_map(|(barcode, _)| spellings(barcode)).collect();
    let (products, units) = holders(&**tx, &all).await?;
    let of_products = products
        .iter()
        .filter(|row| of_units || row.id != product_id)
        .filter_map(|row| Some((row.barcode.clone()?, row.sku.clone())));
    let of_units = units
        .iter()
        .filter(|row| !of_units || row.product_id != product_id)
        .filter_map(|row| Some((row.barcode.clone()?, row.code.clone())));
    for (taken, holder) in of_products.chain(of_units) {
        for (barcode, pointer) in barcodes {
            if spellings(barcode).contains(&taken) {
                let (barcode, pointer) = (barcode.clone(), pointer.clone());
                return Err(Error::BarcodeTaken { barcode, holder, pointer }.into());
            }
        }
    }
    Ok(())
}

pub(crate) async fn holders(
    conn: &impl ConnectionTrait,
    spellings: &[String],
) -> Result<(Vec<product::Model>, Vec<product_unit::Model>)> {
    let products =
        product::Entity::find().filter(product::Column::Barcode.is_in(spellings)).all(conn).await?;
    let units = product_unit::Entity::find()
        .filter(product_unit::Column::Barcode.is_in(spellings))
        .all(conn)
        .await?;
    Ok((products, units))
}

impl Service {
    /// What a scanner read: a product, or a package of one.
    pub(crate) async fn scan(&self, barcode: &str) -> Result<Scan> {
        let not_found = || kernel::Error::not_found("barcode", barcode);
        let (products, units) = holders(self.db.read(), &spellings(barcode)).await?;
        if let Some(product) = products.into_iter().next() {
            let (unit, quantity) = (product.unit.clone(), Quantity::ONE);
            return Ok(Scan { product: product.into(), unit, quantity });
        }
        let unit = units.into_iter().next().ok_or_else(not_found)?;
        let product = self.product(unit.product_id).await?;
        let quantity = Quantity::from_units(unit.numerator).map_err(internal)?;
        let quantity = Quantity::from_micros(quantity.micros() / unit.denominator);
        Ok(Scan { product: product.into(), unit: unit.code, quantity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gtin_has_its_check_digit() {
        let check = |barcode: &str, ok: bool| {
            assert_eq!(check_gtin(barcode, "/barcode").is_ok(), ok, "{barcode}");
        };
        check("4006381333931", true);
        check("4006381333932", false);
        check("96385074", true);
        check("96385075", false);
        check("036000291452", true);
        check("036000291453", false);
        check("10614141000415", true);
        check("10614141000416", false);
        // Not GTINs: too short, too long, or with letters.
        check("1", true);
        check("123456789012345", true);
        check("AB06381333932", true);
    }

    #[test]
    fn a_short_gtin_is_found_by_its_long_forms() {
        let long = ["036000291452", "0036000291452", "00036000291452"];
        for spelling in long {
            assert_eq!(spellings(spelling), long);
        }
        assert_eq!(spellings("10614141000415"), ["10614141000415"]);
        assert_eq!(spellings("96385074"), ["96385074"]);
    }
}
