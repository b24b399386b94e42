//! What can be wrong in inventory, and what the caller is told.

use kernel::Error as KernelError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the SKU {sku} belongs to another product")]
    SkuTaken { sku: String },
    #[error("the barcode {barcode} belongs to {sku}")]
    BarcodeTaken { barcode: String, sku: String },
    #[error("a unit has at most 6 decimals, not {asked}")]
    TooManyUnitDecimals { asked: u8 },
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::SkuTaken { .. } => {
                KernelError::conflict("sku_taken", &detail).with_field("/sku", "sku_taken", detail)
            }
            Error::BarcodeTaken { .. } => KernelError::conflict("barcode_taken", &detail)
                .with_field("/barcode", "barcode_taken", detail),
            Error::TooManyUnitDecimals { .. } => {
                KernelError::invalid("too_many_unit_decimals", "/unit_decimals", detail)
            }
        }
    }
}
