use std::sync::{Arc, Mutex};

use libmqtt_engine::broker::BrokerConfig;
use libmqtt_engine::codec::{
    Connect, Packet, Properties, PropertiesBuf, Property, Publish, QoS, Version, Will,
};
use libmqtt_engine::store::MemoryDisk;
use libmqtt_engine::{ClientInfo, Hooks, Instant, Rights};

use super::cluster::{Cluster, client, message};

/// Lets clients whose identifier begins with `bound` do what lies below these words only.
#[derive(Clone, Debug, Default)]
struct Words(Arc<Mutex<Vec<&'static str>>>);

impl Words {
    fn set(&self, words: &[&'static str]) {
        *self.0.lock().unwrap() = words.into();
    }

    fn has(&self, topic: &str) -> bool {
        self.0.lock().unwrap().iter().any(|word| topic.split('/').next() == Some(word))
    }
}

impl Rights for Words {
    fn may_read(&self, topic: &str) -> bool {
        self.has(topic)
    }

    fn may_write(&self, topic: &str) -> bool {
        self.has(topic)
    }
}

impl Hooks for Words {
    fn rights(&mut self, client: &ClientInfo) -> Option<Arc<dyn Rights>> {
        client.client_id.starts_with("bound").then(|| Arc::new(self.clone()) as Arc<dyn Rights>)
    }
}

fn cluster(shards: u16, words: &Words) -> Cluster {
    let words = words.clone();
    Cluster::with_hooks(shards, BrokerConfig::default(), move |_| Box::new(words.clone()))
}

/// Has all shards ask anew.
fn changed(cluster: &mut Cluster, words: &Words, new: &[&'static str]) {
    words.set(new);
    cluster.shards.iter_mut().for_each(|shard| shard.rights_changed());
    cluster.settle();
}

fn lasting<'a>(client_id: &'a str, properties: &'a PropertiesBuf) -> Connect<'a> {
    let version = Version::V5;
    Connect { version, clean_start: false, properties: properties.view(), ..client(client_id) }
}

#[test]
fn a_wildcard_brings_only_what_may_be_read_on_every_shard() {
    for shards in [1, 3] {
        let words = Words::default();
        words.set(&["a"]);
        let mut cluster = cluster(shards, &words);
        let bound: Vec<usize> =
            (0..5).map(|n| cluster.connect(client(&format!("bound{n}")))).collect();
        let free = cluster.connect(client("free"));
        for &each in bound.iter().chain([&free]) {
            cluster.subscribe(each, "#", QoS::AtLeastOnce);
            cluster.received(each);
        }
        let check = |cluster: &mut Cluster, wanted: &[&str]| {
            for topic in ["a/1", "b/1"] {
                cluster.publish(free, topic, "x", QoS::AtMostOnce);
            }
            for &each in &bound {
                assert_eq!(cluster.received(each), wanted);
            }
            assert_eq!(cluster.received(free), ["a/1 x 0", "b/1 x 0"]);
        };
        check(&mut cluster, &["a/1 x 0"]);
        check(&mut cluster, &["a/1 x 0"]);
        changed(&mut cluster, &words, &["b"]);
        check(&mut cluster, &["b/1 x 0"]);
        changed(&mut cluster, &words, &[]);
        check(&mut cluster, &[]);
    }
}

#[test]
fn retained_messages_that_may_not_be_read_are_not_sent() {
    let words = Words::default();
    words.set(&["a"]);
    let mut cluster = cluster(2, &words);
    let free = cluster.connect(client("free"));
    for topic in ["a/1", "b/1"] {
        let publish = Publish { retain: true, ..message(topic, "x", QoS::AtMostOnce) };
        cluster.send(free, &Packet::Publish(publish));
    }
    let bound = cluster.connect(client("bound"));
    cluster.received(bound);
    cluster.subscribe(bound, "#", QoS::AtMostOnce);
    assert_eq!(cluster.received(bound), ["SubAck", "a/1 retained x 0"]);
}

#[test]
fn a_shared_message_goes_to_a_member_that_may_read_it() {
    let words = Words::default();
    words.set(&["a"]);
    let mut cluster = cluster(2, &words);
    let bound = cluster.connect(client("bound"));
    let free = cluster.connect(client("free"));
    for each in [bound, free] {
        cluster.subscribe(each, "$share/s/#", QoS::AtMostOnce);
        cluster.received(each);
    }
    for _ in 0..4 {
        cluster.publish(free, "b/1", "x", QoS::AtMostOnce);
    }
    assert_eq!(cluster.received(free).len(), 4);
    assert!(cluster.received(bound).is_empty());
}

/// What waited for a client, or was on its way to it, is not sent to whom may not read it now.
#[test]
fn a_right_that_is_taken_away_counts_for_what_waits() {
    let words = Words::default();
    words.set(&["a", "b"]);
    let mut cluster = cluster(1, &words);
    let free = cluster.connect(client("free"));
    let mut properties = PropertiesBuf::new();
    properties.push(Property::SessionExpiryInterval(1000)).unwrap();
    properties.push(Property::ReceiveMaximum(2)).unwrap();
    let bound = cluster.connect(lasting("bound", &properties));
    cluster.subscribe(bound, "#", QoS::AtLeastOnce);
    cluster.received(bound);
    for topic in ["a/1", "b/1", "a/2", "b/2"] {
        cluster.publish(free, topic, "x", QoS::AtLeastOnce);
    }
    assert_eq!(cluster.received(bound), ["a/1 x 1", "b/1 x 1"]);
    cluster.cut(bound);
    changed(&mut cluster, &words, &["a"]);
    let before = cluster.stats();
    let bound = cluster.connect(lasting("bound", &properties));
    assert_eq!(cluster.received(bound), ["ConnAck", "a/1 x 1 dup", "a/2 x 1"]);
    let after = cluster.stats();
    assert_eq!((after.publish_dropped - before.publish_dropped, after.queued_messages), (1, 0));
}

#[test]
fn a_will_is_not_published_to_where_its_client_may_not_write_any_more() {
    let words = Words::default();
    words.set(&["a"]);
    let mut cluster = cluster(1, &words);
    let free = cluster.connect(client("free"));
    cluster.subscribe(free, "#", QoS::AtMostOnce);
    cluster.received(free);
    let will = Will {
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "a/will",
        properties: Properties::EMPTY,
        payload: b"x",
    };
    for (new, wanted) in [(&["a"][..], &["a/will x 0"][..]), (&["b"], &[])] {
        let bound = cluster.connect(Connect { will: Some(will), ..client("bound") });
        changed(&mut cluster, &words, new);
        cluster.cut(bound);
        assert_eq!(cluster.received(free), wanted);
        words.set(&["a"]);
    }
}

#[test]
fn sessions_that_were_stored_have_the_rights_of_today() {
    let (disk, words) = (MemoryDisk::new(), Words::default());
    words.set(&["a", "b"]);
    let start = Instant::from_nanos(1_000_000_000_000);
    let mut before = cluster(2, &words).restored(&disk, start);
    let durable = Connect { clean_start: false, ..client("bound") };
    let bound = before.connect(durable);
    before.subscribe(bound, "#", QoS::AtLeastOnce);
    disk.sync();
    before.poll_stores();
    assert_eq!(before.received(bound), ["ConnAck", "SubAck"]);
    drop(before);
    words.set(&["a"]);
    let mut after = cluster(2, &words).restored(&disk, start);
    let free = after.connect(client("free"));
    for topic in ["a/1", "b/1"] {
        after.publish(free, topic, "x", QoS::AtLeastOnce);
    }
    assert_eq!(after.stats().queued_messages, 1);
    let bound = after.connect(durable);
    disk.sync();
    after.poll_stores();
    assert_eq!(after.received(bound), ["ConnAck", "a/1 x 1"]);
}
