//! What a scanner read, whatever it was held to: a product, a package, a lot or a serial
//! number, a location. A GS1 element string says several at once.

use contracts::ids::ProductId;
use kernel::{Ctx, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::entities::product::Tracking;
use crate::entities::{location, lot, product};
use crate::routes::barcodes::{ScanKind, ScanMatch, ScanMatches};
use crate::routes::locations::Location;
use crate::routes::lots::Lot;
use crate::service::Service;

/// Lots of one number shown at most: a number is unique only within its product.
const MOST: u64 = 100;

/// Between elements of no fixed length: what scanners send for FNC1.
const SEPARATOR: char = '\u{1d}';

/// What a GS1 element string says of what we ask it for.
#[derive(Debug, Default, PartialEq)]
struct Elements<'a> {
    gtin: Option<&'a str>,
    lot: Option<&'a str>,
    serial: Option<&'a str>,
}

/// The elements of a string such as `(01)04006381333931(10)L-26`, or the same as a scanner
/// sends it, without brackets. None: it is none. Source: GS1 General Specifications, 3 and 7.8.
fn elements(code: &str) -> Option<Elements<'_>> {
    let mut found = Elements::default();
    let mut rest = code.strip_prefix("]C1").or(code.strip_prefix("]d2")).unwrap_or(code);
    let is_bracketed = rest.starts_with('(');
    let mut put = |identifier: &str, value| match identifier {
        "01" => found.gtin = Some(value),
        "10" => found.lot = Some(value),
        "21" => found.serial = Some(value),
        _ => {}
    };
    while !rest.is_empty() {
        let (identifier, value) = if is_bracketed {
            let (identifier, after) = rest.strip_prefix('(')?.split_once(')')?;
            let end = after.find('(').unwrap_or(after.len());
            rest = &after[end..];
            (identifier, &after[..end])
        } else {
            let (identifier, after) = rest.split_at_checked(2)?;
            let end = match identifier {
                "00" => 18,
                "01" | "02" => 14,
                "11" | "12" | "13" | "15" | "16" | "17" => 6,
                "20" => 2,
                // Two or three digits more, as 3102 is a net weight in hundredths of a
                // kilogram; then six, or a location number of thirteen.
                "31" | "32" | "33" | "34" | "35" | "36" => 8,
                "41" => 14,
                "10" | "21" | "22" | "30" | "37" => after.find(SEPARATOR).unwrap_or(after.len()),
                _ => return None,
            };
            let (value, after) = after.split_at_checked(end)?;
            rest = after.strip_prefix(SEPARATOR).unwrap_or(after);
            (identifier, value)
        };
        put(identifier, value);
    }
    found.gtin.filter(|gtin| gtin.len() == 14 && gtin.bytes().all(|c| c.is_ascii_digit()))?;
    Some(found)
}

impl Service {
    /// Everything that what was read may stand for.
    pub(crate) async fn scan_code(&self, ctx: &Ctx, code: &str) -> Result<ScanMatches> {
        // PostgreSQL knows no such character, and no code has it.
        if code.contains('\0') {
            return Err(kernel::Error::not_found("code", code.escape_debug()));
        }
        let elements = elements(code);
        let mut matches = Vec::new();
        let (barcode, number) = match &elements {
            Some(found) => (found.gtin.unwrap_or_default(), found.serial.or(found.lot)),
            None => (code, Some(code)),
        };
        let scanned = match self.scan(barcode).await {
            Ok(scan) => Some(scan),
            Err(error) if error.status() == 404 => None,
            Err(error) => return Err(error),
        };
        let of = elements.and_then(|_| scanned.as_ref().map(|scan| scan.product.id));
        if let Some(scan) = scanned {
            matches.push(ScanMatch {
                kind: ScanKind::Product,
                product: Some(scan.product),
                unit: Some(scan.unit),
                quantity: Some(scan.quantity),
                lot: None,
                location: None,
            });
        }
        if let Some(number) = number {
            matches.extend(self.lots_numbered(number, of).await?);
        }
        let found = location::Entity::find().filter(location::Column::Barcode.eq(code));
        let found = ctx.scope.filter(found, location::Column::WarehouseId);
        if let Some(found) = found.one(self.db.read()).await? {
            matches.push(ScanMatch {
                kind: ScanKind::Location,
                product: None,
                unit: None,
                quantity: None,
                lot: None,
                location: Some(Location::from(found)),
            });
        }
        if matches.is_empty() {
            return Err(kernel::Error::not_found("code", code));
        }
        Ok(ScanMatches { matches })
    }

    async fn lots_numbered(&self, number: &str, of: Option<ProductId>) -> Result<Vec<ScanMatch>> {
        let mut lots = lot::Entity::find().filter(lot::Column::Number.eq(number)).limit(MOST);
        if let Some(id) = of {
            lots = lots.filter(lot::Column::ProductId.eq(id));
        }
        let lots = lots.all(self.db.read()).await?;
        if lots.is_empty() {
            return Ok(Vec::new());
        }
        let ids = lots.iter().map(|lot| lot.product_id);
        let products = product::Entity::find().filter(product::Column::Id.is_in(ids));
        let products = products.all(self.db.read()).await?;
        let matches = lots.into_iter().map(|lot| {
            let product = products.iter().find(|product| product.id == lot.product_id).cloned();
            let is_serial = product.as_ref().is_some_and(|p| p.tracking == Tracking::Serial);
            ScanMatch {
                kind: if is_serial { ScanKind::Serial } else { ScanKind::Lot },
                unit: product.as_ref().map(|product| product.unit.clone()),
                product: product.map(Into::into),
                quantity: None,
                lot: Some(Lot::from(lot)),
                location: None,
            }
        });
        Ok(matches.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gs1_string_is_read_with_brackets_and_without() {
        let check = |code: &str, expected: Option<(&str, Option<&str>, Option<&str>)>| {
            let found = elements(code).map(|e| (e.gtin.unwrap_or_default(), e.lot, e.serial));
            assert_eq!(found, expected, "{code}");
        };
        let gtin = "04006381333931";
        check("(01)04006381333931(10)L-26", Some((gtin, Some("L-26"), None)));
        check("(01)04006381333931(17)261231(10)L-26", Some((gtin, Some("L-26"), None)));
        check("010400638133393117261231", Some((gtin, None, None)));
        check("010400638133393110L-26\u{1d}21S7", Some((gtin, Some("L-26"), Some("S7"))));
        check("]C1010400638133393121S7", Some((gtin, None, Some("S7"))));
        // Weighed: 310n says with how many decimals.
        check("(01)04006381333931(3103)001250(10)L-26", Some((gtin, Some("L-26"), None)));
        check("0104006381333931310300125010L-26", Some((gtin, Some("L-26"), None)));
        check("31030012500104006381333931", Some((gtin, None, None)));
        check("4104006381333931010400638133393121S7", Some((gtin, None, Some("S7"))));
        check("3103001", None);
        // Others: a plain barcode, a code of the company, a number that only begins like one.
        check("4006381333931", None);
        check("A-01-03", None);
        check("01", None);
        check("(10)L-26", None);
        check("(01", None);
        check("01äöüäöüäöü", None);
        check("", None);
    }
}
