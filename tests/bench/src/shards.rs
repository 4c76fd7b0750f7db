//! What a message costs the broker's shards, without sockets.

use libmqtt_runtime::{QoS, Version};

use crate::load::{Load, World};
use crate::meter::{Meter, Whose};
use crate::table::Table;

/// What a message costs with this load.
pub fn cost(meter: Meter, load: Load) -> f64 {
    let mut world = World::new(load);
    let (before, messages) = (world.written(), world.messages());
    let mut rounds = 0;
    let cost = meter.cost(Whose::Thread, messages, || {
        world.round();
        rounds += 1;
    });
    assert_eq!(world.written() - before, rounds * messages as u64, "{load:?}: all arrive");
    cost
}

/// The loads of the table, by name.
pub fn loads() -> Vec<(String, Load)> {
    let mut loads = Vec::new();
    for (name, load) in
        [("pairs", Load::PAIRS), ("fan-in", Load::FAN_IN), ("fan-out", Load::FAN_OUT)]
    {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for (version, word) in [(Version::V311, "3.1.1"), (Version::V5, "5.0")] {
                let load = Load { qos, version, ..load };
                loads.push((format!("{name}, QoS {}, {word}", qos as u8), load));
            }
        }
    }
    loads
}

/// Every load in whose name `case` occurs, with one shard, and with two in one thread.
pub fn table(meter: Meter, case: &str) -> Table {
    let mut table = Table::new("one thread (two shards: ratio to one)", "message");
    for (name, load) in loads().into_iter().filter(|(name, _)| name.contains(case)) {
        let one = table.add(name.as_str(), cost(meter, load));
        let two = cost(meter, Load { shards: 2, ..load });
        let two = table.add(format!("{name}, two shards"), two);
        table.relate(two, one);
    }
    table
}

/// How the cost grows, `scale` (up to 1) telling how far.
pub fn growth(meter: Meter, scale: f64) -> [Table; 4] {
    let upto = |values: &[usize]| -> Vec<usize> {
        let most = values.last().map_or(0, |&last| (last as f64 * scale) as usize);
        values.iter().copied().filter(|&value| value <= most.max(values[0])).collect()
    };
    let mut connections = Table::new("pairs, so many connections", "message");
    for count in upto(&[100, 1000, 10_000]) {
        let load = Load { publishers: count / 2, subscribers: count / 2, ..Load::PAIRS };
        let row = connections.add(count.to_string(), cost(meter, load));
        connections.relate(row, 0);
    }
    let mut filters = Table::new("pairs, so many filters", "message");
    for count in upto(&[1000, 10_000, 100_000, 1_000_000]) {
        let row =
            filters.add(count.to_string(), cost(meter, Load { others: count, ..Load::PAIRS }));
        filters.relate(row, 0);
    }
    let mut receivers = Table::new("one publisher, so many receivers", "message");
    for count in upto(&[1, 10, 100, 1000, 5000]) {
        let load = Load { subscribers: count, ..Load::FAN_OUT };
        let row = receivers.add(count.to_string(), cost(meter, load));
        receivers.relate(row, 0);
    }
    let mut payload = Table::new("pairs, payload of so many bytes", "message");
    for bytes in upto(&[16, 256, 4096, 65_536, 1_048_576]) {
        let load =
            Load { payload: bytes, publishers: 10, subscribers: 10, burst: 2, ..Load::PAIRS };
        let row = payload.add_bytes(bytes.to_string(), cost(meter, load), bytes);
        payload.relate(row, 0);
    }
    [connections, filters, receivers, payload]
}
