//! Every row of `topic-vectors.csv` against the index, the retained store and the plain matcher.

use libmqtt_codec::{TopicFilter, TopicName};
use libmqtt_engine::topic::{Index, Retained, SessionKey, Subscriber};

const VECTORS: &str = include_str!("../../../tests/vectors/topic-vectors.csv");

#[test]
fn index_and_retained_store_agree_with_every_vector() {
    let mut rows = 0;
    for line in VECTORS.lines().skip(1) {
        let cells = cells(line);
        let [vector, filter, topic, expected, mqtt] = &cells[..5] else {
            panic!("too few cells: {line}")
        };
        let (filter, topic) = (unescaped(filter), unescaped(topic));
        let parsed = match mqtt.as_str() {
            "all" | "5.0" => TopicFilter::new(&filter),
            "3.1.1" => TopicFilter::unshared(&filter),
            other => panic!("{vector}: no such version: {other}"),
        };
        match expected.as_str() {
            "match" => check(vector, parsed.unwrap(), &topic, true),
            "no_match" => check(vector, parsed.unwrap(), &topic, false),
            // The letter of the specification leaves it open; all our matchers must agree.
            "unspecified" => {
                let filter = parsed.unwrap();
                check(vector, filter, &topic, filter.matches(&topic));
            }
            "valid_filter" => assert!(parsed.is_ok(), "{vector}"),
            "invalid_filter" => assert!(parsed.is_err(), "{vector}"),
            "valid_topic" => assert!(TopicName::new(&topic).is_ok(), "{vector}"),
            "invalid_topic" => assert!(TopicName::new(&topic).is_err(), "{vector}"),
            other => panic!("{vector}: no such expectation: {other}"),
        }
        rows += 1;
    }
    assert_eq!(rows, 172);
}

/// Alone and among filters and topics that share its beginnings.
fn check(vector: &str, filter: TopicFilter<'_>, topic: &str, expected: bool) {
    assert_eq!(filter.matches(topic), expected, "{vector}: plain matcher");
    let session = |index| SessionKey { shard: 0, index, generation: 0 };
    let subscriber = |index| Subscriber::new(session(index), Default::default(), 0, false);

    for crowded in [false, true] {
        let mut index = Index::new(7);
        let mut retained = Retained::new(7);
        index.subscribe(filter, subscriber(0), true);
        if crowded {
            for (at, other) in relatives(filter.filter()).iter().enumerate() {
                if let Ok(other) = TopicFilter::unshared(other) {
                    index.subscribe(other, subscriber(at as u32 + 1), true);
                }
            }
            for other in relatives(topic) {
                if TopicName::new(&other).is_ok() {
                    retained.set(&other, false, 1);
                }
            }
        }
        let mut found = false;
        index.matches(topic, &mut |hit| {
            found |= match hit {
                libmqtt_engine::topic::Hit::Subscriber(one) => one.session == session(0),
                libmqtt_engine::topic::Hit::Group(group) => {
                    group.online().iter().any(|member| member.subscriber.session == session(0))
                }
            };
        });
        assert_eq!(found, expected, "{vector}: index");

        retained.set(topic, true, 1);
        let mut found = false;
        retained.matches(filter, &mut |value| found |= value);
        assert_eq!(found, expected, "{vector}: retained store");
    }
}

/// Every beginning of a text in whole levels, and each of them one level longer.
fn relatives(text: &str) -> Vec<String> {
    let ends = text.match_indices('/').map(|(at, _)| at).chain([text.len()]);
    let beginnings = ends.map(|end| &text[..end]);
    beginnings
        .flat_map(|begin| {
            [begin.to_owned(), format!("{begin}/"), format!("{begin}/x"), format!("{begin}/+/#")]
        })
        .filter(|other| other != text)
        .collect()
}

/// The cells of a line of RFC 4180 CSV.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        let last = cells.last_mut().unwrap();
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => last.push(chars.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => last.push(other),
        }
    }
    cells
}

/// A text with the escapes of a JSON string.
fn unescaped(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            units.extend(char.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        match chars.next() {
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).unwrap());
            }
            Some('\\') => units.push(u16::from(b'\\')),
            other => panic!("no such escape: {other:?}"),
        }
    }
    String::from_utf16(&units).unwrap()
}
