//! The thinnest client that does: it writes the same bytes again and again, and reads as far
//! as an answer goes.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Connections that ask one thing after another.
#[derive(Clone)]
pub struct Load {
    pub connections: u16,
    pub request: String,
}

/// What came of it.
pub struct Tally {
    /// Microseconds from the first byte sent to the last received.
    pub took: Histogram<u64>,
    pub errors: u64,
    pub elapsed: Duration,
}

impl Default for Tally {
    fn default() -> Self {
        // Three digits are valid: it cannot fail.
        let took = Histogram::new(3).unwrap_or_else(|_| unreachable!());
        Tally { took, errors: 0, elapsed: Duration::ZERO }
    }
}

impl Tally {
    pub fn per_s(&self) -> f64 {
        self.took.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub fn add(&mut self, other: &Tally) {
        // Both count up to whatever comes.
        let _ = self.took.add(&other.took);
        self.errors += other.errors;
        self.elapsed += other.elapsed;
    }
}

impl Load {
    /// Asks for as long as told.
    pub async fn run(&self, address: &str, time: Duration) -> Result<Tally, String> {
        let begun = Instant::now();
        let until = begun + time;
        let mut running = JoinSet::new();
        for _ in 0..self.connections {
            running.spawn(ask(address.to_owned(), self.request.clone(), until));
        }
        let mut whole = Tally::default();
        while let Some(tally) = running.join_next().await {
            whole.add(&tally.map_err(|e| e.to_string())??);
        }
        whole.elapsed = begun.elapsed();
        Ok(whole)
    }

    /// The status of one request.
    pub async fn one(&self, address: &str) -> Result<u16, String> {
        let mut connection = connect(address).await?;
        exchange(&mut connection, &self.request, &mut Vec::new()).await
    }
}

async fn connect(address: &str) -> Result<TcpStream, String> {
    let connection = TcpStream::connect(address).await.map_err(|e| format!("{address}: {e}"))?;
    connection.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(connection)
}

async fn ask(address: String, request: String, until: Instant) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut connection = connect(&address).await?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    while Instant::now() < until {
        let begun = Instant::now();
        let status = exchange(&mut connection, &request, &mut buffer).await?;
        if status == 200 {
            let took = begun.elapsed().as_micros();
            let took = u64::try_from(took).unwrap_or(u64::MAX);
            tally.took.record(took).map_err(|e| e.to_string())?;
        } else {
            tally.errors += 1;
        }
    }
    Ok(tally)
}

async fn exchange(
    connection: &mut TcpStream,
    request: &str,
    buffer: &mut Vec<u8>,
) -> Result<u16, String> {
    connection.write_all(request.as_bytes()).await.map_err(|e| e.to_string())?;
    buffer.clear();
    loop {
        if let Some((status, length)) = whole(buffer)?
            && buffer.len() >= length
        {
            return Ok(status);
        }
        let read = connection.read_buf(buffer).await.map_err(|e| e.to_string())?;
        if read == 0 {
            return Err("the connection was closed".into());
        }
    }
}

/// Status and length of the answer, once its head is there.
fn whole(buffer: &[u8]) -> Result<Option<(u16, usize)>, String> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
    let status = status.ok_or_else(|| format!("no answer: {head}"))?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| format!("no length: {head}"))?;
    Ok(Some((status, end + 4 + length)))
}
