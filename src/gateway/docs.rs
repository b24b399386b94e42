//! The docs page and the specs it shows; works with no network.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, HeaderValue, LOCATION, VARY,
};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use actix_web::{Error as ActixError, HttpResponse};
use flate2::read::GzDecoder;
use kernel::{Error, Module, Result};
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

use crate::gateway::MODULES;
use crate::gateway::serve::{only_read, page};
use crate::spec;

/// The specs to show, by name, `erp` for the whole: of modules here as their handlers say, of the
/// others as they were when this was built. They are written down when somebody first asks.
pub struct Specs {
    modules: Vec<Module>,
    texts: OnceLock<BTreeMap<&'static str, Bytes>>,
}

impl Specs {
    pub fn new(modules: &[Module]) -> Self {
        Specs { modules: modules.to_vec(), texts: OnceLock::new() }
    }

    fn text(&self, name: &str) -> Option<Bytes> {
        self.texts.get_or_init(|| self.write()).get(name).cloned()
    }

    fn write(&self) -> BTreeMap<&'static str, Bytes> {
        let own = spec::specs(&self.modules);
        let whole = MODULES.iter().all(|module| own.contains_key(*module));
        let own = |name: &str| {
            let own = own.get(name).filter(|_| name != "erp" || whole)?;
            Some(spec::with_examples(own.clone()))
        };
        // In the same form, whatever the one of the files.
        let text = |name: &str| own(name).unwrap_or_else(|| spec::built(name)).to_string();
        MODULES.into_iter().chain(["erp"]).map(|name| (name, text(name).into())).collect()
    }
}

/// Adds `/openapi.json`, `/openapi/<module>.json` and `/docs/`.
pub fn configure(cfg: &mut ServiceConfig) {
    let config = Config::new([
        Url::with_primary("erp (all modules)", "/openapi.json", true),
        Url::new("auth", "/openapi/auth.json"),
        Url::new("billing", "/openapi/billing.json"),
        Url::new("inventory", "/openapi/inventory.json"),
        Url::new("orders", "/openapi/orders.json"),
        Url::new("purchasing", "/openapi/purchasing.json"),
        Url::new("sales", "/openapi/sales.json"),
    ])
    .persist_authorization(true)
    .display_operation_id(true)
    .display_request_duration(true)
    .default_models_expand_depth(0)
    .filter(true)
    .try_it_out_enabled(true);
    cfg.service(page("/openapi.json", whole_spec))
        .service(page("/openapi/{module}.json", module_spec))
        .service(page("/docs", docs_redirect))
        .service(
            web::scope("/docs")
                .wrap(from_fn(as_accepted))
                .service(SwaggerUi::new("/{_:.*}").config(config))
                .default_service(web::to(only_read)),
        );
}

/// Pages are kept packed and sent so, but not to who does not take it.
async fn as_accepted(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    // Who sends the answer remembers that nobody wants the body.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let accepts = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let takes_it = accepts.is_some_and(|accepts| accepts.contains("gzip"));
    let mut response = next.call(request).await?.map_into_boxed_body();
    if response.headers().contains_key(CONTENT_ENCODING) {
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if takes_it || !response.headers().contains_key(CONTENT_ENCODING) {
        return Ok(response);
    }
    response.headers_mut().remove(CONTENT_ENCODING);
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let packed = to_bytes(body).await?;
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut unpacked)?;
    Ok(ServiceResponse::new(request, response.set_body(unpacked).map_into_boxed_body()))
}

async fn whole_spec(specs: Data<Specs>) -> Result<HttpResponse> {
    answer(specs, "erp".to_owned()).await
}

async fn module_spec(specs: Data<Specs>, module: Path<String>) -> Result<HttpResponse> {
    answer(specs, module.into_inner()).await
}

async fn docs_redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

async fn answer(specs: Data<Specs>, name: String) -> Result<HttpResponse> {
    let unknown = Error::not_found("spec", &name);
    let text = web::block(move || specs.text(&name)).await.map_err(Error::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(text.ok_or(unknown)?))
}
