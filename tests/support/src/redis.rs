//! A Redis server that a test starts from the installed binary, and that can be killed and
//! started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::available;

/// Longest start of the server.
const START_LIMIT: Duration = Duration::from_secs(10);

/// What every server of a test asks for.
pub const REDIS_PASSWORD: &str = "a password of the tests alone";

/// A server of this test's own. It ends with it, or with the test process.
pub struct Redis {
    port: u16,
    dir: PathBuf,
    options: Vec<String>,
    /// The shell that ends the server when its own standard input ends.
    watch: Mutex<Option<Child>>,
}

impl Redis {
    /// Starts a server on a free port, without a disk and with [`REDIS_PASSWORD`]. `None`,
    /// after saying so, where no server is installed and `ERP_TEST_REQUIRE` does not name
    /// `redis`.
    pub fn start() -> Option<Redis> {
        Redis::start_with(&[])
    }

    /// A cluster of one node that holds every slot.
    pub fn start_cluster() -> Option<Redis> {
        let redis = Redis::start_with(&["--cluster-enabled", "yes"])?;
        redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        let begun = Instant::now();
        while !redis.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
            assert!(begun.elapsed() < START_LIMIT, "the cluster does not form");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(redis)
    }

    /// With TLS as well, under a certificate for `localhost`.
    pub fn start_tls() -> Option<TlsRedis> {
        if !available("redis") {
            return None;
        }
        // Kept until the server, which has read them, is gone.
        let certificates = std::env::temp_dir().join(format!("erp-redis-tls-{}", Uuid::now_v7()));
        std::fs::create_dir(&certificates).expect("a directory");
        let script = "set -e
            new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
            openssl req -x509 $new -keyout ca.key -out ca.pem -days 2 -subj /CN=test
            openssl req $new -keyout key.pem -out request.pem -subj /CN=localhost
            echo subjectAltName=DNS:localhost >names
            openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial \
                -out certificate.pem -days 2 -extfile names";
        let made = Command::new("sh").current_dir(&certificates).args(["-c", script]).output();
        let made = made.expect("a shell");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let file = |name: &str| certificates.join(name).display().to_string();
        let port = free_port();
        let redis = Redis::start_with(&[
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &file("certificate.pem"),
            "--tls-key-file",
            &file("key.pem"),
            "--tls-ca-cert-file",
            &file("ca.pem"),
            "--tls-auth-clients",
            "no",
        ])?;
        Some(TlsRedis { _redis: redis, port, certificates })
    }

    /// With these options of the command line on top.
    pub fn start_with(options: &[&str]) -> Option<Redis> {
        if !available("redis") {
            return None;
        }
        let dir = std::env::temp_dir().join(format!("erp-redis-{}", Uuid::now_v7()));
        std::fs::create_dir(&dir).expect("a directory");
        // A cluster's node listens on a second port as well, 10000 above.
        let port = std::iter::repeat_with(free_port).find(|port| *port < 55_000);
        let redis = Redis {
            port: port.expect("the search has no end"),
            dir,
            options: options.iter().map(ToString::to_string).collect(),
            watch: Mutex::default(),
        };
        redis.restart();
        Some(redis)
    }

    /// Where it is, without the password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL: what it held is gone.
    pub fn kill(&self) {
        if let Some(mut watch) = self.watch.lock().expect("whole").take() {
            drop(watch.stdin.take());
            watch.wait().expect("it ends");
        }
    }

    /// Starts it on the same port, empty.
    pub fn restart(&self) {
        self.kill();
        let script = "redis-server \"$@\" >server.log 2>&1 & cat >/dev/null; kill -9 $!";
        let watch = Command::new("sh")
            .current_dir(&self.dir)
            .args(["-c", script, "sh", "--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--requirepass", REDIS_PASSWORD])
            .args(&self.options)
            .stdin(Stdio::piped())
            .spawn();
        *self.watch.lock().expect("whole") = Some(watch.expect("a shell"));
        let begun = Instant::now();
        while self.try_command(&["PING"]).is_none_or(|answer| answer != "PONG") {
            assert!(begun.elapsed() < START_LIMIT, "see {}", self.dir.display());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sets a setting of the running server, such as `maxmemory`.
    pub fn config_set(&self, name: &str, value: &str) {
        assert_eq!(self.command(&["CONFIG", "SET", name, value]), "OK");
    }

    /// Sends a command; the answer in text, elements of a list on lines of their own.
    pub fn command(&self, words: &[&str]) -> String {
        self.try_command(words).expect("the server answers")
    }

    fn try_command(&self, words: &[&str]) -> Option<String> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(START_LIMIT)).ok()?;
        let mut reader = BufReader::new(stream);
        for words in [&["AUTH", REDIS_PASSWORD], words] {
            let mut text = format!("*{}\r\n", words.len());
            for word in words {
                text += &format!("${}\r\n{word}\r\n", word.len());
            }
            reader.get_mut().write_all(text.as_bytes()).ok()?;
            let answer = read_answer(&mut reader)?;
            if words[0] != "AUTH" {
                return Some(answer);
            }
        }
        None
    }
}

/// A server that speaks TLS.
pub struct TlsRedis {
    _redis: Redis,
    port: u16,
    certificates: PathBuf,
}

impl TlsRedis {
    /// Where it is, without the password.
    pub fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    /// The certificate of who signed the server's.
    pub fn authority(&self) -> PathBuf {
        self.certificates.join("ca.pem")
    }
}

impl Drop for TlsRedis {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.certificates);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// One answer of the protocol, version 2.
fn read_answer(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let rest = line.get(1..)?.trim_end();
    match line.as_bytes()[0] {
        b'$' => {
            // None there is has the length -1.
            let Ok(length) = rest.parse::<usize>() else { return Some(String::new()) };
            let mut bytes = vec![0; length + 2];
            reader.read_exact(&mut bytes).ok()?;
            bytes.truncate(length);
            String::from_utf8(bytes).ok()
        }
        b'*' => {
            let count = rest.parse::<usize>().unwrap_or_default();
            let answers: Option<Vec<_>> = (0..count).map(|_| read_answer(reader)).collect();
            Some(answers?.join("\n"))
        }
        _ => Some(rest.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_killed_and_comes_back_empty() {
        let Some(redis) = Redis::start() else { return };
        redis.command(&["SET", "a", "b"]);
        assert_eq!(redis.command(&["GET", "a"]), "b");
        redis.kill();
        assert_eq!(redis.try_command(&["PING"]), None);
        redis.restart();
        assert_eq!(redis.command(&["GET", "a"]), "");
        redis.config_set("maxmemory-policy", "allkeys-lru");
        let policy = redis.command(&["CONFIG", "GET", "maxmemory-policy"]);
        assert_eq!(policy, "maxmemory-policy\nallkeys-lru");
    }

    #[test]
    fn a_cluster_of_one_takes_every_key() {
        let Some(redis) = Redis::start_cluster() else { return };
        assert_eq!(redis.command(&["SET", "a", "b"]), "OK");
    }
}
