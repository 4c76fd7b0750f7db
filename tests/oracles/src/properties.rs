//! What must hold for any bytes in the place of a property section.

use libmqtt_codec::{Carrier, PacketType, Properties, PropertiesBuf, Property, PropertyId, Side};

/// Reads `input` as the section of everything that has one, from either side. What is accepted
/// can be built again property by property, to the same bytes; and one taken out leaves the
/// others.
pub fn properties(input: &[u8]) {
    let carriers = (1..=15).filter_map(PacketType::from_u8).map(Carrier::Packet);
    for carrier in carriers.chain([Carrier::Will]) {
        for from in [Side::Client, Side::Server] {
            match Properties::decode(input, carrier, from) {
                Ok(section) => holds(section, carrier, from),
                Err(error) => assert!(error.reason().is_error(), "{error}"),
            }
        }
    }
    // Bytes that nobody has checked end the walk and do no harm.
    let unchecked = Properties::assume_checked(input);
    assert!(unchecked.iter().count() <= input.len());
    for id in (0..=255).filter_map(PropertyId::from_u8) {
        let _ = unchecked.has(id);
    }
}

fn holds(section: Properties<'_>, carrier: Carrier, from: Side) {
    let all: Vec<Property<'_>> = section.iter().collect();
    let build = |properties: &[Property<'_>]| {
        let mut built = PropertiesBuf::new();
        for property in properties {
            built.push(*property).unwrap_or_else(|error| panic!("{property:?}: {error}"));
        }
        built
    };
    let built = build(&all);
    assert_eq!(built.view().as_bytes(), section.as_bytes(), "{all:?}");
    for id in (0..=255).filter_map(PropertyId::from_u8) {
        assert_eq!(section.has(id), all.iter().any(|property| property.id() == id), "{id:?}");
        let mut less = build(&all);
        less.remove(id);
        let others: Vec<_> = all.iter().copied().filter(|property| property.id() != id).collect();
        assert_eq!(less.view(), build(&others).view(), "without {id:?}");
        let again = Properties::decode(less.view().as_bytes(), carrier, from);
        // Authentication Data cannot stand without its method.
        assert!(again == Ok(less.view()) || id == PropertyId::AuthenticationMethod, "{again:?}");
    }
}
