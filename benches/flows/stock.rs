//! What there is to sell, and to whom.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Api, Result, text};

const PRODUCTS: usize = 100;
const CUSTOMERS: usize = 50;
/// Of each product: more than any run sells.
const STOCK: &str = "100000000";

/// Ids to draw from.
pub struct Shop {
    pub warehouse: String,
    pub products: Vec<String>,
    pub customers: Vec<String>,
}

/// Products with ample stock, a price list with quantity breaks, customers.
pub async fn seed(api: &Api) -> Result<Arc<Shop>> {
    let balance = api.get("billing/trial-balance").await?;
    let currency = text(&balance["difference"]["currency"])?;
    let body = json!({ "code": "MAIN", "name": "Main warehouse" });
    let warehouse = text(&api.post("inventory/warehouses", &body).await?["id"])?;
    let mut products = Vec::new();
    for i in 0..PRODUCTS {
        let body = json!({
            "sku": format!("SKU-{i:04}"), "name": format!("Product {i}"), "unit": "pcs",
            "tax_class": if i % 10 == 0 { "reduced" } else { "standard" },
        });
        products.push(text(&api.post("inventory/products", &body).await?["id"])?);
    }
    let lines: Vec<Value> = products
        .iter()
        .map(|id| json!({ "product_id": id, "quantity": STOCK, "unit_cost": "1.25" }))
        .collect();
    let body = json!({ "warehouse_id": warehouse, "reason": "opening stock", "lines": lines });
    api.post("inventory/receipts", &body).await?;
    let price_list = seed_prices(api, &currency, &products).await?;
    let mut customers = Vec::new();
    for i in 0..CUSTOMERS {
        let body = json!({
            "name": format!("Customer {i}"), "price_list_id": price_list,
            "billing_address": {
                "line1": "Hauptstrasse 1", "postal_code": "10115", "city": "Berlin", "country": "DE"
            },
        });
        customers.push(text(&api.post("sales/customers", &body).await?["id"])?);
    }
    Ok(Arc::new(Shop { warehouse, products, customers }))
}

async fn seed_prices(api: &Api, currency: &str, products: &[String]) -> Result<String> {
    let body = json!({ "code": "LIST", "name": "List prices", "currency": currency });
    let list = api.post("sales/price-lists", &body).await?;
    let id = text(&list["id"])?;
    let mut prices = Vec::new();
    for (i, product) in products.iter().enumerate() {
        for (min_quantity, percent) in [("1", 100), ("10", 90)] {
            let cents = (200 + i * 37) * percent / 100;
            prices.push(json!({
                "product_id": product, "min_quantity": min_quantity,
                "unit_price": format!("{}.{:02}", cents / 100, cents % 100),
            }));
        }
    }
    let body = json!({ "prices": prices });
    api.put(&format!("sales/price-lists/{id}/prices"), &list["version"], &body).await?;
    Ok(id)
}
