//! The routing table as other gateways would be given it. They proxy; tokens, permissions and
//! body limits are checked by the modules in any case.

use std::str::FromStr;

use hyper::http::Uri;
use serde_json::{Value, json};

use crate::config::Config;
use crate::gateway::routes::{Route, Target};

/// Whom Debian and Envoy's own image trust.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

struct Place {
    is_encrypted: bool,
    host: String,
    port: u16,
    path: String,
}

/// Where the requests of a row go: what is mounted here is to be found here.
fn upstreams(config: &Config, row: &Route) -> Result<Vec<Place>, String> {
    let own = [format!("http://{}", config.server.bind)];
    let urls = if row.target == Target::Local { &own[..] } else { &row.upstreams[..] };
    urls.iter()
        .map(|url| {
            let uri = Uri::from_str(url).map_err(|error| format!("{url}: {error}"))?;
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let path = uri.path().trim_end_matches('/').to_owned();
            let is_encrypted = uri.scheme_str() == Some("https");
            let port = uri.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
            Ok(Place { is_encrypted, host, port, path })
        })
        .collect()
}

/// Ocelot's routes (ocelot.json, version 24 and later).
pub fn ocelot(config: &Config, table: &[Route]) -> Result<Value, String> {
    let mut routes = Vec::new();
    for row in table {
        let upstreams = upstreams(config, row)?;
        let Some(Place { path, is_encrypted, .. }) = upstreams.first() else { continue };
        let hosts = upstreams.iter().map(|one| json!({ "Host": one.host, "Port": one.port }));
        let hosts: Vec<Value> = hosts.collect();
        routes.push(json!({
            "Key": row.module,
            "UpstreamPathTemplate": format!("{}/{{everything}}", row.prefix),
            "DownstreamPathTemplate": format!("{path}{}/{{everything}}", row.prefix),
            "DownstreamScheme": if *is_encrypted { "https" } else { "http" },
            "DownstreamHttpVersion": if row.http2 { "2.0" } else { "1.1" },
            "DownstreamHttpVersionPolicy": match is_encrypted {
                true => "RequestVersionOrLower",
                false => "RequestVersionExact",
            },
            "DownstreamHostAndPorts": hosts,
            "LoadBalancerOptions": { "Type": "RoundRobin" },
            "QoSOptions": { "MinimumThroughput": 5, "BreakDuration": 1000,
                "Timeout": row.timeout_s * 1000 },
            "RateLimitOptions": {
                "EnableRateLimiting": row.rate_limit && config.rate_limit.anonymous_per_s > 0,
                "Period": "1s",
                "Limit": config.rate_limit.anonymous_per_s.max(1),
                "StatusCode": 429,
            },
        }));
    }
    Ok(json!({
        "Routes": routes,
        "GlobalConfiguration": { "RequestIdKey": "X-Request-Id" },
    }))
}

/// A whole configuration of Envoy with one listener; it reads JSON as it does YAML.
pub fn envoy(config: &Config, table: &[Route]) -> Result<Value, String> {
    let (mut routes, mut clusters) = (Vec::new(), Vec::new());
    for row in table {
        let upstreams = upstreams(config, row)?;
        let Some(Place { path, .. }) = upstreams.first() else { continue };
        let mut action = json!({
            "cluster": row.module,
            "timeout": format!("{}s", row.timeout_s),
            "idle_timeout": format!("{}s", config.gateway.idle_timeout_s),
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            // Of these nothing has arrived, whatever was asked.
            "retry_policy": { "retry_on": "connect-failure,refused-stream", "num_retries": 2 },
        });
        if !path.is_empty() {
            action["prefix_rewrite"] = json!(format!("{path}{}", row.prefix));
        }
        routes.push(json!({
            "match": { "path_separated_prefix": row.prefix },
            "route": action,
        }));
        clusters.push(cluster(config, row, &upstreams));
    }
    let (host, port) = config.server.bind.rsplit_once(':').unwrap_or(("127.0.0.1", "8080"));
    let port: u16 = port.parse().map_err(|_| format!("server.bind: {port} is no port"))?;
    let remove = [
        "x-erp-actor",
        "x-erp-permissions",
        "x-erp-operation",
        "x-erp-reason",
        "x-erp-causation-id",
        "x-erp-deadline-ms",
        "dapr-app-id",
        "dapr-api-token",
        "forwarded",
    ];
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager\
            .v3.HttpConnectionManager",
        "stat_prefix": "erp",
        "codec_type": "AUTO",
        "use_remote_address": true,
        "normalize_path": true,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "stream_idle_timeout": format!("{}s", config.gateway.idle_timeout_s),
        "route_config": {
            "name": "erp",
            "request_headers_to_remove": remove,
            "virtual_hosts": [{ "name": "erp", "domains": ["*"], "routes": routes }],
        },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
        }],
    });
    Ok(json!({ "static_resources": {
        "listeners": [{
            "name": "erp",
            "address": socket(host.trim_matches(['[', ']']), port),
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }] }],
        }],
        "clusters": clusters,
    } }))
}

