//! See `icapstan_fuzz::fleet_record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| icapstan_fuzz::fleet_record(data));
