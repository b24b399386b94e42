//! Inserting any number of rows.

use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityName, EntityTrait, IdenStatic, Iterable, Value,
};

use crate::db::batch::MAX_PARAMETERS;
use crate::error::{Error, Result};

/// Inserts rows in one statement; in several only where one could not name all values.
pub async fn insert_all<A: ActiveModelTrait>(
    conn: &impl ConnectionTrait,
    rows: impl IntoIterator<Item = A>,
) -> Result<(), DbErr> {
    let width = <A::Entity as EntityTrait>::Column::iter().count();
    let most = (MAX_PARAMETERS / width).max(1);
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let some: Vec<A> = rows.by_ref().take(most).collect();
        A::Entity::insert_many(some).exec_without_returning(conn).await?;
    }
    Ok(())
}

/// Statements that insert rows, without their tuples: the text, how wide a row is, and the
/// values. All rows have the columns that the first has.
pub(super) fn statements<A: ActiveModelTrait>(
    rows: impl IntoIterator<Item = A>,
) -> Result<Vec<(String, usize, Vec<Value>)>> {
    let mut rows = rows.into_iter().peekable();
    let Some(first) = rows.peek() else { return Ok(Vec::new()) };
    let columns = <A::Entity as EntityTrait>::Column::iter();
    let columns: Vec<_> = columns.filter(|column| !first.get(*column).is_not_set()).collect();
    let table = A::Entity::default().table_name().to_owned();
    let names: Vec<_> = columns.iter().map(|column| format!("\"{}\"", column.as_str())).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ", names.join(", "));
    let mut values = Vec::new();
    for row in rows {
        for column in &columns {
            let value = row.get(*column).into_value();
            let not_set = || Error::internal(format!("{table}.{} is not set", column.as_str()));
            values.push(value.ok_or_else(not_set)?);
        }
    }
    let width = columns.len().max(1);
    let chunks = values.chunks((MAX_PARAMETERS / width).max(1) * width);
    Ok(chunks.map(|chunk| (sql.clone(), width, chunk.to_vec())).collect())
}
