//! The split system, each part a process of its own, while parts of it are killed, stand still,
//! are replaced, or cannot be reached: every sale and purchase ends all the same, each once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use erp::gateway::MODULES;
use tokio::net::{TcpListener, TcpStream};

use crate::crash::{Process, assert_every_event_applied_once, assert_laws, settle, sign_in};
use crate::flows::{Company, company, purchase_to_stock, quotation_to_cash};
use crate::harness::{Api, Attempts};
use crate::split::{PARTS, Split, name};
use crate::topology::free_ports;

const CLIENTS: usize = 4;
const ROUNDS: usize = 1;
/// What goes by the way between orders and inventory.
const FLAKY: &str = "inventory";

/// The processes, with what they know of each other.
struct Running {
    ports: Vec<u16>,
    split: Split,
    processes: Vec<Option<Process>>,
}

impl Running {
    /// All of it; `flaky` is how others reach the internal listener of that module.
    fn start(flaky: SocketAddr, ports: Vec<u16>) -> Running {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let ways = |part: usize| {
            let internal = if name(part) == FLAKY { flaky } else { at(ports[2 * part + 1]) };
            (at(ports[2 * part]), internal)
        };
        let split = Split::new(ways, Vec::new());
        let mut running = Running { ports, split, processes: (0..PARTS).map(|_| None).collect() };
        (0..PARTS).for_each(|part| running.run(part));
        running
    }

    fn run(&mut self, part: usize) {
        let (api, internal) = (self.ports[2 * part], self.ports[2 * part + 1]);
        self.processes[part] = Some(self.split.run(part, api, internal));
    }

    fn signal(&self, part: usize, signal: &str) {
        self.processes[part].as_ref().expect("it runs").signal(signal);
    }

    fn base(&self) -> String {
        self.processes.last().and_then(Option::as_ref).expect("the gateway runs").base.clone()
    }
}

/// A way between two processes that can be made worse.
struct Way {
    mode: Arc<AtomicU8>,
    address: SocketAddr,
}

const OPEN: u8 = 0;
const SLOW: u8 = 1;
const SILENT: u8 = 2;
const CLOSED: u8 = 3;

impl Way {
    async fn to(port: u16) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let mode = Arc::new(AtomicU8::new(OPEN));
        let now = mode.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass(near, port, now.clone()));
            }
        });
        Way { mode, address }
    }

    fn become_mode(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

/// Passes on what one side says to the other, as the way is at that moment.
async fn pass(near: TcpStream, port: u16, mode: Arc<AtomicU8>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (from, to, n) = tokio::select! {
            _ = near.readable() => (&near, &far, near.try_read(&mut buffer)),
            _ = far.readable() => (&far, &near, far.try_read(&mut buffer)),
        };
        let n = match n {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) | Ok(0) => return,
            Ok(n) => n,
        };
        let _ = from;
        match mode.load(Ordering::SeqCst) {
            SLOW => tokio::time::sleep(Duration::from_millis(200)).await,
            SILENT => continue,
            CLOSED => return,
            _ => {}
        }
        let mut rest = &buffer[..n];
        while !rest.is_empty() {
            if to.writable().await.is_err() {
                return;
            }
            match to.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// Sells or buys until told to stop; nothing may fail for good. How many there were.
pub async fn work(api: Api, company: Company, kind: usize, stop: Arc<AtomicBool>) -> usize {
    let mut done = 0;
    while !stop.load(Ordering::SeqCst) {
        match kind % 2 {
            0 => quotation_to_cash(&api, &company).await.map(drop).expect("a sale ends"),
            _ => purchase_to_stock(&api, &company).await.map(drop).expect("a purchase ends"),
        }
        done += 1;
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_part_every_flow_ends_once() {
    let ports = free_ports(2 * PARTS);
    let place = MODULES.iter().position(|module| *module == FLAKY).expect("a module");
    let way = Way::to(ports[2 * place + 1]).await;
    let mut split = Running::start(way.address, ports);
    let attempts = Attempts::default();
    let api = sign_in(&split.base()).await.insisting(attempts.clone());
    let company = company(&api).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|i| tokio::spawn(work(api.clone(), company.clone(), i, stop.clone())))
        .collect();
    let pause = || tokio::time::sleep(Duration::from_millis(700));
    for _ in 0..ROUNDS {
        for i in 0..PARTS {
            let name = name(i);
            note(&attempts, &format!("{name} is killed"));
            split.processes[i].take().expect("it runs").kill();
            pause().await;
            split.run(i);
            pause().await;

            note(&attempts, &format!("{name} stands still"));
            split.signal(i, "-STOP");
            pause().await;
            split.signal(i, "-CONT");
            pause().await;

            note(&attempts, &format!("{name} is replaced"));
            split.processes[i].take().expect("it runs").stop().await;
            split.run(i);
            pause().await;
        }
        for (mode, what) in [(SLOW, "slow"), (SILENT, "silent"), (CLOSED, "closed")] {
            note(&attempts, &format!("the way to {FLAKY} is {what}"));
            way.become_mode(mode);
            pause().await;
            pause().await;
            way.become_mode(OPEN);
            pause().await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut flows = 0;
    for client in clients {
        flows += client.await.expect("no flow fails");
    }
    note(&attempts, "all is well");
    settle(&split.split.dir).await;
    let deliveries = assert_every_event_applied_once(&split.split.dir).await;
    assert_laws(&api).await;
    let path = "/api/v1/billing/invoices?status=settled&limit=200";
    let settled = api.get(path).await.ok()["data"].as_array().map_or(0, Vec::len);
    println!("{flows} flows, {settled} of them sales; {deliveries} deliveries, each applied once");
    assert!(flows > CLIENTS && settled > 0);
}

/// Prints how requests went since the last time.
pub fn note(attempts: &Mutex<Vec<crate::harness::Attempt>>, what: &str) {
    let gone: Vec<_> = std::mem::take(&mut *attempts.lock().expect("whole"));
    let mut by_status: BTreeMap<u16, usize> = BTreeMap::new();
    gone.iter().for_each(|attempt| *by_status.entry(attempt.status).or_default() += 1);
    let slowest = gone.iter().map(|attempt| attempt.took).max().unwrap_or_default();
    // Whoever waits gets an answer, if only that there is none, within their deadline.
    assert!(slowest < Duration::from_secs(31), "{slowest:?}");
    println!("  {by_status:?}, slowest {slowest:.1?}\n{what}");
}
