//! Packs `openapi/` into the executable: what is two megabytes there is an eighth here. Beside it,
//! the permissions that operations ask for, and those of operations that keep to warehouses.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::{env, io};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=openapi");
    let out = env::var("OUT_DIR")?;
    let mut permissions = BTreeSet::new();
    let mut by_warehouse = BTreeSet::new();
    for entry in fs::read_dir("openapi")? {
        let path = entry?.path();
        let name = path.file_name().ok_or("no name")?.to_string_lossy();
        let packed = File::create(Path::new(&out).join(format!("{name}.gz")))?;
        let mut packed = GzEncoder::new(packed, Compression::best());
        io::copy(&mut File::open(&path)?, &mut packed)?;
        packed.finish()?;
        let spec: Value = serde_json::from_slice(&fs::read(&path)?)?;
        for operation in operations(&spec) {
            let asked = ["x-permission", "x-override-permission"].map(|key| &operation[key]);
            let asked = asked.into_iter().filter_map(Value::as_str).filter(|p| p.contains(':'));
            permissions.extend(asked.map(str::to_owned));
            if operation["x-scope"].is_string() {
                by_warehouse.extend(operation["x-permission"].as_str().map(str::to_owned));
            }
        }
    }
    for (name, permissions) in [("permissions", permissions), ("by_warehouse", by_warehouse)] {
        let lines: Vec<_> = permissions.into_iter().collect();
        fs::write(Path::new(&out).join(name), lines.join("\n"))?;
    }
    Ok(())
}

fn operations(spec: &Value) -> impl Iterator<Item = &Value> {
    let paths = spec["paths"].as_object().into_iter().flat_map(Map::values);
    paths.flat_map(|item| item.as_object().into_iter().flat_map(Map::values))
}
