//! The table changes without a restart, and without a request lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use erp::config::{Config, Overrides};
use reqwest::{Client, Method};
use serde_json::Value;
use uuid::Uuid;

use super::upstream::Upstream;
use super::{eventually, problem};
use crate::crash::Process;

fn write(file: &Path, url: &str, more: &str) {
    let text = format!(
        "modules = []\n[server]\nbind = \"127.0.0.1:0\"\nworkers = 1\nshutdown_timeout_s = 1\n\
         [data]\ndir = \"{}\"\n[rate_limit]\nanonymous_per_s = 0\n[telemetry]\nlevel = \"off\"\nmetrics = true\n\
         [gateway.routes.test]\nprefix = \"/test\"\nurl = \"{url}\"\ntoken = false\n{more}",
        file.with_extension("data").display()
    );
    // Whole at once, as whoever changes a running process's settings should.
    let new = file.with_extension("new");
    std::fs::write(&new, text).expect("written");
    std::fs::rename(new, file).expect("renamed");
}

async fn figure(client: &Client, base: &str, line: &str) -> u64 {
    let text = client.get(format!("{base}/metrics")).send().await.expect("an answer");
    let text = text.text().await.expect("text");
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.map_or(0, |value| value.trim().parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_read_again_and_a_wrong_one_refused() {
    let file: PathBuf = std::env::temp_dir().join(format!("erp-reload-{}.toml", Uuid::now_v7()));
    let (one, other) = (Upstream::start().await, Upstream::start().await);
    write(&file, &one.url, "");
    let overrides = Overrides { file: Some(file.clone()), ..Overrides::default() };
    let config = Config::read(&overrides).expect("right");
    let running = erp::start(config).await.expect("it starts");
    let base = format!("http://{}", running.address);
    let client = Client::new();
    let at = async || {
        let answer = client.get(format!("{base}/test/echo")).send().await.expect("an answer");
        answer.json::<Value>().await.expect("JSON")["at"].as_str().expect("text").to_owned()
    };
    assert_eq!(at().await, one.address.to_string());

    // Callers who go on all the while, and one who waits for the upstream that goes.
    let (done, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (client, base) = (client.clone(), base.clone());
            let (done, failed) = (done.clone(), failed.clone());
            tokio::spawn(async move {
                let mut asked = 0;
                while !done.load(Ordering::SeqCst) {
                    let answer = client.post(format!("{base}/test/echo")).body("x").send().await;
                    let is_good = answer.is_ok_and(|answer| answer.status() == 200);
                    failed.fetch_add(usize::from(!is_good), Ordering::SeqCst);
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    let before = one.seen.requests();
    let waiting = tokio::spawn(client.get(format!("{base}/test/wait")).send());
    eventually("it waits", async || one.seen.requests() > before).await;

    write(&file, &other.url, "");
    eventually("the other is asked", async || at().await == other.address.to_string()).await;
    one.seen.go.notify_waiters();
    eventually("the one that waited is answered", async || {
        one.seen.go.notify_waiters();
        waiting.is_finished()
    })
    .await;
    assert_eq!(waiting.await.expect("ended").expect("an answer").status(), 200);
    assert_eq!(figure(&client, &base, "erp_gateway_reloads_total{result=\"taken\"}").await, 1);

    // Wrong in various ways: the table stays.
    let refused = "erp_gateway_reloads_total{result=\"refused\"}";
    let wrong = [
        "timeout_s = 0\n",
        "no_such_key = 1\n",
        "[gateway.routes.more]\nprefix = \"/test\"\nurl = \"http://127.0.0.1:1\"\n",
        "this is no TOML",
    ];
    for (i, more) in wrong.iter().enumerate() {
        write(&file, &one.url, more);
        eventually("it is refused", async || figure(&client, &base, refused).await == i as u64 + 1)
            .await;
        assert_eq!(at().await, other.address.to_string(), "{more}");
    }
    // And is taken when it is right.
    let more = "[gateway.routes.more]\nprefix = \"/more\"\nurl = \"http://127.0.0.1:1\"\n";
    write(&file, &one.url, more);
    eventually("the one is asked again", async || at().await == one.address.to_string()).await;
    let request = client.request(Method::GET, format!("{base}/more/x"));
    problem(request.send().await.expect("an answer"), 401, "token_required").await;

    done.store(true, Ordering::SeqCst);
    for caller in callers {
        assert!(caller.await.expect("ended") > 0);
    }
    assert_eq!(failed.load(Ordering::SeqCst), 0);
    running.stop().await;
    std::fs::remove_file(&file).expect("removed");
    let _ = std::fs::remove_dir_all(file.with_extension("data"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_to_reads_its_settings_again() {
    let dir: PathBuf = std::env::temp_dir().join(format!("erp-hangup-{}", Uuid::now_v7()));
    let variables = [
        ("ERP__TELEMETRY__METRICS", "true"),
        ("ERP__RATE_LIMIT__ANONYMOUS_PER_S", "0"),
        ("ERP__MODULES", "[]"),
    ];
    let process = Process::start_with(&dir, &variables);
    let client = Client::new();
    let taken = "erp_gateway_reloads_total{result=\"taken\"}";
    assert_eq!(figure(&client, &process.base, taken).await, 0);
    // Not the end of it, as it is of a process that does not listen.
    process.signal("-HUP");
    eventually("it is read", async || figure(&client, &process.base, taken).await == 1).await;
    process.signal("-HUP");
    eventually("and again", async || figure(&client, &process.base, taken).await == 2).await;
    process.stop().await;
    let _ = std::fs::remove_dir_all(dir);
}
