//! Packs `openapi/` into the executable: what is two megabytes there is an eighth here.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::{env, io};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=openapi");
    let out = env::var("OUT_DIR")?;
    for entry in fs::read_dir("openapi")? {
        let path = entry?.path();
        let name = path.file_name().ok_or("no name")?.to_string_lossy();
        let packed = File::create(Path::new(&out).join(format!("{name}.gz")))?;
        let mut packed = GzEncoder::new(packed, Compression::best());
        io::copy(&mut File::open(&path)?, &mut packed)?;
        packed.finish()?;
    }
    Ok(())
}
