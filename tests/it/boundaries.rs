//! The structure, held to what ARCHITECTURE.md says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use contracts::events::{SUBSCRIPTIONS, TYPES};
use erp::gateway::MODULES;
use erp::registry::CALLS;
use serde_json::Value;

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Crates of the workspace that depend on a crate they must not know.
fn forbidden_dependencies(manifest: &Path) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut found = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let allowed: &[&str] = match name {
            "erp" => continue,
            "kernel" => &[],
            "contracts" | "test-support" => &["kernel"],
            _ => &["kernel", "contracts"],
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            if dependency["name"] == "test-support" && dependency["kind"] == "dev" {
                continue;
            }
            let dependency = dependency["name"].as_str().expect("a name");
            if names.contains(dependency) && !allowed.contains(&dependency) {
                found.push(format!("{name} -> {dependency}"));
            }
        }
    }
    found
}

#[test]
fn modules_know_only_the_kernel_and_the_contracts() {
    assert_eq!(forbidden_dependencies(&root().join("Cargo.toml")), Vec::<String>::new());
}

#[test]
fn a_module_that_depends_on_a_sibling_is_found() {
    let bad = root().join("tests/fixtures/bad_boundary/Cargo.toml");
    assert_eq!(forbidden_dependencies(&bad), ["orders -> sales"]);
}

#[test]
fn only_the_registry_asks_what_is_compiled_in() {
    let mut asking = Vec::new();
    for dir in ["src", "modules"] {
        for file in rust_files(&root().join(dir)) {
            let text = std::fs::read_to_string(&file).expect("readable");
            if text.contains("cfg(feature") {
                asking.push(file.strip_prefix(root()).expect("inside").to_owned());
            }
        }
    }
    assert_eq!(asking, [PathBuf::from("src/registry.rs")]);
}

/// The contracts each module is given, read from its `Deps`.
fn calls_in_source() -> BTreeMap<String, BTreeSet<String>> {
    let mut calls = BTreeMap::new();
    for module in MODULES {
        let lib = root().join(format!("modules/{module}/src/lib.rs"));
        let text = std::fs::read_to_string(lib).expect("readable");
        let deps = text.split("pub struct Deps {").nth(1).expect("a Deps struct");
        let deps = deps.split('}').next().expect("its end");
        let called: BTreeSet<_> = deps
            .split("Arc<dyn ")
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap_or_default().to_ascii_lowercase())
            .collect();
        if !called.is_empty() {
            calls.insert(module.to_owned(), called);
        }
    }
    calls
}

#[test]
fn the_call_graph_is_as_recorded_and_has_no_cycle() {
    let source = calls_in_source();
    let recorded: BTreeMap<String, BTreeSet<String>> = CALLS
        .iter()
        .map(|(from, to)| ((*from).to_owned(), to.iter().map(ToString::to_string).collect()))
        .collect();
    assert_eq!(source, recorded, "registry::CALLS against the modules' Deps");

    let mut text = String::new();
    for (from, to) in &source {
        let to: Vec<_> = to.iter().map(String::as_str).collect();
        text += &format!("{from} -> {}\n", to.join(", "));
    }
    assert_snapshot("calls.txt", &text);
    assert!(is_acyclic(&source));
}

#[test]
fn a_cycle_of_calls_is_found() {
    let edge = |to: &str| BTreeSet::from([to.to_owned()]);
    let cyclic = BTreeMap::from([("a".to_owned(), edge("b")), ("b".to_owned(), edge("a"))]);
    assert!(!is_acyclic(&cyclic));
}

/// Takes away, again and again, what calls nothing that is left.
fn is_acyclic(calls: &BTreeMap<String, BTreeSet<String>>) -> bool {
    let mut left = calls.clone();
    loop {
        let leaf = left.iter().find(|(_, to)| !to.iter().any(|t| left.contains_key(t)));
        match leaf.map(|(from, _)| from.clone()) {
            Some(from) => left.remove(&from),
            None => return left.is_empty(),
        };
    }
}

#[test]
fn who_hears_what_is_as_recorded() {
    let mut lines: Vec<_> = SUBSCRIPTIONS
        .iter()
        .map(|(event, subscribers)| format!("{event} -> {}\n", subscribers.join(", ")))
        .collect();
    lines.sort();
    assert_snapshot("subscriptions.txt", &lines.concat());
}

