//! A broker among hostile clients, by script.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::broker_machine(input));
