//! What binds a client, as functions of the version.

pub(crate) mod connect;
pub(crate) mod flow;
pub(crate) mod packets;
pub(crate) mod publish;
pub(crate) mod requests;
pub(crate) mod web;

use libmqtt_conformance::wire::{Wire, connack};
use libmqtt_conformance::{ClientWorld, Peer, Version};
use libmqtt_engine::client::{CleanStart, ClientConfig};

/// A session that outlives its connections.
pub(crate) fn lasting(config: &mut ClientConfig) {
    config.session_expiry_s = 3600;
    config.clean_start = CleanStart::Never;
}

/// A client with a lasting session, online.
pub(crate) fn keeper(v: Version) -> (ClientWorld, Peer) {
    ClientWorld::online(v, lasting)
}

/// The connection breaks, and the client comes back to a server that has its session.
pub(crate) fn resume(world: &ClientWorld, server: Peer) -> Peer {
    server.cut();
    world.connect_with(connack(true, 0))
}

/// A client ends the connection to a server that sends this; in 5.0 it says why.
#[track_caller]
pub(crate) fn rejects(v: Version, packet: impl Wire, codes: &[u8]) {
    let (_world, mut server) = ClientWorld::online(v, |_| {});
    server.send(packet);
    server.expect_thrown_out(codes);
}
