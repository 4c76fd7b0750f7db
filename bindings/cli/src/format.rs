//! `sub -F FORMAT`: how a message is printed.
//!
//! `%` starts a part of the message, `@` a part of the time as strftime names it, `\` a character
//! that is hard to type. [`Format::parse`] says everything that can be wrong with a format, so
//! that printing cannot fail, but for a payload that is to be JSON and is not.

use std::io::Write;

use jiff::Zoned;
use jiff::fmt::strtime;
use libmqtt_runtime::{Property, Publish};

use crate::json;

/// A format, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    /// A conversion of strftime: `%Y`.
    Time(String),
    /// Nanoseconds of the second.
    Nanos,
    Field(Field),
}

/// A part of the message and the room it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    letter: char,
    zero: bool,
    left: bool,
    width: usize,
    max: usize,
}

/// A payload that is to be printed as JSON is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// Fields whose value is a number, which may be padded with zeros.
const NUMBERS: &str = "AEFlSxX";
const FIELDS: &str = "ACDEFIJPRSUXjlpqrtx";
/// Wider fields than this are a mistake.
const WIDTH_MAX: usize = 10_000;

impl Format {
    /// Only the payload.
    pub(crate) fn payload() -> Format {
        Format { pieces: vec![Piece::Field(Field::plain('p'))] }
    }

    /// Topic and payload, as `-v` prints them.
    pub(crate) fn verbose() -> Format {
        let (topic, payload) = (Field::plain('t'), Field::plain('p'));
        let space = Piece::Literal(b" ".to_vec());
        Format { pieces: vec![Piece::Field(topic), space, Piece::Field(payload)] }
    }

    /// Reads a format; `Err` says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Format, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let piece = match c {
                '%' => match Field::parse(&mut rest)? {
                    None => Err(b'%'),
                    Some(field) => Ok(Piece::Field(field)),
                },
                '@' => match rest.next().ok_or("format ends after '@'")? {
                    '@' => Err(b'@'),
                    'N' => Ok(Piece::Nanos),
                    letter => Ok(Piece::Time(conversion(letter)?)),
                },
                '\\' => Err(escape(rest.next().ok_or("format ends after '\\'")?)?),
                other => {
                    literal.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            match piece {
                Err(byte) => literal.push(byte),
                Ok(piece) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(core::mem::take(&mut literal)));
                    }
                    pieces.push(piece);
                }
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Format { pieces })
    }

    /// Appends the message as it is to be printed. `pretty`: JSON over several lines.
    pub(crate) fn render(
        &self,
        message: &Publish<'_>,
        at: &Zoned,
        pretty: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), NotJson> {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Time(conversion) => append_time(conversion, at, out),
                Piece::Nanos => append(out, format_args!("{:09}", at.subsec_nanosecond())),
                Piece::Field(field) => field.render(message, at, pretty, out)?,
            }
        }
        Ok(())
    }
}

impl Field {
    fn plain(letter: char) -> Field {
        Field { letter, zero: false, left: false, width: 0, max: usize::MAX }
    }

    /// Reads what follows a `%`; none for a second one.
    fn parse(rest: &mut core::str::Chars<'_>) -> Result<Option<Field>, String> {
        let mut field = Field::plain('%');
        let mut max = None;
        loop {
            let c = rest.next().ok_or("format ends within '%'")?;
            match c {
                '0' if field.width == 0 && max.is_none() => field.zero = true,
                '-' => field.left = true,
                '.' => max = Some(0),
                '0'..='9' => {
                    let number = max.as_mut().unwrap_or(&mut field.width);
                    *number = *number * 10 + c as usize - '0' as usize;
                    if *number > WIDTH_MAX {
                        return Err(format!("width in format is greater than {WIDTH_MAX}"));
                    }
                }
                '%' => return Ok(None),
                _ if FIELDS.contains(c) => {
                    field.letter = c;
                    field.max = max.unwrap_or(usize::MAX);
                    return Ok(Some(field));
                }
                'm' => return Err("'%m' (the message id) is not supported".to_owned()),
                _ => return Err(format!("format has no '%{c}'")),
            }
        }
    }

