//! A day in a warehouse, by the commands of the docs.

use std::process::Command;

use crate::harness::{ADMIN_PASSWORD, Server};

const DOCS: &str = include_str!("../../../docs/a-day-in-a-warehouse.md");

/// The commands between the words, as somebody would copy them.
fn commands() -> String {
    let blocks = DOCS.split("```sh\n").skip(1);
    blocks.filter_map(|block| Some(block.split_once("```")?.0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_docs_are_a_day() {
    if !test_support::available("curl") || !test_support::available("jq") {
        return;
    }
    let server = Server::start().await;
    let api = format!("{}/api/v1", server.api.base());
    let script = commands();
    let day = tokio::task::spawn_blocking(move || {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &script]);
        bash.env("API", api).env("PASSWORD", ADMIN_PASSWORD).output().expect("bash runs")
    });
    let output = day.await.expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{failed}");
    assert!(said.ends_with("every law holds\n"), "{said}");
    server.assert_invariants().await;
}
