//! How the scalars appear in the API document.

use serde_json::{Value, json};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::id::Id;
use crate::money::{Currency, Money, Percent, UnitPrice, inline_scalars};
use crate::quantity::{PositiveQuantity, Quantity};

enum Product {}
type ProductId = Id<Product>;

#[derive(ToSchema)]
#[allow(dead_code, reason = "only its schema is looked at")]
struct Line {
    /// What is sold
    product_id: ProductId,
    parent_id: Option<ProductId>,
    related_ids: Vec<ProductId>,
    quantity: PositiveQuantity,
    price: UnitPrice,
    discount: Percent,
    currency: Currency,
    total: Money,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only its parameters are looked at")]
struct Filter {
    product_id: Option<ProductId>,
    at_least: Option<Quantity>,
    related_ids: Vec<ProductId>,
}

#[utoipa::path(get, path = "/lines/{id}", params(("id" = ProductId, Path), Filter),
    responses((status = 200, body = Line)))]
#[allow(dead_code, reason = "only its description is looked at")]
fn read_line() {}

#[derive(OpenApi)]
#[openapi(paths(read_line))]
struct Api;

fn document() -> Value {
    let mut document = json!(Api::openapi());
    inline_scalars(&mut document);
    document
}

#[test]
fn no_scalar_is_a_component_and_no_reference_dangles() {
    let document = document();
    let components = document["components"]["schemas"].as_object().unwrap();
    assert_eq!(components.keys().collect::<Vec<_>>(), ["Line", "Money"]);
    let text = document.to_string();
    let references: Vec<&str> = text.split("\"$ref\":\"#/components/schemas/").skip(1).collect();
    assert_eq!(references.len(), 2);
    for reference in references {
        let name = reference.split('"').next().unwrap();
        assert!(components.contains_key(name), "{name}");
    }
}

#[test]
fn a_scalar_is_spelled_out_wherever_it_occurs() {
    let document = document();
    let uuid = json!({"type": "string", "format": "uuid"});
    let operation = &document["paths"]["/lines/{id}"]["get"];
    let parameters = operation["parameters"].as_array().unwrap();
    let parameter = |name: &str| {
        let found = parameters.iter().find(|each| each["name"] == name);
        &found.unwrap()["schema"]
    };
    assert_eq!(parameter("id"), &uuid);
    assert_eq!(parameter("product_id"), &uuid);
    assert_eq!(parameter("related_ids")["items"], uuid);
    assert_eq!(parameter("at_least")["maxLength"], 17);

    let line = &document["components"]["schemas"]["Line"]["properties"];
    assert_eq!(
        line["product_id"],
        json!({"type": "string", "format": "uuid", "description": "What is sold"})
    );
    assert_eq!(line["parent_id"]["oneOf"][0], uuid);
    assert_eq!(line["related_ids"]["items"], uuid);
    assert_eq!(line["currency"]["pattern"], "^[A-Z]{3}$");
    assert_eq!(line["price"]["examples"], json!(["12.50"]));
}

#[test]
fn money_is_a_closed_object_of_text_and_code() {
    let money = &document()["components"]["schemas"]["Money"];
    assert_eq!(money["type"], "object");
    assert_eq!(money["required"], json!(["amount", "currency"]));
    assert_eq!(money["additionalProperties"], json!(false));
    assert_eq!(money["examples"], json!([{"amount": "12.34", "currency": "EUR"}]));
    let properties = money["properties"].as_object().unwrap();
    assert_eq!(properties["amount"]["type"], "string");
    assert!(money.to_string().contains("^[A-Z]{3}$"), "{money}");
}
