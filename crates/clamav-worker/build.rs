//! Finds libclamav, which only this crate links, and compiles what stands before libc for it.

/// The oldest release whose functions and constants `src/ffi.rs` describes.
const OLDEST: &str = "1.4";

/// What stands before libc's functions.
const SOURCES: [&str; 2] = ["src/pages.c", "src/sscanf.c"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    for object in cc::Build::new().files(SOURCES).warnings_into_errors(true).compile_intermediates() {
        // Into the program as it is: in an archive nobody would ask for it.
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
    for name in ["sscanf", "__isoc99_sscanf", "__isoc23_sscanf", "mmap", "mmap64"] {
        println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={name}");
    }
    if let Err(error) = pkg_config::Config::new().atleast_version(OLDEST).probe("libclamav") {
        println!(
            "cargo::error=libclamav {OLDEST} or newer with its headers is needed to build \
             icapstan-clamav-worker (Debian and Ubuntu: apt-get install libclamav-dev pkg-config): {error}"
        );
    }
}
