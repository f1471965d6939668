//! See `icapstan_fuzz::page`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::page(data));
