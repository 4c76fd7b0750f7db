//! What a Client of 3.1 or 3.1.1 sends.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::client_v3(input));
