//! `erp openapi`.

use std::collections::BTreeMap;
use std::path::Path;

use kernel::cache::Cache;
use kernel::metrics::Metrics;

use crate::config::{Config, defaults};

/// The finished documents by file name, from the handlers of every module compiled in.
pub async fn documents() -> Result<BTreeMap<String, String>, String> {
    // Handlers hang on services, and services on their data: a throw-away directory.
    let dir = std::env::temp_dir().join(format!("erp-openapi-{}", uuid::Uuid::now_v7()));
    let layers = defaults().merge(figment::providers::Serialized::default("data.dir", &dir));
    let config = Config::load(&layers).map_err(|e| e.to_string())?;
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let client = reqwest::Client::new();
    let registry =
        crate::registry::build(&config, &client, &Metrics::default(), Cache::default(), None)
            .await
            .map_err(|e| e.to_string())?;
    let mut documents = BTreeMap::new();
    for (name, spec) in crate::spec::specs(&registry.modules) {
        let text = serde_json::to_string_pretty(&crate::spec::with_examples(spec))
            .map_err(|e| e.to_string())?;
        documents.insert(format!("{name}.json"), text + "\n");
    }
    for module in &registry.modules {
        module.db.close().await.map_err(|e| e.to_string())?;
    }
    std::fs::remove_dir_all(&dir).map_err(|e| e.to_string())?;
    Ok(documents)
}

/// Writes the documents to `dir`, or checks that they are there as they would be written.
pub async fn openapi(dir: &Path, check: bool) -> Result<(), String> {
    for (name, text) in documents().await? {
        let path = dir.join(&name);
        let at = |error: std::io::Error| format!("{}: {error}", path.display());
        if !check {
            std::fs::create_dir_all(dir).map_err(at)?;
            std::fs::write(&path, text).map_err(at)?;
            print_line!("{}", path.display());
        } else if std::fs::read_to_string(&path).map_err(at)? != text {
            return Err(format!("{} is out of date: run `erp openapi`", path.display()));
        }
    }
    Ok(())
}
