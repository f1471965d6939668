//! See `icapstan_fuzz::blocked_url`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::blocked_url(data));
