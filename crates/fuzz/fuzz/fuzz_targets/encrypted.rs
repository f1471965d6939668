//! See `icapstan_fuzz::encrypted`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::encrypted(data));
