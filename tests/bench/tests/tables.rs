//! Every benchmark runs, and finds what it counts right.

use std::time::Duration;

use libmqtt_bench::load::{Load, World};
use libmqtt_bench::meter::Meter;
use libmqtt_bench::table::Table;
use libmqtt_bench::{client, codec, shards, topics};

const ONCE: Meter = Meter { sample: Duration::ZERO, samples: 1, rounds: 1 };

fn check(table: &Table, rows: usize) {
    assert_eq!(table.costs().count(), rows);
    assert!(table.costs().all(|ns| ns.is_finite() && ns > 0.0), "{table}");
    assert_eq!(table.to_string().lines().count(), rows + 2);
}

#[test]
fn every_table_is_filled() {
    codec::tables(ONCE).iter().for_each(|table| check(table, 8));
    topics::tables(ONCE, &[10, 1000]).iter().for_each(|table| check(table, 2));
    check(&shards::table(ONCE, ""), 36);
    let growth = shards::growth(ONCE, 0.01);
    growth.iter().zip([1, 2, 2, 3]).for_each(|(table, rows)| check(table, rows));
    check(&client::table(ONCE), 6);
}

/// Once the first round has made its buffers, a message costs no allocation, whatever its QoS and
/// however many shards it crosses.
#[test]
fn messages_allocate_nothing() {
    for (name, load) in shards::loads() {
        for shards in [1, 2] {
            let mut world = World::new(Load { shards, ..load });
            // The buffers go round, so that each of them has to grow.
            (0..20).for_each(|_| world.round());
            let info = allocation_counter::measure(|| world.round());
            let messages = world.messages() as u64;
            assert!(
                info.count_total * 100 <= messages,
                "{name}, {shards} shards: {} allocations for {messages} messages",
                info.count_total
            );
        }
    }
}