#[test]
fn every_subscriber_handles_what_it_hears() {
    for (event, subscribers) in SUBSCRIPTIONS {
        let name = event_type_name(event);
        for subscriber in *subscribers {
            let file = root().join(format!("modules/{subscriber}/src/events.rs"));
            let text = std::fs::read_to_string(&file).expect("readable");
            assert!(text.contains(&format!("{name}::TYPE")), "{subscriber} ignores {event}");
        }
    }
}

/// The Rust type of an event, found in the contracts by its name.
fn event_type_name(event: &str) -> String {
    for file in rust_files(&root().join("modules/contracts/src/events")) {
        let text = std::fs::read_to_string(&file).expect("readable");
        let Some(before) = text.split(&format!("\"{event}\"")).next().filter(|b| *b != text) else {
            continue;
        };
        let implementation = before.rsplit("impl EventData for ").next().expect("an impl");
        return implementation.split_whitespace().next().expect("a name").to_owned();
    }
    panic!("{event} is nowhere in the contracts")
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn assert_snapshot(name: &str, text: &str) {
    assert_file(&format!("tests/snapshots/{name}"), text);
}

/// Compares with a checked-in file; `ERP_UPDATE=1` writes it instead.
pub fn assert_file(path: &str, text: &str) {
    let file = root().join(path);
    if std::env::var_os("ERP_UPDATE").is_some() {
        std::fs::write(&file, text).expect("writable");
    }
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(recorded == text, "{path} differs; ERP_UPDATE=1 writes it anew\n{text}");
}

#[test]
fn whoever_is_told_of_events_can_ask_for_each() {
    let mut types = Vec::new();
    for name in MODULES.into_iter().chain(["contracts"]) {
        for file in rust_files(&root().join("modules").join(name).join("src")) {
            let text = std::fs::read_to_string(&file).expect("readable");
            let named = text.split("const TYPE: &'static str = \"").skip(1);
            types.extend(named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
    types.sort();
    assert_eq!(types, TYPES);
}

/// Tests a document names that are nowhere: each as ``it::file::test``, or with the name of a
/// module's crate in front.
fn missing_tests(text: &str) -> Vec<String> {
    let is_path = |text: &&str| {
        text.contains("::") && text.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c))
    };
    let names = text.split('`').skip(1).step_by(2).filter(is_path);
    names.filter(|name| !is_a_test(name)).map(ToOwned::to_owned).collect()
}

fn is_a_test(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    let [first, path @ .., test] = parts.as_slice() else { return false };
    let dir = match *first {
        "it" => root().join("tests/it"),
        name => root().join("modules").join(name).join("src"),
    };
    let file = path.iter().fold(dir, |dir, part| dir.join(part));
    let candidates = [file.with_extension("rs"), file.join("mod.rs")];
    let declared = format!("fn {test}(");
    candidates.iter().filter_map(|file| std::fs::read_to_string(file).ok()).any(|text| {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.windows(2).any(|pair| pair[0].ends_with("test]") && pair[1].contains(&declared))
            || lines
                .windows(2)
                .any(|pair| pair[0].starts_with("#[tokio::test(") && pair[1].contains(&declared))
    })
}

#[test]
fn every_test_that_the_docs_name_exists() {
    for (document, least) in [("access.md", 50), ("inventory.md", 30)] {
        let text = std::fs::read_to_string(root().join("docs").join(document)).expect("readable");
        assert_eq!(missing_tests(&text), Vec::<String>::new(), "{document}");
        let named = text.matches("`it::").count();
        assert!(named > least, "{document}: {named}");
    }
}

#[test]
fn a_test_that_is_nowhere_is_found() {
    let text = "`it::auth::nothing_like_that`, `it::boundaries::a_test_that_is_nowhere_is_found` \
                `it::boundaries::is_a_test` and `auth::tests::laws::nor_that`, not `a::b/{id}`";
    let missing =
        ["it::auth::nothing_like_that", "it::boundaries::is_a_test", "auth::tests::laws::nor_that"];
    assert_eq!(missing_tests(text), missing);
}
