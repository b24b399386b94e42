//! The endpoints of a module, to be served or to be described.

use actix_web::dev::HttpServiceFactory;
use actix_web::web::ServiceConfig;
use utoipa::openapi::{Components, OpenApi};
use utoipa_actix_web::OpenApiFactory;

/// Where a module puts its endpoints. Only one of two things comes of it: every worker
/// mounts them, and once a process they are described.
pub struct Routes<'a>(Purpose<'a>);

enum Purpose<'a> {
    Serve(&'a mut ServiceConfig),
    Describe(&'a mut OpenApi),
}

impl<'a> Routes<'a> {
    /// Mounts the endpoints.
    pub fn serve(config: &'a mut ServiceConfig) -> Self {
        Routes(Purpose::Serve(config))
    }

    /// Writes down what they are.
    pub(crate) fn describe(spec: &'a mut OpenApi) -> Self {
        Routes(Purpose::Describe(spec))
    }

    /// Adds an endpoint.
    pub fn service<F>(&mut self, endpoint: F) -> &mut Self
    where
        F: HttpServiceFactory + OpenApiFactory + 'static,
    {
        match &mut self.0 {
            Purpose::Serve(config) => {
                config.service(endpoint);
            }
            Purpose::Describe(spec) => {
                spec.paths.merge(endpoint.paths());
                let mut schemas = Vec::new();
                endpoint.schemas(&mut schemas);
                spec.components.get_or_insert_with(Components::new).schemas.extend(schemas);
            }
        }
        self
    }

    /// Adds what the endpoints find in `Data`.
    pub fn app_data<T: 'static>(&mut self, data: T) -> &mut Self {
        if let Purpose::Serve(config) = &mut self.0 {
            config.app_data(data);
        }
        self
    }
}
