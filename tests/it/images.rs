//! What images are built of. Whether an executable holds its own module's migrations alone is
//! asked of the executables themselves, by `infra/images/contents.sh`.

use std::collections::BTreeSet;
use std::process::Command;

use erp::gateway::MODULES;

use crate::boundaries::root;

/// The modules whose crates a build with these features links.
fn modules_in(features: &[&str]) -> BTreeSet<&'static str> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(features)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // Ours have a path; a crate from elsewhere may have a module's name.
    let ours = text.lines().filter(|line| line.contains("/modules/"));
    let names: BTreeSet<_> = ours.filter_map(|line| line.split(' ').next()).collect();
    MODULES.into_iter().filter(|module| names.contains(module)).collect()
}

#[test]
fn a_build_of_one_module_links_no_other() {
    for module in MODULES {
        let found = modules_in(&["--no-default-features", "--features", module]);
        assert_eq!(found, BTreeSet::from([module]));
    }
    let gateway = modules_in(&["--no-default-features", "--features", "gateway"]);
    assert_eq!(gateway, BTreeSet::new());
}

#[test]
fn a_build_of_everything_links_every_module() {
    assert_eq!(modules_in(&[]), BTreeSet::from(MODULES));
}

#[test]
fn images_are_built_with_the_toolchain_of_the_checkout() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).expect("readable");
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.split('"').nth(1).expect("a channel");
    let builder = format!("ARG BUILDER=docker.io/library/rust:{channel}-");
    assert!(read("Dockerfile").contains(&builder), "the Dockerfile does not say {builder}");
}
