//! Duties that more than one version has, as functions of the version.

pub(crate) mod client;
pub(crate) mod connack;
pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod header;
pub(crate) mod ids;
pub(crate) mod keep_alive;
pub(crate) mod order;
pub(crate) mod publish;
pub(crate) mod qos;
pub(crate) mod retain;
pub(crate) mod session;
pub(crate) mod subscribe;
pub(crate) mod text;
pub(crate) mod topic;
pub(crate) mod unsubscribe;
pub(crate) mod web;
pub(crate) mod will;

use libmqtt_conformance::wire::Wire;
use libmqtt_conformance::{Version, World};

/// A fresh broker refuses this first packet as malformed: 3.1.1 closes without a word, 5.0 may
/// say why in a CONNACK.
#[track_caller]
pub(crate) fn refuses_connect(v: Version, packet: impl Wire, codes: &[u8]) {
    let world = World::new();
    let mut peer = world.open(v);
    peer.send(packet);
    match v {
        Version::V5 => peer.expect_refused(codes),
        _ => peer.expect_closed(),
    }
}

/// A fresh broker ends the connection of a client that sends this.
#[track_caller]
pub(crate) fn throws_out(v: Version, packet: impl Wire, codes: &[u8]) {
    let world = World::new();
    let mut peer = world.connect(v, "peer");
    peer.send(packet);
    peer.expect_thrown_out(codes);
}
