//! A moment of it, with every other test.

use std::time::Duration;

use libmqtt_soak::{Plan, run};

#[test]
fn those_who_stay_lose_nothing_while_others_come_and_go() {
    let report = run(&Plan { span: Duration::from_secs(3), shards: 3, churners: 4 });
    assert!(report.connections > 10 && report.checked > 10, "{report:?}");
    let (before, after) = (&report.usage[0], &report.usage[report.usage.len() - 1]);
    assert_eq!(after.descriptors, before.descriptors, "{report:?}");
}
