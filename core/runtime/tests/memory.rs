//! Memory of a broker: a program of its own, so that nothing else uses any meanwhile.
#![cfg(target_os = "linux")]

mod common;

use std::thread;
use std::time::Instant;

use common::{Bare, SOON, broker};
use libmqtt_runtime::Version;

#[test]
fn connections_that_come_and_go_leave_no_memory() {
    let broker = broker(2);
    let round = |count: usize| {
        for i in 0..count / 50 {
            let connect = |k| Bare::connect(&broker, &format!("c{}", i * 50 + k), Version::V311);
            let batch: Vec<Bare> = (0..50).map(connect).collect();
            if i % 2 == 0 {
                batch.into_iter().for_each(Bare::kill);
            }
        }
        let deadline = Instant::now() + SOON;
        while broker.stats().connections > 0 {
            assert!(Instant::now() < deadline, "{:?}", broker.stats());
            thread::yield_now();
        }
        resident()
    };
    let before = round(10_000);
    let after = round(10_000);
    assert!(after < before + 1024 * 1024, "{before} -> {after}");
    assert!(broker.stats().connections_total == 20_000 && broker.stats().sessions == 0);
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
