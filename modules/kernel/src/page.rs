//! Keyset paging: a page, and an opaque cursor to the next.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::error::{Error, Result};

/// How many rows a page holds: 1 to 200, 50 when not said.
#[derive(Clone, Copy, Debug)]
pub struct Limit(u16);

impl Limit {
    const DEFAULT: u16 = 50;
    const MAX: u16 = 200;
    /// What is read at once where all pages are wanted: no caller can ask for it.
    pub const LARGEST: Limit = Limit(5000);

    /// As a number of rows.
    pub fn rows(self) -> usize {
        self.0.into()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Limit(Limit::DEFAULT)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            n @ 1..=Limit::MAX => Ok(Limit(n)),
            n => Err(serde::de::Error::custom(format!("must be 1 to {}, is {n}", Limit::MAX))),
        }
    }
}

impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Integer))
            .minimum(Some(1))
            .maximum(Some(Limit::MAX))
            .default(Some(Limit::DEFAULT.into()))
            .into()
    }
}

impl ToSchema for Limit {}

/// The order of a list. Ids are made in the order of time, so they are the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Sort {
    /// Newest first.
    #[default]
    #[serde(rename = "-created_at")]
    NewestFirst,
    /// Oldest first.
    #[serde(rename = "created_at")]
    OldestFirst,
}

/// Where the next page begins. Opaque: what it holds may change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, max_length = 64, example = "AZNrLl1cehCPXjwfnzuKEXo8")]
pub struct Cursor(String);

impl Cursor {
    fn after(id: Uuid, list: &str, sort: Sort) -> Self {
        let mut bytes = id.as_bytes().to_vec();
        bytes.extend(Self::checksum(id, list, sort));
        Cursor(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The id it stands after, if it was made for `list` in this order.
    fn read(&self, list: &str, sort: Sort) -> Result<Uuid> {
        BASE64_URL_SAFE_NO_PAD
            .decode(&self.0)
            .ok()
            .filter(|bytes| bytes.len() == 20)
            .and_then(|bytes| Some((Uuid::from_slice(&bytes[..16]).ok()?, bytes)))
            .filter(|(id, bytes)| bytes[16..] == Self::checksum(*id, list, sort))
            .map(|(id, _)| id)
            .ok_or_else(invalid_cursor)
    }

    /// Not a secret, only a guard against cursors of other lists, those of the other order, and
    /// typing errors: a cursor grants nothing that its holder could not list anyway.
    fn checksum(id: Uuid, list: &str, sort: Sort) -> [u8; 4] {
        let digest =
            Sha256::new().chain_update(list).chain_update([sort as u8]).chain_update(id).finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

/// The refusal of a cursor that is not one of the list.
pub fn invalid_cursor() -> Error {
    let detail = "the cursor is not one this list gave";
    Error::bad_request("invalid_cursor", detail).with_field("?cursor", "invalid_cursor", detail)
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    pub page: PageInfo,
}

/// Whether and where a list goes on.
#[derive(Debug, Serialize, ToSchema)]
pub struct PageInfo {
    /// Give it back as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page of rows that were read by hand: those after [`PageRequest::after`] in the order
    /// of their ids, one more than [`Limit::rows`] if there are.
    pub fn cut(
        mut data: Vec<T>,
        id_of: impl Fn(&T) -> Uuid,
        list: &str,
        request: &PageRequest,
    ) -> Self {
        let has_more = data.len() > request.limit.rows();
        data.truncate(request.limit.rows());
        let last = data.last().filter(|_| has_more);
        let next_cursor = last.map(|row| Cursor::after(id_of(row), list, request.sort));
        Page { data, page: PageInfo { next_cursor, has_more } }
    }

    /// The same page with every row converted.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(f).collect(), page: self.page }
    }
}

/// What a list was asked for.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    pub sort: Sort,
}

impl PageRequest {
    /// The id that the page begins after, if it is not the first.
    pub fn after(&self, list: &str) -> Result<Option<Uuid>> {
        self.cursor.as_ref().map(|cursor| cursor.read(list, self.sort)).transpose()
    }
}

/// Fetches one page of `select`, keyed by `key` (a UUIDv7 column). `list` names the
/// list, so that a cursor of another one is refused.
pub async fn fetch<E, M, C>(
    conn: &C,
    select: Select<E>,
    key: E::Column,
    id_of: impl Fn(&M) -> Uuid,
    list: &str,
    request: &PageRequest,
) -> Result<Page<M>>
where
    E: EntityTrait<Model = M>,
    M: FromQueryResult + Sized + Send + Sync,
    C: ConnectionTrait,
{
    let order = match request.sort {
        Sort::NewestFirst => Order::Desc,
        Sort::OldestFirst => Order::Asc,
    };
    let mut keys = select.select_only().column(key).order_by(key, order.clone());
    if let Some(after) = request.after(list)? {
        keys = match request.sort {
            Sort::NewestFirst => keys.filter(key.lt(after)),
            Sort::OldestFirst => keys.filter(key.gt(after)),
        };
    }
    // One row more than asked for tells whether there is another page.
    let keys = keys.limit(request.limit.rows() as u64 + 1).into_query();
    // First the keys, then their rows. An index that begins with what the list is filtered by
    // and ends with the key answers the inner part by itself, which makes it cheaper than going
    // through the table by its key until enough rows match: what PostgreSQL would do
    // otherwise, and without end where what matches is rare or long past.
    let rows = E::find().filter(key.in_subquery(keys)).order_by(key, order);
    Ok(Page::cut(rows.all(conn).await?, id_of, list, request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_refused_when_changed_or_of_another_list_or_order() {
        let id = Uuid::now_v7();
        let sort = Sort::NewestFirst;
        let cursor = Cursor::after(id, "products", sort);
        assert_eq!(cursor.read("products", sort).expect("its own list"), id);
        let refused = |cursor: &Cursor, list, sort| {
            assert_eq!(cursor.read(list, sort).expect_err("refused").code(), "invalid_cursor");
        };
        refused(&cursor, "orders", sort);
        refused(&cursor, "products", Sort::OldestFirst);
        let mut text = cursor.0.clone();
        text.replace_range(0..1, if text.starts_with('A') { "B" } else { "A" });
        refused(&Cursor(text), "products", sort);
        refused(&Cursor("%%%".into()), "products", sort);
    }
}
