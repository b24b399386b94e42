//! Real Dapr sidecars: a `daprd` beside each process, with pub/sub on a Redis of their own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use test_support::{REDIS_PASSWORD, Redis};
use uuid::Uuid;

use crate::topology::free_ports;

/// Sidecars, and what they share. They end when dropped.
pub struct Daprd {
    dir: PathBuf,
    sidecars: Vec<(Child, SocketAddr)>,
    _redis: Redis,
}

/// As `daprd --version` says it.
pub fn version() -> String {
    let output = Command::new("daprd").arg("--version").output().expect("daprd runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl Daprd {
    pub fn new() -> Daprd {
        let redis = Redis::start().expect("Redis is installed");
        let dir = std::env::temp_dir().join(format!("erp-daprd-{}", Uuid::now_v7()));
        std::fs::create_dir_all(dir.join("components")).expect("a directory");
        let url = redis.url();
        let host = url.rsplit(['@', '/']).find(|part| part.contains(':')).expect("an address");
        let component = format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: pubsub}}\nspec:\n  \
             type: pubsub.redis\n  version: v1\n  metadata:\n  \
             - {{name: redisHost, value: \"{host}\"}}\n  \
             - {{name: redisPassword, value: \"{REDIS_PASSWORD}\"}}\n  \
             - {{name: processingTimeout, value: \"5s\"}}\n  \
             - {{name: redeliverInterval, value: \"1s\"}}\n"
        );
        std::fs::write(dir.join("components/pubsub.yaml"), component).expect("written");
        Daprd { dir, sidecars: Vec::new(), _redis: redis }
    }

    /// Puts a sidecar beside the app that listens there, or soon will; where its API is.
    pub fn attach(&mut self, app_id: &str, app: SocketAddr) -> SocketAddr {
        let ports = free_ports(4);
        let log = std::fs::File::create(self.dir.join(format!("{app_id}.log"))).expect("a file");
        let child = Command::new("daprd")
            .args(["--app-id", app_id, "--app-port", &app.port().to_string()])
            .args(["--app-protocol", "http", "--app-channel-address", "127.0.0.1"])
            .args(["--dapr-listen-addresses", "127.0.0.1"])
            .args(["--dapr-http-port", &ports[0].to_string()])
            .args(["--dapr-grpc-port", &ports[1].to_string()])
            .args(["--dapr-internal-grpc-port", &ports[2].to_string()])
            .args(["--enable-metrics=false", "--metrics-port", &ports[3].to_string()])
            .args(["--log-level", "warn", "--resources-path"])
            .arg(self.dir.join("components"))
            // They find each other by multicast DNS: what they tell is this machine alone.
            .env("DAPR_HOST_IP", "127.0.0.1")
            .stdout(Stdio::from(log.try_clone().expect("a file")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("daprd starts");
        let api = SocketAddr::from(([127, 0, 0, 1], ports[0]));
        self.sidecars.push((child, api));
        api
    }

    /// Waits until all of them answer and have found their apps.
    pub async fn ready(&self) {
        let client = Client::new();
        let deadline = Instant::now() + Duration::from_secs(60);
        for (_, api) in &self.sidecars {
            loop {
                let asked = client.get(format!("http://{api}/v1.0/healthz")).send().await;
                if asked.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
                assert!(Instant::now() < deadline, "{}", self.logs());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// What they had to complain about.
    pub fn logs(&self) -> String {
        let files =
            std::fs::read_dir(&self.dir).expect("a directory").map(|file| file.expect("one"));
        let logs = files.filter(|file| file.path().extension().is_some_and(|name| name == "log"));
        logs.map(|log| std::fs::read_to_string(log.path()).unwrap_or_default()).collect()
    }
}

impl Drop for Daprd {
    fn drop(&mut self) {
        for (child, _) in &mut self.sidecars {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            println!("{}", self.logs());
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
