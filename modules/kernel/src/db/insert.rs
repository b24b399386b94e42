//! Inserting any number of rows.

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, Iterable};

use crate::db::tx::MAX_PARAMETERS;

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
