//! See `icapstan_fuzz::when`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::when(data));
