//! Makes Rust of `proto/`. Needs no `protoc`.

use std::error::Error;
use std::path::Path;

/// Relative to `proto/`.
const FILES: [&str; 3] =
    ["icapstan/scan/v1/scan.proto", "icapstan/fleet/v1/fleet.proto", "externalscaler/externalscaler.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let files = protox::compile(FILES, [root])?;
    tonic_prost_build::configure()
        // Bodies are taken out of what was read as they are, without a copy.
        .bytes(".icapstan.scan.v1.ScanRequest")
        .build_transport(false)
        .compile_fds(files)?;
    Ok(())
}