    fn render(
        &self,
        message: &Publish<'_>,
        at: &Zoned,
        pretty: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), NotJson> {
        let start = out.len();
        self.value(message, at, pretty, out)?;
        if self.max != usize::MAX {
            truncate(out, start, self.max);
        }
        let length = match core::str::from_utf8(&out[start..]) {
            Ok(text) if self.width > 0 => text.chars().count(),
            _ => out.len() - start,
        };
        let room = self.width.saturating_sub(length);
        if self.left {
            out.extend(core::iter::repeat_n(b' ', room));
        } else if room > 0 {
            let pad = if self.zero && NUMBERS.contains(self.letter) { b'0' } else { b' ' };
            out.splice(start..start, core::iter::repeat_n(pad, room));
        }
        Ok(())
    }

    fn value(
        &self,
        message: &Publish<'_>,
        at: &Zoned,
        pretty: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), NotJson> {
        let properties = message.properties;
        match self.letter {
            't' => out.extend_from_slice(message.topic.as_bytes()),
            'p' => out.extend_from_slice(message.payload),
            'x' => message.payload.iter().for_each(|byte| append(out, format_args!("{byte:02x}"))),
            'X' => message.payload.iter().for_each(|byte| append(out, format_args!("{byte:02X}"))),
            'l' => append(out, format_args!("{}", message.payload.len())),
            'q' => append(out, format_args!("{}", message.qos as u8)),
            'r' => append(out, format_args!("{}", u8::from(message.retain))),
            'I' => append_time("%Y-%m-%dT%H:%M:%S%z", at, out),
            'U' => {
                let at = at.timestamp();
                append(out, format_args!("{}.{:09}", at.as_second(), at.subsec_nanosecond()));
            }
            'j' => json::append(message, at, pretty, json::Payload::Text, out)?,
            'J' => json::append(message, at, pretty, json::Payload::Json, out)?,
            letter => {
                let start = out.len();
                for property in properties {
                    let before = out.len();
                    append_property(letter, &property, out);
                    if out.len() > before && before > start {
                        out.insert(before, b' ');
                    }
                }
            }
        }
        Ok(())
    }
}

/// Appends the property if it is the one that this letter stands for.
fn append_property(letter: char, property: &Property<'_>, out: &mut Vec<u8>) {
    match (letter, *property) {
        ('A', Property::TopicAlias(alias)) => append(out, format_args!("{alias}")),
        ('C', Property::ContentType(text)) | ('R', Property::ResponseTopic(text)) => {
            out.extend_from_slice(text.as_bytes());
        }
        ('D', Property::CorrelationData(data)) => out.extend_from_slice(data),
        ('E', Property::MessageExpiryInterval(seconds)) => append(out, format_args!("{seconds}")),
        ('F', Property::PayloadFormatIndicator(text)) => {
            append(out, format_args!("{}", u8::from(text)));
        }
        ('P', Property::UserProperty(name, value)) => append(out, format_args!("{name}:{value}")),
        ('S', Property::SubscriptionIdentifier(id)) => append(out, format_args!("{id}")),
        _ => {}
    }
}

/// Cuts what stands behind `start` to `max` characters (bytes, if it is not text).
fn truncate(out: &mut Vec<u8>, start: usize, max: usize) {
    let length = match core::str::from_utf8(&out[start..]) {
        Ok(text) => text.char_indices().nth(max).map_or(text.len(), |(at, _)| at),
        Err(_) => max,
    };
    out.truncate(start + length.min(out.len() - start));
}

fn escape(letter: char) -> Result<u8, String> {
    Ok(match letter {
        '\\' => b'\\',
        '0' => 0,
        'a' => 7,
        'e' => 27,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        _ => return Err(format!("format has no '\\{letter}'")),
    })
}

/// A conversion of strftime, tried once.
fn conversion(letter: char) -> Result<String, String> {
    let conversion = format!("%{letter}");
    match strtime::format(&conversion, &Zoned::default()) {
        Ok(_) => Ok(conversion),
        Err(_) => Err(format!("format has no '@{letter}'")),
    }
}

fn append_time(conversion: &str, at: &Zoned, out: &mut Vec<u8>) {
    // Every conversion was tried when the format was read.
    out.extend_from_slice(strtime::format(conversion, at).unwrap_or_default().as_bytes());
}

