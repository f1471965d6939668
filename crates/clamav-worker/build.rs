//! Finds libclamav, which only this crate links, and compiles what stands before libc for it.

/// The oldest release whose functions and constants `src/ffi.rs` describes.
const OLDEST: &str = "1.4";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/sscanf.c");
    for object in cc::Build::new().file("src/sscanf.c").warnings_into_errors(true).compile_intermediates() {
        // Into the program as it is: in an archive nobody would ask for it.
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
    for name in ["sscanf", "__isoc99_sscanf"] {
        println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={name}");
    }
    if let Err(error) = pkg_config::Config::new().atleast_version(OLDEST).probe("libclamav") {
        println!(
            "cargo::error=libclamav {OLDEST} or newer with its headers is needed to build \
             icapstan-clamav-worker (Debian and Ubuntu: apt-get install libclamav-dev pkg-config): {error}"
        );
    }
}
