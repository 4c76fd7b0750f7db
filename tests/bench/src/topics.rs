//! The index of subscriptions and the store of retained messages.

use libmqtt_runtime::codec::{SubscriptionOptions, TopicFilter};
use libmqtt_runtime::engine::topic::{Index, Retained, SessionKey, Subscriber};

use crate::meter::{Meter, Whose};
use crate::table::Table;

/// Topics that are looked up in one round.
const LOOKUPS: usize = 1024;

/// Filter number `n`: one in ten has a wildcard.
fn filter(n: usize) -> String {
    match n % 10 {
        0 => format!("site/{}/+/device/{n}", n % 100),
        _ => format!("site/{}/floor/device/{n}/state", n % 100),
    }
}

/// A topic that filter number `n` alone matches.
fn topic(n: usize) -> String {
    filter(n).replace('+', "floor")
}

fn subscriber(n: usize) -> Subscriber {
    let session = SessionKey { shard: 0, index: n as u32 % 1000, generation: 0 };
    Subscriber::new(session, SubscriptionOptions::default(), 0, false)
}

fn index(filters: &[String]) -> Index {
    let mut index = Index::new(7);
    for (n, filter) in filters.iter().enumerate() {
        let filter = TopicFilter::new(filter).expect("it is valid");
        index.subscribe(filter, subscriber(n), true);
    }
    index
}

/// Some numbers below `count`, all over it.
fn sample(count: usize) -> impl Iterator<Item = usize> {
    (0..LOOKUPS).map(move |n| n.wrapping_mul(0x9E37_79B9) % count)
}

/// What it costs with so many filters, or retained messages.
pub fn tables(meter: Meter, counts: &[usize]) -> [Table; 4] {
    let mut subscribe = Table::new("subscribe, so many filters", "filter");
    let mut matching = Table::new("match one, of so many filters", "topic");
    let mut unsubscribe = Table::new("unsubscribe, of so many filters", "filter");
    let mut retained = Table::new("retained: find one by name, of so many", "filter");
    for &count in counts {
        let filters: Vec<String> = (0..count).map(filter).collect();
        let name = count.to_string();
        let row = subscribe.add(&name, meter.cost_once(count, || (), |()| index(&filters)));
        subscribe.relate(row, 0);

        let full = index(&filters);
        let topics: Vec<String> = sample(count).map(topic).collect();
        let cost = meter.cost(Whose::Thread, LOOKUPS, || {
            for topic in &topics {
                let mut hits = 0;
                full.matches(topic, &mut |_| hits += 1);
                assert_eq!(hits, 1, "{topic}");
            }
        });
        let row = matching.add(&name, cost);
        matching.relate(row, 0);

        let some: Vec<usize> = {
            let mut some: Vec<usize> = sample(count).collect();
            some.sort_unstable();
            some.dedup();
            some
        };
        let cost = meter.cost_once(
            some.len(),
            || index(&filters),
            |mut index| {
                for &n in &some {
                    let filter = TopicFilter::new(&filters[n]).expect("it is valid");
                    assert!(index.unsubscribe(filter, subscriber(n).session));
                }
                index
            },
        );
        let row = unsubscribe.add(&name, cost);
        unsubscribe.relate(row, 0);

        let mut store = Retained::new(7);
        for n in 0..count {
            store.set(&topic(n), n, 100);
        }
        let cost = meter.cost(Whose::Thread, LOOKUPS, || {
            for topic in &topics {
                let mut hits = 0;
                store.matches(TopicFilter::new(topic).expect("it is valid"), &mut |_| hits += 1);
                assert_eq!(hits, 1, "{topic}");
            }
        });
        let row = retained.add(&name, cost);
        retained.relate(row, 0);
    }
    [subscribe, matching, unsubscribe, retained]
}
