//! `-D COMMAND PROPERTY VALUE`: properties of MQTT 5.0, for each packet of their own.

use libmqtt_runtime::{PropertiesBuf, Property};

use crate::args::Args;
use crate::exit::Failure;

/// Properties by the packet that carries them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PacketProperties {
    pub(crate) connect: PropertiesBuf,
    pub(crate) will: PropertiesBuf,
    pub(crate) publish: PropertiesBuf,
    pub(crate) subscribe: PropertiesBuf,
    pub(crate) unsubscribe: PropertiesBuf,
    pub(crate) disconnect: PropertiesBuf,
}

/// What may stand where. The value's type is known from the name.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "connect",
        &[
            "authentication-data",
            "authentication-method",
            "maximum-packet-size",
            "receive-maximum",
            "request-problem-information",
            "request-response-information",
            "session-expiry-interval",
            "topic-alias-maximum",
            "user-property",
        ],
    ),
    (
        "will",
        &[
            "content-type",
            "correlation-data",
            "message-expiry-interval",
            "payload-format-indicator",
            "response-topic",
            "user-property",
            "will-delay-interval",
        ],
    ),
    (
        "publish",
        &[
            "content-type",
            "correlation-data",
            "message-expiry-interval",
            "payload-format-indicator",
            "response-topic",
            "user-property",
        ],
    ),
    ("subscribe", &["subscription-identifier", "user-property"]),
    ("unsubscribe", &["user-property"]),
    ("disconnect", &["reason-string", "session-expiry-interval", "user-property"]),
];

impl PacketProperties {
    /// Reads the words behind `-D`.
    pub(crate) fn option(&mut self, args: &mut Args) -> Result<(), Failure> {
        let command = args.text()?.to_ascii_lowercase();
        let name = args.text()?;
        let Some((_, allowed)) = ALLOWED.iter().find(|(packet, _)| *packet == command) else {
            let known: Vec<&str> = ALLOWED.iter().map(|(packet, _)| *packet).collect();
            let known = known.join(", ");
            return Err(args.wrong(format!("'{command}' is none of {known}")));
        };
        if (command.as_str(), name.as_str()) == ("publish", "topic-alias") {
            return Err(args.wrong("topic aliases are assigned automatically"));
        }
        if !allowed.contains(&name.as_str()) {
            let allowed = allowed.join(", ");
            return Err(args.wrong(format!("'{name}' is no property of {command}: {allowed}")));
        }
        let section = match command.as_str() {
            "connect" => &mut self.connect,
            "will" => &mut self.will,
            "publish" => &mut self.publish,
            "subscribe" => &mut self.subscribe,
            "unsubscribe" => &mut self.unsubscribe,
            _ => &mut self.disconnect,
        };
        push(section, &name, args)
    }

    /// Whether there is none at all.
    pub(crate) fn is_empty(&self) -> bool {
        *self == PacketProperties::default()
    }
}

fn push(section: &mut PropertiesBuf, name: &str, args: &mut Args) -> Result<(), Failure> {
    let text;
    let value;
    let property = match name {
        "authentication-data"
        | "authentication-method"
        | "content-type"
        | "correlation-data"
        | "reason-string"
        | "response-topic" => {
            text = args.text()?;
            match name {
                "authentication-data" => Property::AuthenticationData(text.as_bytes()),
                "authentication-method" => Property::AuthenticationMethod(&text),
                "content-type" => Property::ContentType(&text),
                "correlation-data" => Property::CorrelationData(text.as_bytes()),
                "reason-string" => Property::ReasonString(&text),
                _ => Property::ResponseTopic(&text),
            }
        }
        "user-property" => {
            text = args.text()?;
            value = args.text()?;
            Property::UserProperty(&text, &value)
        }
        "maximum-packet-size" => Property::MaximumPacketSize(args.number(1..=u32::MAX)?),
        "message-expiry-interval" => Property::MessageExpiryInterval(args.number(0..=u32::MAX)?),
        "session-expiry-interval" => Property::SessionExpiryInterval(args.number(0..=u32::MAX)?),
        "will-delay-interval" => Property::WillDelayInterval(args.number(0..=u32::MAX)?),
        "subscription-identifier" => {
            Property::SubscriptionIdentifier(args.number(1..=268_435_455)?)
        }
        "receive-maximum" => Property::ReceiveMaximum(args.number(1..=u16::MAX)?),
        "topic-alias-maximum" => Property::TopicAliasMaximum(args.number(0..=u16::MAX)?),
        "payload-format-indicator" => Property::PayloadFormatIndicator(flag(args)?),
        "request-problem-information" => Property::RequestProblemInformation(flag(args)?),
        _ => Property::RequestResponseInformation(flag(args)?),
    };
    section.push(property).map_err(|error| args.wrong(format!("{name}: {error}")))
}

fn flag(args: &mut Args) -> Result<bool, Failure> {
    Ok(args.number(0..=1)? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::words;

    fn read(line: &str) -> Result<PacketProperties, Failure> {
        let mut args = Args::new(words(line));
        let mut properties = PacketProperties::default();
        while args.next()?.is_some() {
            properties.option(&mut args)?;
        }
        Ok(properties)
    }

    #[test]
    fn each_property_goes_to_its_packet() {
        let line = "-D connect receive-maximum 7 -D PUBLISH user-property a b \
                    -D publish user-property a -c -D publish correlation-data x \
                    -D will will-delay-interval 9 -D subscribe subscription-identifier 268435455 \
                    -D disconnect session-expiry-interval 4294967295 -D unsubscribe user-property x ''";
        let properties = read(line).unwrap();
        assert_eq!(properties.connect.view().receive_maximum(), Some(7));
        let pairs: Vec<_> = properties.publish.view().user_properties().collect();
        assert_eq!(pairs, [("a", "b"), ("a", "-c")]);
        assert_eq!(properties.publish.view().correlation_data(), Some(&b"x"[..]));
        assert_eq!(properties.will.view().will_delay_interval(), Some(9));
        let ids: Vec<_> = properties.subscribe.view().subscription_identifiers().collect();
        assert_eq!(ids, [268_435_455]);
        assert_eq!(properties.disconnect.view().session_expiry_interval(), Some(u32::MAX));
        assert!(!properties.is_empty() && read("").unwrap().is_empty());
    }

    #[test]
    fn every_allowed_property_can_be_given() {
        for (command, names) in ALLOWED {
            for name in *names {
                let value = if *name == "user-property" { "1 1" } else { "1" };
                let properties = read(&format!("-D {command} {name} {value}")).unwrap();
                assert!(!properties.is_empty(), "{command} {name}");
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        let check = |line: &str, wanted: &str| {
            let message = read(line).unwrap_err().message;
            assert!(message.contains(wanted), "{line}: {message}");
        };
        check("-D pub user-property a b", "'pub' is none of connect, will, publish");
        check("-D publish foo b", "'foo' is no property of publish: content-type, ");
        check("-D publish receive-maximum 4", "'receive-maximum' is no property of publish");
        check("-D publish message-expiry-interval xx", "'xx' is not a number");
        check("-D connect receive-maximum 0", "'0' is not a number between 1 and 65535");
        check("-D publish payload-format-indicator 2", "between 0 and 1");
        check("-D publish topic-alias 2", "assigned automatically");
        check("-D publish user-property a", "-D needs a value");
        check("-D publish content-type a -D publish content-type b", "content-type: ");
    }
}
