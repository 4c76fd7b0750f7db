//! What a peer may send to make trees deep, wide or slow. Work is counted in nodes looked at.

use super::super::{Index, Retained};
use super::*;

/// The longest path of empty levels, and of `+` levels, that the protocol allows.
const MOST: usize = 65_535;

fn looked(index: &Index, topic: &str) -> (usize, usize) {
    let mut hits = 0;
    let looked = index.walk(topic, &mut |_| hits += 1);
    (looked, hits)
}

fn seen(store: &Retained<u32>, text: &str) -> (usize, usize) {
    let mut hits = 0;
    let looked = store.walk(filter(text).filter(), &mut |_| hits += 1);
    (looked, hits)
}

#[test]
fn a_match_does_not_look_at_filters_that_have_nothing_to_do_with_the_topic() {
    let mut index = Index::new(1);
    for who in 0..100_000 {
        subscribe(&mut index, &format!("site/{}/device/{who}/+/state", who % 100), who);
    }
    subscribe(&mut index, "+/5/device/#", 1);
    subscribe(&mut index, "site/+/device/205/temp/state", 2);
    // Of the named way: site, 5/device, 205/+/state. Of the other: 5/device/#, +/device/….
    assert_eq!(looked(&index, "site/5/device/205/temp/state"), (6, 3));
    assert_eq!(sessions(&index, "site/5/device/205/temp/state"), [205, 2, 1]);
    assert_eq!(looked(&index, "somewhere/else"), (1, 0));
    assert!(index.check() <= 100_000 + 200);
}

#[test]
fn deep_filters_and_topics_neither_overflow_a_stack_nor_cost_nodes() {
    let slashes = "/".repeat(MOST);
    let wild = format!("+{}", "/+".repeat(MOST / 2 - 1));
    let hash = format!("{wild}/#");
    let mut index = Index::new(1);
    for (who, text) in [&slashes, &wild, &hash].into_iter().enumerate() {
        subscribe(&mut index, text, who as u32);
    }
    assert_eq!(index.check(), 3, "the filter with # is where the one without is");
    assert_eq!(looked(&index, &slashes), (3, 2));
    assert_eq!(looked(&index, &"/".repeat(MOST / 2 - 1)), (2, 2));
    assert_eq!(looked(&index, &"/".repeat(MOST / 2)), (2, 1));

    let mut store = Retained::new(1);
    store.set(&slashes, 1, 1);
    assert_eq!(store.check(), 2);
    assert_eq!(seen(&store, &wild), (2, 0));
    assert_eq!(seen(&store, &hash).1, 1);
    assert_eq!(seen(&store, "#").1, 1);
}

#[test]
fn a_topic_whose_every_beginning_is_subscribed_costs_one_node_a_level() {
    let mut index = Index::new(1);
    let mut store = Retained::new(1);
    let depth = 2_000;
    let mut text = String::from("a");
    for who in 0..depth {
        subscribe(&mut index, &text, who);
        subscribe(&mut index, &format!("{text}/#"), who);
        subscribe(&mut index, &format!("{text}/+/b"), who);
        store.set(&text, who, 1);
        text.push_str("/a");
    }
    let depth = depth as usize;
    let (nodes, hits) = looked(&index, &text[..text.len() - 2]);
    assert_eq!(hits, depth + 1);
    assert!(nodes <= 2 * depth + 2, "{nodes}");
    // Parents before children, explicitly, all the way down and up again.
    assert_eq!(seen(&store, "#").1, depth);
    assert_eq!(seen(&store, "a/#").1, depth);
    let wild = format!("+{}", "/+".repeat(depth - 1));
    let (nodes, hits) = seen(&store, &wild);
    assert_eq!(hits, 1);
    assert!(nodes <= 2 * depth + 2, "{nodes}");
}

#[test]
fn a_walk_comes_to_no_node_twice() {
    // Every combination of a name and a wildcard, each with an ending that does not match.
    let depth = 12;
    let mut index = Index::new(1);
    for mask in 0..1u32 << depth {
        let levels: Vec<&str> =
            (0..depth).map(|bit| if mask >> bit & 1 == 1 { "+" } else { "a" }).collect();
        subscribe(&mut index, &format!("{}/x", levels.join("/")), mask);
    }
    let topic = vec!["a"; depth].join("/");
    let nodes = index.check();
    let (reached, hits) = looked(&index, &format!("{topic}/b"));
    assert_eq!(hits, 0);
    assert!(reached <= nodes, "{reached} of {nodes}");
    let (reached, hits) = looked(&index, &format!("{topic}/x"));
    assert_eq!(hits, 1 << depth);
    assert_eq!(reached, nodes);
}

#[test]
fn filters_of_many_wildcards_look_at_no_retained_message_more_than_thrice() {
    let mut store = Retained::new(1);
    for n in 0..20_000u32 {
        store.set(&format!("{}/{}/{}/{}", n % 7, n % 11, n % 13, n), n, 1);
    }
    let nodes = store.check();
    for (text, expected) in [
        ("+/+/+/+", 20_000),
        ("+/+/+/+/#", 20_000),
        ("+/+/+/+/+", 0),
        ("+/+/+/17", 1),
        ("+/+/+/none", 0),
        ("#", 20_000),
        ("+/#", 20_000),
    ] {
        let (reached, hits) = seen(&store, text);
        assert_eq!(hits, expected, "{text}");
        // Once as a child, once as reached, once as the top of what `#` matches.
        assert!(reached <= 3 * nodes, "{text}: {reached} of {nodes}");
    }
    let (reached, hits) = seen(&store, "3/+/5/#");
    assert_eq!(hits, 20_000usize.div_ceil(91));
    assert!(reached < nodes / 20, "{reached} of {nodes}");
    assert!(seen(&store, "3/10/5/#").0 < 100);
}

#[test]
fn a_filter_or_a_group_shared_by_100_000_sessions_is_cheap_to_join_and_to_leave() {
    let many = 100_000;
    let mut index = Index::new(1);
    for who in 0..many {
        assert!(subscribe(&mut index, "hot/#", who));
        assert!(subscribe(&mut index, "$share/g/hot/+", who));
    }
    for who in 0..many {
        assert!(!subscribe(&mut index, "hot/#", who));
        index.set_online(filter("$share/g/hot/+"), session(who), false);
    }
    assert_eq!(looked(&index, "hot/a"), (3, many as usize + 1));
    for who in (0..many).step_by(2).chain((1..many).step_by(2)) {
        assert!(index.unsubscribe(filter("hot/#"), session(who)));
        assert!(index.unsubscribe(filter("$share/g/hot/+"), session(who)));
    }
    assert_eq!((index.len(), index.check()), (0, 1));
}

#[test]
fn many_groups_of_one_filter_are_cheap_to_make_and_to_end() {
    let mut index = Index::new(1);
    let many = 50_000;
    for who in 0..many {
        assert!(subscribe(&mut index, &format!("$share/{who}/a"), who));
    }
    assert_eq!(looked(&index, "a"), (2, many as usize));
    for who in 0..many {
        assert!(index.unsubscribe(filter(&format!("$share/{who}/a")), session(who)));
    }
    assert_eq!(index.check(), 1);
}
