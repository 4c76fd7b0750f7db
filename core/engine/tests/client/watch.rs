//! Clients whose packets are watched.

use super::*;
use QoS::AtLeastOnce;

fn wire(packet: Packet<'_>) -> Box<[u8]> {
    let mut wire = Vec::new();
    packet.encode(Version::V311, &mut wire).unwrap();
    wire.into()
}

#[test]
fn every_packet_is_told_in_its_place() {
    let mut rig = Rig::new(config(Version::V311));
    rig.client.watch(true);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.client.handle_open(rig.now);
    assert!(matches!(rig.event(), Some(Event::PacketSent(packet)) if packet[0] == 0x10));
    rig.nothing();
    rig.written();
    let accepted = connack(false, Properties::EMPTY);
    rig.send(&accepted);
    assert_eq!(rig.event(), Some(Event::PacketReceived(wire(accepted))));
    rig.connected();

    // A question of ours and its answer, a message and its acknowledgement, in one read.
    let token = rig.publish("a", "x", AtLeastOnce);
    assert_eq!(rig.event(), Some(Event::PacketSent(wire(publish("a", "x", AtLeastOnce, 1)))));
    rig.written();
    let both = [ack(AckKind::PubAck, 1), publish("b", "y", AtLeastOnce, 9)];
    let bytes: Vec<u8> = both.iter().flat_map(|packet| wire(*packet)).collect();
    let (first, rest) = bytes.split_at(5); // the second comes in parts
    rig.client.handle_data(rig.now, first);
    rig.client.handle_data(rig.now, rest);
    assert_eq!(rig.event(), Some(Event::PacketReceived(wire(both[0]))));
    rig.acknowledged(token);
    assert_eq!(rig.event(), Some(Event::PacketReceived(wire(both[1]))));
    rig.received();
    assert_eq!(rig.event(), Some(Event::PacketSent(wire(ack(AckKind::PubAck, 9)))));
    rig.nothing();

    rig.client.watch(false);
    rig.publish("a", "z", AtLeastOnce);
    rig.nothing();
    // From the next packet on.
    rig.client.watch(true);
    rig.nothing();
}

#[test]
fn the_last_packet_is_told_before_the_end() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    rig.client.watch(true);
    rig.send(&Packet::PingReq);
    assert!(matches!(rig.event(), Some(Event::PacketReceived(_))));
    assert!(matches!(rig.event(), Some(Event::PacketSent(packet)) if packet[0] == 0xe0));
    rig.closed();
    rig.disconnected();
}
