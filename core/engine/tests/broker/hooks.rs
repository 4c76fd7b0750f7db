use std::sync::{Arc, Mutex};

use libmqtt_engine::broker::BrokerConfig;
use libmqtt_engine::codec::{Publish, QoS, Reason, Subscription};
use libmqtt_engine::{Authenticate, ClientInfo, Hooks, Ticket, Verdict};

use super::cluster::{Cluster, client};

/// Puts every question off and notes its ticket.
#[derive(Clone, Default)]
struct Asker(Arc<Mutex<Vec<(&'static str, Ticket)>>>);

impl Asker {
    fn ask(&self, what: &'static str, ticket: Ticket) -> Verdict {
        self.0.lock().unwrap().push((what, ticket));
        Verdict::Later
    }

    fn asked(&self, what: &str) -> Ticket {
        let (asked, ticket) = self.0.lock().unwrap().pop().expect("a question");
        assert_eq!(asked, what);
        assert!(self.0.lock().unwrap().is_empty(), "one question at a time");
        ticket
    }
}

impl Hooks for Asker {
    fn authenticate(&mut self, ticket: Ticket, _: &Authenticate<'_>) -> Verdict {
        self.ask("connect", ticket)
    }

    fn authorise_publish(&mut self, ticket: Ticket, _: &ClientInfo, _: &Publish<'_>) -> Verdict {
        self.ask("publish", ticket)
    }

    fn authorise_subscribe(
        &mut self,
        ticket: Ticket,
        _: &ClientInfo,
        _: &Subscription<'_>,
    ) -> Verdict {
        self.ask("subscribe", ticket)
    }
}

#[test]
fn packets_wait_in_order_for_answers_that_come_later() {
    let asker = Asker::default();
    let hooks = asker.clone();
    let mut cluster =
        Cluster::with_hooks(1, BrokerConfig::default(), move |_| Box::new(hooks.clone()));
    let answer = |cluster: &mut Cluster, ticket, verdict| {
        let now = cluster.now;
        cluster.shards[0].handle_verdict(now, ticket, verdict);
        cluster.settle();
    };
    let each = cluster.connect(client("each"));
    assert!(cluster.received(each).is_empty());
    assert!(cluster.is_paused(each));
    // All sent before the first answer: they are taken up one by one.
    cluster.subscribe(each, "t", QoS::AtLeastOnce);
    cluster.publish(each, "t", "allowed", QoS::AtLeastOnce);
    cluster.publish(each, "t", "denied", QoS::AtLeastOnce);
    let connect = asker.asked("connect");
    answer(&mut cluster, connect, Verdict::Allow);
    assert_eq!(cluster.received(each), ["ConnAck"]);
    let subscribe = asker.asked("subscribe");
    answer(&mut cluster, Ticket(12345), Verdict::Deny(Reason::NotAuthorized));
    answer(&mut cluster, connect, Verdict::Deny(Reason::NotAuthorized));
    assert!(cluster.received(each).is_empty(), "old and foreign tickets change nothing");
    answer(&mut cluster, subscribe, Verdict::Allow);
    assert_eq!(cluster.received(each), ["SubAck"]);
    let publish = asker.asked("publish");
    answer(&mut cluster, publish, Verdict::Allow);
    assert_eq!(cluster.received(each), ["t allowed 1", "PubAck"]);
    let publish = asker.asked("publish");
    answer(&mut cluster, publish, Verdict::Deny(Reason::NotAuthorized));
    assert_eq!(cluster.received(each), ["PubAck"]);
    assert!(!cluster.is_paused(each));
}

#[test]
fn a_client_that_leaves_while_its_question_is_open_is_gone() {
    let asker = Asker::default();
    let hooks = asker.clone();
    let mut cluster =
        Cluster::with_hooks(1, BrokerConfig::default(), move |_| Box::new(hooks.clone()));
    let each = cluster.connect(client("each"));
    cluster.cut(each);
    let other = cluster.connect(client("other"));
    let (_, first) = asker.0.lock().unwrap()[0];
    let now = cluster.now;
    cluster.shards[0].handle_verdict(now, first, Verdict::Allow);
    cluster.settle();
    assert!(cluster.received(other).is_empty(), "the answer was not for this one");
    assert_eq!(cluster.stats().connections, 0);
}

#[test]
fn a_packet_in_two_parts_is_asked_for_alone() {
    let asker = Asker::default();
    let hooks = asker.clone();
    let mut cluster =
        Cluster::with_hooks(1, BrokerConfig::default(), move |_| Box::new(hooks.clone()));
    let answer = |cluster: &mut Cluster, ticket| {
        let now = cluster.now;
        cluster.shards[0].handle_verdict(now, ticket, Verdict::Allow);
        cluster.settle();
    };
    let each = cluster.connect(client("each"));
    let connect = asker.asked("connect");
    answer(&mut cluster, connect);
    assert_eq!(cluster.received(each), ["ConnAck"]);
    // PUBLISH at QoS 1 with Packet Identifiers 1 and 2; the second part of the first comes with
    // all of the second.
    let first = [0x32, 6, 0, 1, b't', 0, 1, b'a'];
    let second = [0x32, 6, 0, 1, b't', 0, 2, b'b'];
    cluster.send_bytes(each, &first[..5]);
    cluster.send_bytes(each, &[&first[5..], &second].concat());
    let publish = asker.asked("publish");
    answer(&mut cluster, publish);
    assert_eq!(cluster.received(each), ["PubAck"]);
    let publish = asker.asked("publish");
    answer(&mut cluster, publish);
    assert_eq!(cluster.received(each), ["PubAck"]);
}
