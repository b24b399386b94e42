//! Templates, and what makes a product one of their variants.

use std::collections::{BTreeMap, BTreeSet};

use contracts::ids::ProductTemplateId;
use kernel::db::Tx;
use kernel::error::OrConflict;
use kernel::http::Reply;
use kernel::page::{Page, PageRequest, fetch};
use kernel::{Ctx, Result};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

use crate::entities::product_template;
use crate::error::Error;
use crate::routes::product_templates::{
    Attribute, ListProductTemplates, NewProductTemplate, ProductTemplate,
};
use crate::service::Service;

/// Most attributes of a template, and values of one.
const MAX_ATTRIBUTES: usize = 10;
const MAX_VALUES: usize = 200;

impl Service {
    pub(crate) async fn list_product_templates(
        &self,
        query: ListProductTemplates,
    ) -> Result<Page<product_template::Model>> {
        use product_template::{Column, Entity, Model};
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id.uuid();
        let (conn, select) = (self.db.read(), Entity::find());
        fetch(conn, select, Column::Id, id_of, "product_templates", &request).await
    }

    pub(crate) async fn product_template(
        &self,
        id: ProductTemplateId,
    ) -> Result<product_template::Model> {
        let found = product_template::Entity::find_by_id(id).one(self.db.read()).await?;
        found.ok_or_else(|| kernel::Error::not_found("product template", id))
    }

    pub(crate) async fn create_product_template(
        &self,
        ctx: &Ctx,
        new: NewProductTemplate,
    ) -> Result<Reply> {
        check_attributes(&new.attributes)?;
        let mut tx = self.db.begin_once(ctx).await?;
        let code = String::from(new.code);
        let model = product_template::Model {
            id: ProductTemplateId::new(),
            code: code.clone(),
            name: new.name.into(),
            attributes: serde_json::to_string(&new.attributes)?,
            created_at: tx.now(),
        };
        let taken = || Error::TemplateCodeTaken { code }.into();
        let inserted = model.into_active_model().insert(&*tx).await.or_conflict(taken)?;
        let template = ProductTemplate::try_from(inserted)?;
        tx.audit_new("product_template", template.id.uuid(), &template)?;
        let location = format!("/api/v1/inventory/product-templates/{}", template.id);
        tx.reply(Reply::created_plain(&template, location)).await
    }
}

fn check_attributes(attributes: &[Attribute]) -> Result<(), Error> {
    let error = |pointer: String| Err(Error::InvalidAttributes { pointer });
    if attributes.is_empty() || attributes.len() > MAX_ATTRIBUTES {
        return error("/attributes".into());
    }
    let mut names = BTreeSet::new();
    for (i, attribute) in attributes.iter().enumerate() {
        let values: BTreeSet<_> = attribute.values.iter().collect();
        let count = attribute.values.len();
        if count == 0 || count > MAX_VALUES || values.len() < count {
            return error(format!("/attributes/{i}/values"));
        }
        if !names.insert(&attribute.name) {
            return error(format!("/attributes/{i}/name"));
        }
    }
    Ok(())
}

/// What is stored of a variant: which template's, and its options in order. A variant has
/// one value for each attribute of its template, and one that the template knows.
pub(crate) async fn variant(
    tx: &Tx,
    template_id: Option<ProductTemplateId>,
    options: Option<BTreeMap<String, String>>,
) -> Result<Option<String>> {
    let Some(template_id) = template_id else {
        return match options {
            Some(_) => Err(Error::OptionsDoNotFit.into()),
            None => Ok(None),
        };
    };
    let found = product_template::Entity::find_by_id(template_id).one(&**tx).await?;
    let template = ProductTemplate::try_from(found.ok_or(Error::UnknownTemplate)?)?;
    Ok(Some(fitting(&template, options.unwrap_or_default())?))
}

/// What is stored of the options of a variant.
pub(crate) fn fitting(
    template: &ProductTemplate,
    options: BTreeMap<String, String>,
) -> Result<String> {
    let fits = options.len() == template.attributes.len()
        && template.attributes.iter().all(|attribute| {
            let chosen = options.get(&*attribute.name);
            chosen.is_some_and(|chosen| attribute.values.iter().any(|value| **value == *chosen))
        });
    if fits { Ok(serde_json::to_string(&options)?) } else { Err(Error::OptionsDoNotFit.into()) }
}

impl TryFrom<product_template::Model> for ProductTemplate {
    type Error = kernel::Error;

    fn try_from(model: product_template::Model) -> Result<Self> {
        Ok(ProductTemplate {
            id: model.id,
            code: model.code,
            name: model.name,
            attributes: serde_json::from_str(&model.attributes)?,
            created_at: model.created_at,
        })
    }
}
