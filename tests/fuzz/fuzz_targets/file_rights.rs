//! A user, a Client Identifier, a topic, and a file of access rights.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_files::rights(input));
