//! See `icapstan_fuzz::quantities`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::quantities(data));
