//! Random histories against models that know nothing of trees.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::{Index, Retained};
use super::*;

const LEVELS: &[&str] = &["", "a", "b", "ab", "$x", "a level that is too long to be kept in place"];

fn levels(wildcards: bool) -> impl Strategy<Value = String> {
    let names = LEVELS.len();
    let level = 0..names + if wildcards { 2 } else { 0 };
    let name = move |n: usize| if n < names { LEVELS[n] } else { "+" };
    (proptest::collection::vec(level, 1..5), any::<u8>()).prop_map(move |(chosen, end)| {
        let mut text: Vec<&str> = chosen.into_iter().map(name).collect();
        if wildcards && end % 4 == 0 {
            text.push("#");
            text.drain(..usize::from(end % 5).min(text.len() - 1));
        }
        // A path that is empty is neither a name nor a filter.
        if text == [""] { "a".to_owned() } else { text.join("/") }
    })
}

fn filters() -> impl Strategy<Value = String> {
    (0..5, levels(true)).prop_map(|(share, text)| match share {
        0 => format!("$share/g/{text}"),
        1 => format!("$share/h/{text}"),
        _ => text,
    })
}

#[derive(Clone, Debug)]
enum Step {
    Subscribe(String, u32, bool),
    /// Removes the subscription of this rank.
    Unsubscribe(usize),
    UnsubscribeText(String, u32),
    SetOnline(usize, bool),
    Match(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (filters(), 0..40u32, any::<bool>()).prop_map(|(f, s, o)| Step::Subscribe(f, s, o)),
        // A few filters with many sessions, so that lists become long.
        6 => (0..40u32, any::<bool>()).prop_map(|(s, o)| Step::Subscribe("a/+".into(), s, o)),
        6 => (0..40u32, any::<bool>()).prop_map(|(s, o)| Step::Subscribe("$share/g/a/#".into(), s, o)),
        5 => any::<usize>().prop_map(Step::Unsubscribe),
        1 => (filters(), 0..40u32).prop_map(|(f, s)| Step::UnsubscribeText(f, s)),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(n, o)| Step::SetOnline(n, o)),
        4 => levels(false).prop_map(Step::Match),
    ];
    proptest::collection::vec(step, 1..200)
}

/// What is subscribed: identifier and whether online, by filter and session.
type Model = BTreeMap<(String, u32), (u32, bool)>;

/// A hit, to be compared: (filter, [(session, identifier, online)]).
type Seen = (String, Vec<(u32, u32, bool)>);

fn expected(model: &Model, topic: &str) -> Vec<Seen> {
    let mut hits = Vec::new();
    let mut groups: BTreeMap<&str, Vec<(u32, u32, bool)>> = BTreeMap::new();
    for ((text, session), (identifier, online)) in model {
        let filter = filter(text);
        if !filter.matches(topic) {
            continue;
        }
        match filter.share_name() {
            None => hits.push((text.clone(), vec![(*session, *identifier, true)])),
            Some(_) => groups.entry(text).or_default().push((*session, *identifier, *online)),
        }
    }
    hits.extend(groups.into_iter().map(|(text, members)| (text.to_owned(), members)));
    hits.sort();
    hits
}

/// Compares what matches with the model; notes the number of each group met.
fn compare(index: &Index, model: &Model, topic: &str, groups: &mut BTreeMap<u32, String>) {
    let by_identifier: BTreeMap<u32, &str> =
        model.iter().map(|((text, _), (identifier, _))| (*identifier, text.as_str())).collect();
    let mut hits = Vec::new();
    index.matches(topic, &mut |hit| match hit {
        Hit::Subscriber(one) => {
            let text = by_identifier[&one.identifier()].to_owned();
            hits.push((text, vec![(one.session.index, one.identifier(), true)]));
        }
        Hit::Group(group) => {
            let text = by_identifier[&group.members[0].subscriber.identifier()];
            assert_eq!(filter(text).share_name(), Some(group.name()));
            let named = groups.entry(group.id).or_insert_with(|| text.to_owned());
            assert_eq!(named, text, "a number stands for one group");
            assert!(group.online().iter().all(|member| member.online));
            assert!(group.members[group.online().len()..].iter().all(|member| !member.online));
            let mut members: Vec<(u32, u32, bool)> = group
                .members
                .iter()
                .map(|one| (one.subscriber.session.index, one.subscriber.identifier(), one.online))
                .collect();
            members.sort_unstable();
            hits.push((text.to_owned(), members));
        }
    });
    hits.sort();
    assert_eq!(hits, expected(model, topic), "{topic:?}");
}

/// Everything that matching shows, in order.
fn transcript(index: &Index, topic: &str) -> Vec<String> {
    let mut hits = Vec::new();
    index.matches(topic, &mut |hit| hits.push(format!("{hit:?}")));
    hits
}

