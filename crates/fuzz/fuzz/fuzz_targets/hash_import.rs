//! See `icapstan_fuzz::hash_import`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::hash_import(data));
