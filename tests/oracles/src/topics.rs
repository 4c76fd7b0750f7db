//! The index of subscriptions and the store of retained messages against a matcher that knows
//! nothing of trees.

use std::collections::BTreeSet;

use libmqtt_codec::{SubscriptionOptions, TopicFilter, TopicName};
use libmqtt_engine::topic::{Hit, Index, Retained, SessionKey, Subscriber};

use crate::naive;

/// Subscriptions (filter, session) and retained topics.
#[derive(Default)]
struct Model {
    subscriptions: BTreeSet<(String, u32)>,
    retained: BTreeSet<String>,
}

/// Takes each line of `input` for a step: what its first byte says, done to the text behind it.
/// Which texts are filters and topics, who gets a message, and what is retained must be as in the
/// model after every step.
pub fn topics(input: &[u8]) {
    let (mut index, mut retained, mut model) = (Index::new(7), Retained::new(7), Model::default());
    for line in input.split(|byte| *byte == b'\n') {
        let Some((&step, text)) = line.split_first() else { continue };
        let Ok(text) = str::from_utf8(text) else { continue };
        let filter = TopicFilter::new(text);
        assert_eq!(filter.is_ok(), naive::is_filter(text), "{text:?}: {filter:?}");
        assert_eq!(TopicName::new(text).is_ok(), naive::is_topic(text), "{text:?}");
        let session = u32::from(step >> 4);
        if let Ok(filter) = filter {
            subscribe(&mut index, &mut model, filter, step & 3, session);
            same_retained(&retained, &model, filter);
        }
        if naive::is_topic(text) {
            match step & 3 {
                0 | 1 => {
                    let before = retained.set(text, text.to_owned(), text.len());
                    assert_eq!(before.is_none(), model.retained.insert(text.into()));
                }
                2 => {
                    let gone = retained.remove(text);
                    assert_eq!(gone.is_some(), model.retained.remove(text));
                }
                _ => {}
            }
            same_audience(&index, &model, text);
        }
    }
    assert_eq!(index.len(), model.subscriptions.len());
    assert_eq!(retained.len(), model.retained.len());
    assert_eq!(retained.bytes(), model.retained.iter().map(String::len).sum());
}

fn subscribe(
    index: &mut Index,
    model: &mut Model,
    filter: TopicFilter<'_>,
    step: u8,
    session: u32,
) {
    let key = SessionKey { shard: 0, index: session, generation: 0 };
    let entry = (filter.as_str().to_owned(), session);
    match step {
        0 | 1 => {
            let options = SubscriptionOptions::default();
            let subscriber = Subscriber::new(key, options, 0, false);
            let new = index.subscribe(filter, subscriber, step == 0);
            assert_eq!(new, model.subscriptions.insert(entry), "{filter:?}");
        }
        2 => {
            let gone = index.unsubscribe(filter, key);
            assert_eq!(gone, model.subscriptions.remove(&entry), "{filter:?}");
        }
        _ => index.set_online(filter, key, true),
    }
}

/// Who gets a message: each session with the name of the group through which it does.
fn same_audience(index: &Index, model: &Model, topic: &str) {
    let mut hits: Vec<(u32, Option<String>)> = Vec::new();
    index.matches(topic, &mut |hit| match hit {
        Hit::Subscriber(one) => hits.push((one.session.index, None)),
        Hit::Group(group) => hits.extend(
            group
                .members
                .iter()
                .map(|member| (member.subscriber.session.index, Some(group.name().to_owned()))),
        ),
    });
    let wanted = model.subscriptions.iter().filter_map(|(filter, session)| {
        let (name, rest) = naive::split_share(filter);
        naive::matches(rest, topic).then(|| (*session, name.map(String::from)))
    });
    let mut wanted: Vec<_> = wanted.collect();
    hits.sort();
    wanted.sort();
    assert_eq!(hits, wanted, "{topic:?}");
}

fn same_retained(retained: &Retained<String>, model: &Model, filter: TopicFilter<'_>) {
    let mut found = Vec::new();
    retained.matches(filter, &mut |topic: &String| found.push(topic.clone()));
    found.sort();
    let wanted = model.retained.iter().filter(|topic| naive::matches(filter.filter(), topic));
    assert!(found.iter().eq(wanted), "{filter:?}: {found:?}");
}
