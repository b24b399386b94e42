//! The hashes of issued documents, as billing computes them. Should the two ever differ, law
//! B-8 counts a million violations.

use chrono::NaiveDate;
use kernel::money::{Percent, UnitPrice};
use kernel::quantity::Quantity;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

#[derive(Serialize)]
pub struct InvoiceContent<'a> {
    pub id: Uuid,
    pub number: &'a str,
    pub issued_on: NaiveDate,
    pub due_on: NaiveDate,
    pub order_id: Uuid,
    pub order_number: &'a str,
    pub shipment_id: Uuid,
    pub shipment_number: &'a str,
    pub shipped_on: NaiveDate,
    pub customer_id: Uuid,
    pub customer: &'a str,
    pub payment_terms_days: i64,
    pub currency: &'a str,
    pub prices_include_tax: bool,
    pub rounding_mode: &'a str,
    pub rounding: &'a str,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub lines: Vec<InvoiceLineContent<'a>>,
}

#[derive(Serialize)]
pub struct InvoiceLineContent<'a> {
    pub id: Uuid,
    pub position: u64,
    pub order_line_id: Uuid,
    pub product_id: Uuid,
    pub sku: String,
    pub name: String,
    pub unit: &'a str,
    pub quantity: Quantity,
    pub unit_price: UnitPrice,
    pub discount: Percent,
    pub tax_class: &'a str,
    pub tax_rate: Percent,
    pub net_minor: i64,
    pub tax_minor: i64,
}

#[derive(Serialize)]
pub struct CreditNoteContent<'a> {
    pub id: Uuid,
    pub number: &'a str,
    pub issued_on: NaiveDate,
    pub invoice_id: Uuid,
    pub invoice_number: &'a str,
    pub order_id: Uuid,
    pub order_number: &'a str,
    pub customer_id: Uuid,
    pub customer: &'a str,
    pub reason: &'a str,
    pub currency: &'a str,
    pub prices_include_tax: bool,
    pub rounding_mode: &'a str,
    pub net_minor: i64,
    pub tax_minor: i64,
    pub total_minor: i64,
    pub applied_minor: i64,
    pub lines: Vec<CreditNoteLineContent>,
}

#[derive(Serialize)]
pub struct CreditNoteLineContent {
    pub id: Uuid,
    pub position: u64,
    pub invoice_line_id: Uuid,
    pub quantity: Quantity,
    pub net_minor: i64,
    pub tax_minor: i64,
}

pub fn seal(prev_hash: &str, content: &impl Serialize) -> Result<String, String> {
    let content = serde_json::to_vec(content).map_err(|e| e.to_string())?;
    let digest = Sha256::new().chain_update(prev_hash).chain_update(content).finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
