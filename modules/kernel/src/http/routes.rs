//! The endpoints of a module, to be served or to be described.

use actix_web::dev::HttpServiceFactory;
use actix_web::web::ServiceConfig;
use utoipa::openapi::{Components, OpenApi, PathItem};
use utoipa_actix_web::OpenApiFactory;

/// Where a module puts its endpoints. Only one of three things comes of it: every worker
/// mounts them, once a process what guards them is read, and documents describe them.
pub struct Routes<'a>(Purpose<'a>);

enum Purpose<'a> {
    Serve(&'a mut ServiceConfig),
    Read(&'a mut dyn FnMut(String, PathItem)),
    Describe(&'a mut OpenApi),
}

impl<'a> Routes<'a> {
    /// Mounts the endpoints.
    pub fn serve(config: &'a mut ServiceConfig) -> Self {
        Routes(Purpose::Serve(config))
    }

    /// Shows one after the other: a whole document takes megabytes.
    pub(crate) fn read(each: &'a mut dyn FnMut(String, PathItem)) -> Self {
        Routes(Purpose::Read(each))
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
            Purpose::Read(each) => {
                endpoint.paths().paths.into_iter().for_each(|(path, item)| each(path, item));
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
