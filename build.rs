//! Packs `openapi/` into the executable: what is two megabytes there is an eighth here. Beside it,
//! the permissions that operations ask for.

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
    for entry in fs::read_dir("openapi")? {
        let path = entry?.path();
        let name = path.file_name().ok_or("no name")?.to_string_lossy();
        let packed = File::create(Path::new(&out).join(format!("{name}.gz")))?;
        let mut packed = GzEncoder::new(packed, Compression::best());
        io::copy(&mut File::open(&path)?, &mut packed)?;
        packed.finish()?;
        permissions.extend(permissions_in(&serde_json::from_slice(&fs::read(&path)?)?));
    }
    let lines: Vec<_> = permissions.into_iter().collect();
    fs::write(Path::new(&out).join("permissions"), lines.join("\n"))?;
    Ok(())
}

fn permissions_in(spec: &Value) -> Vec<String> {
    let operations = spec["paths"].as_object().into_iter().flat_map(Map::values);
    operations
        .flat_map(|item| item.as_object().into_iter().flat_map(Map::values))
        .flat_map(|operation| ["x-permission", "x-override-permission"].map(|k| &operation[k]))
        .filter_map(Value::as_str)
        .filter(|permission| permission.contains(':'))
        .map(str::to_owned)
        .collect()
}
