//! The prices of a list: set for whole products at a time, so that a break that is no
//! longer wanted goes with the old set.

use std::collections::BTreeSet;

use chrono::Utc;
use contracts::ids::{PriceListId, ProductId};
use contracts::sales::LineToPrice;
use kernel::date::check_date;
use kernel::db::Tx;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use crate::entities::price;
use crate::error::{Error, LineFault};
use crate::routes::price_lists::PriceList;
use crate::routes::prices::{
    ExplainPrices, ExplainedPrice, ExplainedPrices, ListPrices, NewPrice, Price, PricesToSet,
    WinningPrice,
};
use crate::service::Service;
use crate::service::customers::known_customer;
use crate::service::price_lists;
use crate::service::products::{AskedLine, LinesAt};
use crate::service::quoting::check_line_count;

/// Prices and removals in one request.
const MAX_PRICES: usize = 1000;

impl Service {
    pub(crate) async fn list_prices(
        &self,
        id: PriceListId,
        query: ListPrices,
    ) -> Result<Page<price::Model>> {
        self.price_list(id).await?;
        let mut select = price::Entity::find().filter(price::Column::PriceListId.eq(id));
        if let Some(product_id) = query.product_id {
            select = select.filter(price::Column::ProductId.eq(product_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &price::Model| row.id.uuid();
        fetch(self.db.read(), select, price::Column::Id, id_of, "prices", &request).await
    }

    pub(crate) async fn set_prices(
        &self,
        ctx: &Ctx,
        id: PriceListId,
        request: PricesToSet,
    ) -> Result<Reply> {
        check_prices(&request)?;
        let asked: Vec<_> = request
            .prices
            .iter()
            .map(|price| AskedLine { product_id: price.product_id, quantity: price.min_quantity })
            .collect();
        if !asked.is_empty() {
            // A price may be there before its product is sold, and after.
            let at = LinesAt { list: "prices", quantity: "min_quantity", only_active: false };
            self.products_of(ctx, &asked, at).await?;
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let list = price_lists::lock(&tx, id).await?;
        ctx.check_version(list.version)?;
        let products: BTreeSet<_> = asked
            .iter()
            .map(|line| line.product_id)
            .chain(request.remove_product_ids.iter().copied())
            .collect();
        let before = replace_prices(&tx, id, products, &request.prices).await?;
        let version = list.version + 1;
        let mut row = list.into_active_model();
        row.version = Set(version);
        row.updated_at = Set(tx.now());
        let list = PriceList::from(row.update(&*tx).await?);
        let after: Vec<_> = request.prices.iter().map(Price::from).collect();
        tx.audit("price_list_prices", id.uuid(), Some(&before), Some(&after))?;
        tx.touch("price_list", id.uuid());
        tx.reply(Reply::ok(&list)).await
    }

    pub(crate) async fn explain_prices(&self, request: ExplainPrices) -> Result<ExplainedPrices> {
        check_line_count(request.lines.len())?;
        let on = request.on.unwrap_or_else(|| Utc::now().date_naive());
        check_date(on, "/on")?;
        let customer = known_customer(self.db.read(), request.customer_id).await?;
        let lines: Vec<_> = request
            .lines
            .iter()
            .map(|line| LineToPrice { product_id: line.product_id, quantity: line.quantity.get() })
            .collect();
        let prices = self.price(customer.id, customer.currency, on, &lines).await?;
        let lines = lines
            .into_iter()
            .zip(prices)
            .map(|(line, price)| ExplainedPrice {
                product_id: line.product_id,
                quantity: line.quantity,
                price: price.map(|price| WinningPrice {
                    unit_price: price.unit_price,
                    price_list: price.price_list,
                    min_quantity: price.min_quantity,
                }),
            })
            .collect();
        Ok(ExplainedPrices { lines })
    }
}

/// Puts `prices` in the place of all the list has for `products`; returns what it had.
async fn replace_prices(
    tx: &Tx,
    list: PriceListId,
    products: BTreeSet<ProductId>,
    prices: &[NewPrice],
) -> Result<Vec<Price>> {
    let of_products = price::Column::PriceListId
        .eq(list)
        .and(price::Column::ProductId.is_in(products.iter().copied()));
    let before = price::Entity::find()
        .filter(of_products.clone())
        .order_by_asc(price::Column::Id)
        .all(&**tx)
        .await?;
    price::Entity::delete_many().filter(of_products).exec(&**tx).await?;
    let rows = prices.iter().map(|new| price::ActiveModel {
        id: Set(price::PriceId::new()),
        price_list_id: Set(list),
        product_id: Set(new.product_id),
        min_quantity: Set(new.min_quantity),
        unit_price: Set(new.unit_price),
    });
    if !prices.is_empty() {
        price::Entity::insert_many(rows).exec_without_returning(&**tx).await?;
    }
    Ok(before.into_iter().map(Price::from).collect())
}

/// What is wrong with the request in itself.
fn check_prices(request: &PricesToSet) -> Result<(), Error> {
    let asked = request.prices.len() + request.remove_product_ids.len();
    if asked == 0 {
        return Err(Error::NoPrices);
    }
    if asked > MAX_PRICES {
        return Err(Error::TooManyPrices { max: MAX_PRICES, asked });
    }
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for (index, price) in request.prices.iter().enumerate() {
        let mut fault = |field: &str, code: &'static str, message: &str| {
            let pointer = format!("/prices/{index}{field}");
            faults.push(LineFault { pointer, code, message: message.to_owned() });
        };
        if price.min_quantity.is_negative() {
            fault("/min_quantity", "negative_quantity", "a quantity cannot be negative");
        }
        if !seen.insert((price.product_id, price.min_quantity)) {
            fault("", "duplicate_price", "an earlier price is for the same product and quantity");
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Lines(faults)) }
}

impl From<price::Model> for Price {
    fn from(row: price::Model) -> Self {
        Price {
            product_id: row.product_id,
            min_quantity: row.min_quantity,
            unit_price: row.unit_price,
        }
    }
}

impl From<&NewPrice> for Price {
    fn from(new: &NewPrice) -> Self {
        Price {
            product_id: new.product_id,
            min_quantity: new.min_quantity,
            unit_price: new.unit_price,
        }
    }
}
