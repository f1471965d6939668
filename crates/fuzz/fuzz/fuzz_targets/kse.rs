//! See `icapstan_fuzz::kse`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::kse(data));
