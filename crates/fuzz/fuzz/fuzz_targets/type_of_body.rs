//! See `icapstan_fuzz::type_of_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::type_of_body(data));
