//! Finds libclamav. Only this crate links it.

/// The oldest release whose functions and constants `src/ffi.rs` describes.
const OLDEST: &str = "1.4";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(error) = pkg_config::Config::new().atleast_version(OLDEST).probe("libclamav") {
        println!(
            "cargo::error=libclamav {OLDEST} or newer with its headers is needed to build \
             icapstan-clamav-worker (Debian and Ubuntu: apt-get install libclamav-dev pkg-config): {error}"
        );
    }
}
