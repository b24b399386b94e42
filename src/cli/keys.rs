//! `erp service-keys`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Toml};
use kernel::config::Secret;
use kernel::service::{new_keys, public_key};

use crate::gateway::MODULES;

#[derive(Debug, clap::Args)]
pub struct KeysArgs {
    /// Directory to write to, a settings file for each process
    #[arg(long, value_name = "DIR", default_value = "service-keys")]
    dir: PathBuf,
    /// Processes that hold several modules, as core=auth,billing,inventory; each module that
    /// is not named, and the gateway, has a process of its own
    #[arg(value_name = "PROCESS=MODULE,..", value_parser = read_process)]
    processes: Vec<(String, Vec<String>)>,
}

fn read_process(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, modules) = text.split_once('=').ok_or("must be a name, = and modules")?;
    let modules: Vec<_> = modules.split(',').map(ToOwned::to_owned).collect();
    match modules.iter().find(|module| !MODULES.contains(&module.as_str())) {
        Some(module) => Err(format!("{module} is none of {}", MODULES.join(", "))),
        None => Ok((name.to_owned(), modules)),
    }
}

/// Makes a pair of keys for each process that has none in the directory, and writes for each
/// what it is to know: its own private key, and the public ones of all.
pub fn service_keys(args: KeysArgs) -> Result<(), String> {
    let mut processes: BTreeMap<String, Vec<String>> = args.processes.into_iter().collect();
    let named: Vec<String> = processes.values().flatten().cloned().collect();
    for module in MODULES.into_iter().filter(|module| !named.iter().any(|name| name == module)) {
        processes.entry(module.to_owned()).or_default().push(module.to_owned());
    }
    processes.entry("gateway".to_owned()).or_default().push("gateway".to_owned());
    let file = |process: &str| args.dir.join(format!("{process}.toml"));
    let mut private = BTreeMap::new();
    let mut callers = String::new();
    for (process, modules) in &processes {
        let (key, public) = match kept_key(&file(process)) {
            Some(key) => {
                let public = public_key(&key);
                let public =
                    public.map_err(|why| format!("{}: key {why}", file(process).display()))?;
                (key, public)
            }
            None => new_keys()?,
        };
        for module in modules {
            let _ = writeln!(callers, "{module} = \"{public}\"");
        }
        private.insert(process, key);
    }
    let at = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(&args.dir).map_err(|error| at(&args.dir, error))?;
    for (process, key) in private {
        let path = file(process);
        let text = format!(
            "# Made by `erp service-keys`. The key is the secret of {process} alone.\n\
             [internal]\nkey = \"{}\"\n\n[internal.callers]\n{callers}",
            key.expose()
        );
        super::write_secret(&path, &text).map_err(|error| at(&path, error))?;
        print_line!("{}", path.display());
    }
    Ok(())
}

/// The key that a file of an earlier time holds.
fn kept_key(file: &Path) -> Option<Secret> {
    Figment::from(Toml::file_exact(file)).extract_inner::<Secret>("internal.key").ok()
}
