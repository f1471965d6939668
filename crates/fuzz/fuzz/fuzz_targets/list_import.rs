//! See `icapstan_fuzz::list_import`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::list_import(data));