fn cluster(config: &Config, row: &Route, upstreams: &[Place]) -> Value {
    let encrypted = upstreams.iter().find(|one| one.is_encrypted);
    let versions = match (row.http2, encrypted) {
        (true, Some(_)) => "auto_config",
        _ => "explicit_http_config",
    };
    let protocols = match (row.http2, encrypted) {
        (true, Some(_)) => json!({ "http_protocol_options": {}, "http2_protocol_options": {} }),
        (true, None) => json!({ "http2_protocol_options": {} }),
        (false, _) => json!({ "http_protocol_options": {} }),
    };
    let endpoints: Vec<Value> = upstreams
        .iter()
        .map(|one| json!({ "endpoint": { "address": socket(&one.host, one.port) } }))
        .collect();
    let mut cluster = json!({
        "name": row.module,
        "type": "STRICT_DNS",
        "lb_policy": "ROUND_ROBIN",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": row.module,
            "endpoints": [{ "lb_endpoints": endpoints }],
        },
        "outlier_detection": {
            "split_external_local_origin_errors": true,
            "consecutive_local_origin_failure": 5,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "base_ejection_time": "0.5s",
            "max_ejection_time": "8s",
            "max_ejection_percent": 100,
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3\
                    .HttpProtocolOptions",
                versions: protocols,
            },
        },
    });
    if let Some(one) = encrypted {
        let own = config.gateway.tls_root_cert.to_string_lossy();
        let authorities = if own.is_empty() { SYSTEM_AUTHORITIES } else { &own };
        cluster["transport_socket"] = json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3\
                    .UpstreamTlsContext",
                "sni": one.host,
                "auto_sni_san_validation": true,
                "common_tls_context": {
                    "validation_context": { "trusted_ca": { "filename": authorities } },
                },
            },
        });
    }
    cluster
}

fn socket(host: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": host, "port_value": port } })
}

/// Rule-based routing of Azure Container Apps: the environment's own gateway sends each prefix
/// to the app whose name its address begins with.
pub fn aca(table: &[Route]) -> Value {
    let rules: Vec<Value> = table
        .iter()
        .map(|row| {
            json!({
                "description": row.module,
                "targets": [{ "containerApp": app(row) }],
                "routes": [{
                    "match": { "pathSeparatedPrefix": row.prefix },
                    "action": { "prefixRewrite": row.prefix },
                }],
            })
        })
        .collect();
    json!({
        "type": "Microsoft.App/managedEnvironments/httpRouteConfigs",
        "apiVersion": "2026-01-01",
        "name": "[format('{0}/erp', parameters('environmentName'))]",
        "properties": { "rules": rules },
    })
}

fn app(row: &Route) -> String {
    let uri = row.upstreams.first().and_then(|url| Uri::from_str(url).ok());
    let host = uri.as_ref().and_then(|uri| uri.host()).unwrap_or_default();
    let name = host.split('.').next().unwrap_or_default();
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase()) && name != "localhost";
    if is_name { name.to_owned() } else { row.module.clone() }
}
