//! What the index and the retained store do, by example, against models, and under hostile use.

mod hostile;
mod index;
mod model;
mod retained;

use libmqtt_codec::{QoS, SubscriptionOptions, TopicFilter};

use super::{Hit, Index, SessionKey, Subscriber};

fn session(index: u32) -> SessionKey {
    SessionKey { shard: (index % 3) as u16, index, generation: 9 }
}

fn subscriber(index: u32, identifier: u32) -> Subscriber {
    let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..Default::default() };
    Subscriber::new(session(index), options, identifier, false)
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

fn subscribe(index: &mut Index, text: &str, who: u32) -> bool {
    index.subscribe(filter(text), subscriber(who, 0), true)
}

/// The sessions of ordinary subscriptions that match, in order.
fn sessions(index: &Index, topic: &str) -> Vec<u32> {
    let mut found = Vec::new();
    index.matches(topic, &mut |hit| {
        if let Hit::Subscriber(one) = hit {
            found.push(one.session.index);
        }
    });
    found
}
