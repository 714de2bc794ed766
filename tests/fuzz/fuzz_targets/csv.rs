#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kolmo_fuzz::csv(data));
