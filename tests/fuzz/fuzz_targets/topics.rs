//! Topic Filters, subscriptions and retained messages against a naive matcher.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| libmqtt_oracles::topics(input));
