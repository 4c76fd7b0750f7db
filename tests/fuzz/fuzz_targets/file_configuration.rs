//! A configuration file.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_files::configuration(input));
