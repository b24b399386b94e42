//! `erp routes`.

use clap::ValueEnum;

use crate::config::Config;
use crate::gateway::{Route, Target, export, routes};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    Table,
    Json,
    /// Ocelot's ocelot.json
    Ocelot,
    /// A configuration of Envoy
    Envoy,
    /// A rule-based route (httpRouteConfigs) of Azure Container Apps, as an ARM resource
    Aca,
}

/// Prints the routing table of these settings.
pub fn print(config: &Config, format: Format) -> Result<(), String> {
    let table = routes(config);
    let json = match format {
        Format::Table => {
            print_table(&table);
            return Ok(());
        }
        Format::Json => serde_json::to_value(table).map_err(|e| e.to_string())?,
        Format::Ocelot => export::ocelot(config, &table)?,
        Format::Envoy => export::envoy(config, &table)?,
        Format::Aca => export::aca(&table),
    };
    print_line!("{}", serde_json::to_string_pretty(&json).map_err(|e| e.to_string())?);
    Ok(())
}

fn print_table(table: &[Route]) {
    print_line!("{:<22} {:<11} {:<8} {:<10} TARGET", "PREFIX", "MODULE", "TIMEOUT", "BODY");
    for row in table {
        print_line!(
            "{:<22} {:<11} {:<8} {:<10} {}",
            row.prefix,
            row.module,
            format!("{} s", row.timeout_s),
            format!("{} KiB", row.max_body_bytes / 1024),
            match row.target {
                Target::Local => "local".to_owned(),
                Target::Remote => row.upstreams.join(", "),
                Target::None => "none".to_owned(),
            },
        );
    }
}