fn append(out: &mut Vec<u8>, text: core::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _: std::io::Result<()> = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use libmqtt_runtime::{PropertiesBuf, QoS};

    use super::*;

    pub(crate) fn at() -> Zoned {
        "2026-11-22T20:29:18.000123456+01:00[+01:00]".parse().unwrap()
    }

    fn properties() -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        for property in [
            Property::UserProperty("a", "b"),
            Property::ContentType("text"),
            Property::UserProperty("c", "d"),
            Property::MessageExpiryInterval(100),
            Property::PayloadFormatIndicator(true),
            Property::ResponseTopic("r/t"),
            Property::CorrelationData(b"a\"b"),
            Property::SubscriptionIdentifier(7),
            Property::SubscriptionIdentifier(9),
        ] {
            properties.push(property).unwrap();
        }
        properties
    }

    fn print(format: &str, pretty: bool, payload: &[u8]) -> Result<String, NotJson> {
        let properties = properties();
        let message = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: "töpic",
            packet_id: None,
            properties: properties.view(),
            payload,
        };
        let mut out = Vec::new();
        Format::parse(format).unwrap().render(&message, &at(), pretty, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn parts_of_a_message_are_printed() {
        let check = |format: &str, wanted: &str| {
            assert_eq!(print(format, false, b"kB").unwrap(), wanted, "{format}");
        };
        check("%t %p", "töpic kB");
        check("%l|%q|%r|%x|%X", "2|1|1|6b42|6B42");
        check("|%A|%C|%D|%E|%F|%R|", "||text|a\"b|100|1|r/t|");
        check("%P|%S", "a:b c:d|7 9");
        check("%I|%U", "2026-11-22T20:29:18+0100|1795375758.000123456");
        check("@Y-@m-@dT@H:@M:@S.@N@z @@", "2026-11-22T20:29:18.000123456+0100 @");
        check("%%\\t\\\\\\0\\e\\n", "%\t\\\0\x1b\n");
        check("", "");
    }

    #[test]
    fn fields_have_the_room_they_ask_for() {
        let check = |format: &str, wanted: &str| {
            assert_eq!(print(format, false, b"kB").unwrap(), wanted, "{format}");
        };
        check("|%6C|%-6C|%2C|", "|  text|text  |text|");
        check("|%6t|%-6t|%6.2t|%.2t|", "| töpic|töpic |    tö|tö|");
        check("|%05l|%5l|%-5l|%-05l|", "|00002|    2|2    |2    |");
        check("|%06x|%6p|%06p|", "|006b42|    kB|    kB|");
        check("|%3A|%03A|", "|   |000|");
        check("|%10E|%010E|", "|       100|0000000100|");
        check("|%3q|", "|  1|");
    }

    #[test]
    fn json_is_one_line_unless_pretty() {
        let json = print("%j", false, b"say \"hi\"").unwrap();
        assert_eq!(
            json,
            "{\"tst\":\"2026-11-22T20:29:18.000123+0100\",\"topic\":\"töpic\",\"qos\":1,\
             \"retain\":1,\"payloadlen\":8,\"properties\":{\"user-properties\":\
             {\"a\":\"b\",\"c\":\"d\"},\"content-type\":\"text\",\"message-expiry-interval\":100,\
             \"payload-format-indicator\":1,\"response-topic\":\"r/t\",\
             \"correlation-data\":\"a\\\"b\",\"subscription-identifier\":7,\
             \"subscription-identifier\":9},\"payload\":\"say \\\"hi\\\"\"}"
        );
        let json = print("%J", false, b" {\"z\": 1.0, \n \"a\":[1,null]}").unwrap();
        assert!(json.ends_with(",\"payload\":{\"z\":1.0,\"a\":[1,null]}}"), "{json}");
        let json = print("%J", true, b"{\"z\": 1}").unwrap();
        assert!(json.ends_with("\n\t\"payload\": {\n\t\t\"z\": 1\n\t}\n}"), "{json}");
        assert!(print("%J", false, b"").unwrap().ends_with(",\"payload\":null}"));
        assert_eq!(print("%J", false, b"{"), Err(NotJson));
        assert_eq!(print("%J", false, b"\xff"), Err(NotJson));
        assert!(print("%j", false, b"\xff").unwrap().ends_with("\"payload\":\"\u{FFFD}\"}"));
    }

    #[test]
    fn mistakes_in_a_format_are_named() {
        let check = |format: &str, wanted: &str| {
            assert_eq!(Format::parse(format).unwrap_err(), wanted, "{format}");
        };
        check("%z", "format has no '%z'");
        check("%m", "'%m' (the message id) is not supported");
        check("\\q", "format has no '\\q'");
        check("@!", "format has no '@!'");
        check("x%", "format ends within '%'");
        check("x%05", "format ends within '%'");
        check("x@", "format ends after '@'");
        check("x\\", "format ends after '\\'");
        check("%99999999999999999999t", "width in format is greater than 10000");
    }
}
