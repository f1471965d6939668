//! See `icapstan_fuzz::embedded`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::embedded(data));
