//! Finding products by what begins their words.

use std::collections::BTreeSet;

use contracts::ids::ProductId;
use kernel::Result;
use kernel::db::{Tx, insert_all};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
};

use crate::entities::{product, product_word};

/// Most words of one product, and of one search.
const MAX_WORDS: usize = 64;
const MAX_ASKED: usize = 8;

/// The words of a text: runs of letters and digits, in lower case.
fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// What a product is found by: its words, and its SKU and barcode whole.
fn words_of(product: &product::Model) -> BTreeSet<String> {
    let mut found = words(&product.sku);
    found.insert(product.sku.to_lowercase());
    found.extend(words(&product.name));
    found.extend(product.barcode.iter().map(|barcode| barcode.to_lowercase()));
    found.into_iter().take(MAX_WORDS).collect()
}

/// Puts the words of products in the index, instead of those they had.
pub(crate) async fn index(tx: &Tx, products: &[product::Model]) -> Result<()> {
    let ids: Vec<_> = products.iter().map(|row| row.id).collect();
    product_word::Entity::delete_many()
        .filter(product_word::Column::ProductId.is_in(ids))
        .exec(&**tx)
        .await?;
    index_new(tx, products).await
}

/// The same of products that have none yet.
pub(crate) async fn index_new(tx: &Tx, products: &[product::Model]) -> Result<()> {
    let mut rows = Vec::new();
    for row in products {
        for word in words_of(row) {
            let (product_id, word) = (Set(row.id), Set(word.into_bytes()));
            rows.push(product_word::ActiveModel { product_id, word });
        }
    }
    insert_all(&**tx, rows).await?;
    Ok(())
}

/// What is not in the index yet. Word for word the condition of its partial index, which a
/// parameter would keep SQLite from using.
pub(crate) fn to_index() -> Expr {
    Expr::cust("NOT is_indexed")
}

/// Puts products that an older version made in the index, and returns how many there were.
pub(crate) async fn index_more(tx: &Tx, most: u64) -> Result<usize> {
    let products =
        product::Entity::find().filter(to_index()).limit(most).lock_exclusive().all(&**tx).await?;
    if products.is_empty() {
        return Ok(0);
    }
    index(tx, &products).await?;
    let ids: Vec<ProductId> = products.iter().map(|row| row.id).collect();
    product::Entity::update_many()
        .col_expr(product::Column::IsIndexed, Expr::value(true))
        .filter(product::Column::Id.is_in(ids))
        .exec(&**tx)
        .await?;
    Ok(products.len())
}

/// Those of `select` that have, for each word of `text`, a word that begins with it.
pub(crate) fn matching(mut select: Select<product::Entity>, text: &str) -> Select<product::Entity> {
    use product_word::Column;
    for word in words(text).into_iter().take(MAX_ASKED) {
        let from = word.into_bytes();
        let mut to = from.clone();
        // No byte of UTF-8 is this large.
        to.push(0xff);
        let ids = product_word::Entity::find()
            .select_only()
            .column(Column::ProductId)
            .filter(Column::Word.gte(from))
            .filter(Column::Word.lt(to));
        select = select.filter(product::Column::Id.in_subquery(ids.into_query()));
    }
    select
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(words(text).iter().collect::<Vec<_>>(), expected, "{text}");
        };
        check("Oak chair, oiled", &["chair", "oak", "oiled"]);
        check("CHAIR-OAK/4", &["4", "chair", "oak"]);
        check("Größe ÄÖÜ", &["größe", "äöü"]);
        check(" -- ", &[]);
    }
}
