//! Every part of the split system is replaced under load, one after the other: the new process
//! joins, both serve for a while, the old one leaves. No flow fails, and nothing is done twice.
//!
//! `ERP_TEST_PREVIOUS` names the executable of another version, which is replaced then; without
//! it, both are this one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use super::checks;
use crate::crash::{EXECUTABLE, Process, assert_laws, sign_in, variables_of};
use crate::faults::{note, work};
use crate::flows::company;
use crate::harness::Attempts;
use crate::split::{PARTS, Split, name};
use crate::topology::free_ports;

const CLIENTS: usize = 4;
/// How many requests are answered while both are there.
const TOGETHER: usize = 60;

/// An address that stays while what is behind it is replaced, as a service's name does on a
/// platform: connections go to those behind it in turn.
#[derive(Clone)]
struct Door {
    address: SocketAddr,
    behind: Arc<Mutex<Vec<u16>>>,
}

impl Door {
    async fn to(port: u16) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let behind = Arc::new(Mutex::new(vec![port]));
        let (all, turn) = (behind.clone(), AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let port = {
                    let all = all.lock().expect("whole");
                    all[turn.fetch_add(1, Ordering::Relaxed) % all.len()]
                };
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Door { address, behind }
    }

    fn lead_to(&self, ports: &[u16]) {
        *self.behind.lock().expect("whole") = ports.to_vec();
    }
}

/// What leads to one part, and the process behind it.
struct Part {
    api: Door,
    internal: Door,
    ports: [u16; 2],
    process: Process,
}

async fn answered(attempts: &Attempts, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let answered = || attempts.lock().expect("whole").iter().filter(|a| a.status < 500).count();
    while answered() < count {
        assert!(Instant::now() < deadline, "{} of {count} requests are answered", answered());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_is_replaced_under_load_and_no_flow_fails() {
    if !test_support::available("postgres") {
        return;
    }
    let url = test_support::shared().create_database(None).await;
    let ports = free_ports(4 * PARTS);
    let (old, new) = ports.split_at(2 * PARTS);
    let mut doors = Vec::new();
    for pair in old.chunks(2) {
        doors.push((Door::to(pair[0]).await, Door::to(pair[1]).await));
    }
    let mut variables = variables_of(&url);
    variables.push(("ERP__SQL__MAX_CONNECTIONS".into(), "3".into()));
    let split = Split::new(|part| (doors[part].0.address, doors[part].1.address), variables);
    let previous = std::env::var("ERP_TEST_PREVIOUS").unwrap_or(EXECUTABLE.into());
    let start = |part: usize, (api, internal): (Door, Door)| {
        let ports = [old[2 * part], old[2 * part + 1]];
        let process = split.run_executable(&previous, part, ports[0], ports[1]);
        Part { api, internal, ports, process }
    };
    let parts: Vec<Part> = doors.iter().cloned().enumerate().map(|(i, d)| start(i, d)).collect();

    let attempts = Attempts::default();
    let base = format!("http://{}", doors[PARTS - 1].0.address);
    let api = sign_in(&base).await.insisting(attempts.clone());
    let company = company(&api).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|i| tokio::spawn(work(api.clone(), company.clone(), i, stop.clone())))
        .collect();
    let mut replaced = Vec::new();
    for (i, part) in parts.into_iter().enumerate() {
        note(&attempts, &format!("a new {} joins", name(i)));
        let ports = [new[2 * i], new[2 * i + 1]];
        let process = split.run(i, ports[0], ports[1]);
        part.api.lead_to(&[part.ports[0], ports[0]]);
        part.internal.lead_to(&[part.ports[1], ports[1]]);
        answered(&attempts, TOGETHER).await;
        note(&attempts, &format!("the old {} leaves", name(i)));
        part.api.lead_to(&ports[..1]);
        part.internal.lead_to(&ports[1..]);
        part.process.stop().await;
        answered(&attempts, TOGETHER).await;
        replaced.push(process);
    }
    stop.store(true, Ordering::SeqCst);
    let mut flows = 0;
    for client in clients {
        flows += client.await.expect("no flow fails");
    }
    note(&attempts, "all is well");
    let deadline = Instant::now() + Duration::from_secs(30);
    while checks::undelivered(&url).await > 0 {
        assert!(Instant::now() < deadline, "some events are never delivered");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_laws(&api).await;
    assert_eq!(checks::broken(&url).await, [""; 0]);
    let deliveries = checks::deliveries(&url).await;
    println!(
        "{flows} flows, {deliveries} deliveries, while {} parts were replaced",
        replaced.len()
    );
    assert!(flows > CLIENTS);
}
