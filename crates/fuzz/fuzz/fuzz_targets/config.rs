//! See `icapstan_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::config(data));
