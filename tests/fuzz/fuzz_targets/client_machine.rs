//! A client with a hostile server, by script.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::client_machine(input));
