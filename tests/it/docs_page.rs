//! The docs page in a real browser that reaches nothing but this machine.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use erp::gateway::MODULES;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

use crate::harness::{ADMIN_PASSWORD, Server};

/// chromedriver on a free port, ended when dropped.
pub struct Driver {
    process: Child,
    pub url: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts chromedriver; none if it is not installed, unless it is required.
pub fn driver() -> Option<Driver> {
    if !test_support::available("chromium") {
        return None;
    }
    let spawned = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
    let mut process = spawned.expect("it is installed");
    let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
    let port = lines
        .find_map(|line| {
            let line = line.ok()?;
            let port = line.split("successfully on port ").nth(1)?;
            Some(port.trim_end_matches('.').to_owned())
        })
        .expect("chromedriver says its port");
    Some(Driver { process, url: format!("http://127.0.0.1:{port}") })
}

pub async fn browser(driver: &Driver) -> Client {
    let capabilities = json!({
        "goog:chromeOptions": { "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--window-size=1400,1100",
            // No name resolves: whatever the page wants from elsewhere, it does not get.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        ] }
    });
    let capabilities = capabilities.as_object().expect("an object").clone();
    ClientBuilder::new(hyper_util_connector())
        .capabilities(capabilities)
        .connect(&driver.url)
        .await
        .expect("a browser")
}

fn hyper_util_connector() -> hyper_util::client::legacy::connect::HttpConnector {
    hyper_util::client::legacy::connect::HttpConnector::new()
}

async fn click(browser: &Client, css: &str) {
    let element = find(browser, css).await;
    let script = "arguments[0].scrollIntoView({block: 'center'}); arguments[0].click();";
    browser
        .execute(script, vec![serde_json::to_value(&element).expect("an element")])
        .await
        .unwrap_or_else(|e| panic!("{css}: {e}"));
}

async fn find(browser: &Client, css: &str) -> fantoccini::elements::Element {
    browser
        .wait()
        .at_most(Duration::from_secs(20))
        .for_element(Locator::Css(css))
        .await
        .unwrap_or_else(|e| panic!("{css}: {e}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_packed_for_who_takes_it_so_and_for_nobody_else() {
    let server = Server::start().await;
    let url = format!("{}/docs/swagger-ui-bundle.js", server.api.base);
    let get = async |accepted: &str| {
        let request = reqwest::Client::new().get(&url).header("accept-encoding", accepted);
        let answer = request.send().await.expect("an answer");
        let encoding = answer.headers().get("content-encoding").cloned();
        assert_eq!(answer.headers()["vary"], "accept-encoding");
        (encoding, answer.bytes().await.expect("a body"))
    };
    let (encoding, packed) = get("gzip, br").await;
    assert_eq!(encoding.expect("an encoding"), "gzip");
    let (encoding, plain) = get("identity").await;
    assert_eq!(encoding, None);
    assert!(packed.len() * 2 < plain.len());
    assert!(plain.starts_with(b"/*! For license information"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_calls_an_operation_from_the_docs_page() {
    let Some(driver) = driver() else {
        return;
    };
    let server = Server::start().await;
    let browser = browser(&driver).await;
    browser.goto(&format!("{}/docs", server.api.base)).await.expect("the page opens");

    // Every module can be chosen.
    find(&browser, ".opblock").await;
    let mut choices = Vec::new();
    for option in browser.find_all(Locator::Css("#select option")).await.expect("options") {
        choices.push(option.text().await.expect("a text"));
    }
    for module in MODULES {
        assert!(choices.iter().any(|choice| choice == module), "{module} in {choices:?}");
    }

    // Sign in with name and password.
    click(&browser, ".auth-wrapper .authorize").await;
    find(&browser, "#oauth_username").await.send_keys("admin").await.expect("typed");
    find(&browser, "#oauth_password").await.send_keys(ADMIN_PASSWORD).await.expect("typed");
    let form = ".auth-container:has(#oauth_username)";
    click(&browser, &format!("{form} button.authorize")).await;
    find(&browser, &format!("{form} .auth-btn-wrapper button:not(.authorize)")).await;
    click(&browser, ".dialog-ux .close-modal").await;

    // Call an operation that needs the token.
    let operation = "[id$='-get_me']";
    click(&browser, &format!("{operation} .opblock-summary-control")).await;
    click(&browser, &format!("{operation} .execute")).await;
    let answer = find(&browser, &format!("{operation} .live-responses-table .response")).await;
    let answer = answer.text().await.expect("a text");
    assert!(answer.starts_with("200") && answer.contains("admin"), "{answer}");

    // Nothing came from anywhere else.
    let script = "return performance.getEntriesByType('resource').map(e => e.name)";
    let loaded = browser.execute(script, Vec::new()).await.expect("the list of resources");
    for url in loaded.as_array().expect("a list") {
        let url = url.as_str().expect("a URL");
        assert!(url.starts_with(&server.api.base) || url.starts_with("data:"), "{url}");
    }

    let picture = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("docs-page.png");
    std::fs::write(&picture, browser.screenshot().await.expect("a picture")).expect("written");
    println!("screenshot: {}", picture.display());
    browser.close().await.expect("the browser closes");
    server.stop().await;
}