fn play(steps: Vec<Step>) {
    let (mut index, mut twin) = (Index::new(1), Index::new(2));
    let mut model = Model::new();
    let mut groups = BTreeMap::new();
    let mut ended: BTreeSet<u32> = BTreeSet::new();
    for (at, step) in steps.into_iter().enumerate() {
        let nth = |rank: usize| model.keys().nth(rank % model.len().max(1)).cloned();
        match step {
            Step::Subscribe(text, who, online) => {
                let one = subscriber(who, at as u32 + 1);
                let new = model.insert((text.clone(), who), (at as u32 + 1, online)).is_none();
                assert_eq!(index.subscribe(filter(&text), one, online), new);
                assert_eq!(twin.subscribe(filter(&text), one, online), new);
            }
            Step::Unsubscribe(rank) => {
                let Some((text, who)) = nth(rank) else { continue };
                unsubscribe(&mut [&mut index, &mut twin], &mut model, text, who);
            }
            Step::UnsubscribeText(text, who) => {
                unsubscribe(&mut [&mut index, &mut twin], &mut model, text, who);
            }
            Step::SetOnline(rank, online) => {
                let Some((text, who)) = nth(rank) else { continue };
                index.set_online(filter(&text), session(who), online);
                twin.set_online(filter(&text), session(who), online);
                model.entry((text, who)).and_modify(|known| known.1 = online);
            }
            Step::Match(topic) => {
                compare(&index, &model, &topic, &mut groups);
                assert_eq!(transcript(&index, &topic), transcript(&twin, &topic));
            }
        }
        assert_eq!(index.len(), model.len());
        let filters: BTreeSet<&String> = model.keys().map(|(text, _)| text).collect();
        assert!(index.check() <= 2 * filters.len() + 1);
        // A group that has ended must not be seen again.
        for (id, text) in &groups {
            if !filters.contains(text) {
                ended.insert(*id);
            }
        }
        groups.retain(|id, _| !ended.contains(id));
        for topic in ["a/a", "a"] {
            index.matches(topic, &mut |hit| {
                if let Hit::Group(group) = hit {
                    assert!(!ended.contains(&group.id));
                }
            });
        }
    }
    for (text, who) in model.keys().cloned().collect::<Vec<_>>() {
        unsubscribe(&mut [&mut index, &mut twin], &mut model, text, who);
    }
    assert_eq!((index.len(), index.check(), twin.check()), (0, 1, 1));
}

fn unsubscribe(indexes: &mut [&mut Index], model: &mut Model, text: String, who: u32) {
    let filter = TopicFilter::new(&text).unwrap();
    let found = model.contains_key(&(text.clone(), who));
    for index in indexes {
        assert_eq!(index.unsubscribe(filter, session(who)), found);
    }
    model.remove(&(text, who));
}

#[derive(Clone, Debug)]
enum Deed {
    Set(String, u32),
    Remove(String),
    Get(String),
    Sweep(usize, u32),
    Match(String),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => (levels(false), 0..1000u32).prop_map(|(topic, bytes)| Deed::Set(topic, bytes)),
        3 => levels(false).prop_map(Deed::Remove),
        1 => levels(false).prop_map(Deed::Get),
        1 => (0..30usize, 2..9u32).prop_map(|(limit, divisor)| Deed::Sweep(limit, divisor)),
        4 => filters().prop_map(Deed::Match),
    ];
    proptest::collection::vec(deed, 1..200)
}

fn keep(deeds: Vec<Deed>) {
    let (mut store, mut twin) = (Retained::new(1), Retained::new(2));
    let mut model: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for (at, deed) in deeds.into_iter().enumerate() {
        let at = at as u32;
        match deed {
            Deed::Set(topic, bytes) => {
                let before = model.insert(topic.clone(), (at, bytes)).map(|(value, _)| value);
                assert_eq!(store.set(&topic, at, bytes as usize), before);
                assert_eq!(twin.set(&topic, at, bytes as usize), before);
            }
            Deed::Remove(topic) => {
                let before = model.remove(&topic).map(|(value, _)| value);
                assert_eq!(store.remove(&topic), before);
                assert_eq!(twin.remove(&topic), before);
            }
            Deed::Get(topic) => {
                assert_eq!(store.get(&topic), model.get(&topic).map(|(value, _)| value));
            }
            Deed::Sweep(limit, divisor) => {
                let mut gone = Vec::new();
                let mut looked = 0;
                let count = store.sweep(limit, &mut |value| {
                    looked += 1;
                    let keep = value % divisor != 0;
                    gone.extend((!keep).then_some(*value));
                    keep
                });
                assert!(looked <= limit);
                assert_eq!(count, gone.len());
                assert_eq!(twin.sweep(limit, &mut |value| value % divisor != 0), count);
                model.retain(|_, (value, _)| !gone.contains(value));
            }
            Deed::Match(text) => {
                let wanted = filter(&text);
                let (mut found, mut twins) = (Vec::new(), Vec::new());
                store.matches(wanted, &mut |value| found.push(*value));
                twin.matches(wanted, &mut |value| twins.push(*value));
                assert_eq!(found, twins);
                found.sort_unstable();
                let matching = model.iter().filter(|(topic, _)| wanted.matches(topic));
                let mut expected: Vec<u32> = matching.map(|(_, (value, _))| *value).collect();
                expected.sort_unstable();
                assert_eq!(found, expected, "{text:?}");
            }
        }
        assert_eq!(store.len(), model.len());
        assert_eq!(store.bytes(), model.values().map(|(_, bytes)| *bytes as usize).sum::<usize>());
        assert!(store.check() <= 2 * model.len() + 1);
    }
    assert_eq!(store.sweep(usize::MAX, &mut |_| false), model.len());
    assert_eq!((store.len(), store.bytes(), store.check()), (0, 0, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn the_index_agrees_with_a_list_of_subscriptions(steps in steps()) {
        play(steps);
    }

    #[test]
    fn the_retained_store_agrees_with_a_list_of_messages(deeds in deeds()) {
        keep(deeds);
    }
}
