//! The split system as an operator runs it: each part a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use erp::gateway::MODULES;
use kernel::service::new_keys;
use uuid::Uuid;

use crate::crash::{EXECUTABLE, Process};

/// All parts: the modules, and the gateway last.
pub const PARTS: usize = MODULES.len() + 1;

pub fn name(part: usize) -> &'static str {
    MODULES.get(part).copied().unwrap_or("gateway")
}

/// What the parts of a system know of each other. Its data are in files of a directory, or
/// wherever the variables say.
pub struct Split {
    pub dir: PathBuf,
    variables: Vec<(String, String)>,
    keys: Vec<String>,
}

impl Split {
    /// `ways` tells for each module how the others reach its API and its internal listener.
    pub fn new(
        ways: impl Fn(usize) -> (SocketAddr, SocketAddr),
        mut variables: Vec<(String, String)>,
    ) -> Split {
        let mut keys = Vec::new();
        for part in 0..PARTS {
            let (key, public) = new_keys().expect("random");
            keys.push(key.expose().to_owned());
            let name = name(part).to_uppercase();
            variables.push((format!("ERP__INTERNAL__CALLERS__{name}"), public));
            if part < MODULES.len() {
                let (api, internal) = ways(part);
                variables.push((format!("ERP__REMOTE__{name}__URL"), format!("http://{api}")));
                let internal = format!("http://{internal}");
                variables.push((format!("ERP__REMOTE__{name}__INTERNAL_URL"), internal));
            }
        }
        let dir = std::env::temp_dir().join(format!("erp-split-{}", Uuid::now_v7()));
        Split { dir, variables, keys }
    }

    /// Starts one part with its two listeners at these ports.
    pub fn run(&self, part: usize, api: u16, internal: u16) -> Process {
        self.run_executable(EXECUTABLE, part, api, internal)
    }

    /// The same of another version.
    pub fn run_executable(
        &self,
        executable: &str,
        part: usize,
        api: u16,
        internal: u16,
    ) -> Process {
        let modules = MODULES.get(part).map_or("[]".to_owned(), |module| format!("[\"{module}\"]"));
        let internal = format!("127.0.0.1:{internal}");
        let own = [
            ("ERP__MODULES", modules.as_str()),
            ("ERP__INTERNAL__BIND", internal.as_str()),
            ("ERP__INTERNAL__KEY", self.keys[part].as_str()),
            ("ERP__RATE_LIMIT__USER_PER_S", "0"),
        ];
        let shared = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let variables: Vec<_> = shared.chain(own).collect();
        let api = format!("127.0.0.1:{api}");
        Process::start_executable(executable, &api, &self.dir, &variables)
    }
}

impl Drop for Split {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
