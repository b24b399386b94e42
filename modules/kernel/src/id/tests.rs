//! What a typed key promises as text, in JSON, in the API document and as a database column.

use super::{Id, ParseIdError};

pub enum Product {}
pub type ProductId = Id<Product>;

const TEXT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn check(text: &str, accepted: bool) {
    assert_eq!(text.parse::<ProductId>().is_ok(), accepted, "{text:?}");
    let json = serde_json::Value::from(text);
    let read = serde_json::from_value::<ProductId>(json);
    assert_eq!(read.is_ok(), accepted, "{text:?} as JSON");
}

#[test]
fn only_the_hyphenated_form_of_any_uuid_version_is_read() {
    check(TEXT, true);
    check(&TEXT.to_uppercase(), true);
    check("00000000-0000-0000-0000-000000000000", true);
    check("9f4e2d6c-3b1a-4c5d-8e7f-0a1b2c3d4e5f", true);
    check("", false);
    check("42", false);
    check(&TEXT.replace('-', ""), false);
    check(&format!("{{{TEXT}}}"), false);
    check(&format!("urn:uuid:{TEXT}"), false);
    check(&format!("{TEXT}\n"), false);
    check(&TEXT.replace('a', "g"), false);
    check(&TEXT.replace("01", "é"), false);
}

#[test]
fn an_id_is_its_uuid_in_text_json_and_debug() {
    let id: ProductId = TEXT.parse().unwrap();
    assert_eq!(id.to_string(), TEXT);
    assert_eq!(format!("{id:?}"), TEXT);
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{TEXT}\""));
    assert_eq!(ProductId::from_uuid(id.uuid()), id);
}

#[test]
fn a_refusal_says_how_an_id_is_written() {
    let refused = serde_json::from_str::<ProductId>("\"42\"").unwrap_err();
    assert!(refused.to_string().contains(&ParseIdError.to_string()), "{refused}");
    let number = serde_json::from_str::<ProductId>("42").unwrap_err();
    assert!(number.to_string().contains("expected a string"), "{number}");
}

#[test]
fn new_ids_are_version_seven_and_ascend() {
    let ids: Vec<ProductId> = (0..100).map(|_| ProductId::new()).collect();
    assert!(ids.iter().all(|id| id.uuid().get_version_num() == 7));
    assert!(ids.is_sorted());
}

mod product {
    use super::ProductId;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "product")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ProductId,
        pub parent_id: Option<ProductId>,
        pub replaces_id: ProductId,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod bundle_item {
    use super::ProductId;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "bundle_item")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub bundle_id: ProductId,
        #[sea_orm(primary_key, auto_increment = false)]
        pub product_id: ProductId,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn an_id_works_as_primary_key_and_as_column() {
    use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};

    let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
    let schema = sea_orm::Schema::new(db.get_database_backend());
    for table in [
        schema.create_table_from_entity(product::Entity),
        schema.create_table_from_entity(bundle_item::Entity),
    ] {
        db.execute(&table).await.unwrap();
    }

    let (child, parent) = (ProductId::new(), ProductId::new());
    for (id, parent_id) in [(parent, None), (child, Some(parent))] {
        let row = product::ActiveModel {
            id: Set(id),
            parent_id: Set(parent_id),
            replaces_id: Set(parent),
        };
        let stored = row.insert(&db).await.unwrap();
        let found = product::Entity::find_by_id(id).one(&db).await.unwrap();
        assert_eq!(found.as_ref(), Some(&stored));
        assert_eq!(stored.parent_id, parent_id);
        assert_eq!(stored.replaces_id, parent);
    }

    let children = product::Entity::find()
        .filter(product::Column::ParentId.eq(parent))
        .filter(product::Column::Id.is_in([parent, child]))
        .all(&db)
        .await
        .unwrap();
    assert_eq!(children.iter().map(|row| row.id).collect::<Vec<_>>(), [child]);

    let item = bundle_item::Model { bundle_id: parent, product_id: child };
    bundle_item::Entity::insert(bundle_item::ActiveModel::from(item.clone()))
        .exec(&db)
        .await
        .unwrap();
    let found = bundle_item::Entity::find_by_id((parent, child)).one(&db).await;
    assert_eq!(found.unwrap(), Some(item));

    let none = product::Entity::find_by_id(ProductId::new()).one(&db).await;
    assert_eq!(none.unwrap(), None);
}
