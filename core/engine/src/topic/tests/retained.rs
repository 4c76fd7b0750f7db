//! The retained store by example.

use super::super::Retained;
use super::*;

fn found(store: &Retained<u32>, text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    store.matches(filter(text), &mut |value| found.push(*value));
    found
}

fn store(topics: &[&str]) -> Retained<u32> {
    let mut store = Retained::new(1);
    for (value, topic) in topics.iter().enumerate() {
        assert_eq!(store.set(topic, value as u32, 1), None);
    }
    store
}

#[test]
fn the_last_message_of_a_topic_is_kept() {
    let mut store = Retained::new(1);
    assert_eq!(store.set("a/b", 1, 100), None);
    assert_eq!(store.set("a/b", 2, 30), Some(1));
    assert_eq!(store.set("a", 3, 5), None);
    assert_eq!((store.len(), store.bytes()), (2, 35));
    assert_eq!((store.get("a/b"), store.get("a"), store.get("a/b/c")), (Some(&2), Some(&3), None));
    assert_eq!(store.remove("a/b"), Some(2));
    assert_eq!(store.remove("a/b"), None);
    assert_eq!((store.len(), store.bytes()), (1, 5));
    assert_eq!(store.remove("a"), Some(3));
    assert!(store.is_empty());
    assert_eq!((store.bytes(), store.check()), (0, 1));
}

#[test]
fn wildcards_find_what_they_should() {
    let store = store(&["a", "a/b", "a/b/c", "a/c", "/", "$x", "$x/b", "b/$x", "a/"]);
    assert_eq!(found(&store, "a/b"), [1]);
    assert_eq!(found(&store, "+"), [0]);
    assert_eq!(found(&store, "+/b"), [1]);
    assert_eq!(found(&store, "a/+"), [1, 3, 8]);
    assert_eq!(found(&store, "+/+"), [1, 3, 8, 4, 7]);
    assert_eq!(found(&store, "a/#"), [0, 1, 2, 3, 8]);
    assert_eq!(found(&store, "a/b/#"), [1, 2]);
    assert_eq!(found(&store, "#"), [0, 1, 2, 3, 8, 4, 7]);
    assert_eq!(found(&store, "+/#"), [0, 1, 2, 3, 8, 4, 7]);
    assert_eq!(found(&store, "$x/#"), [5, 6]);
    assert_eq!(found(&store, "$x/+"), [6]);
    assert_eq!(found(&store, "a/b/c/#"), [2]);
    assert_eq!(found(&store, "a/b/c/d/#"), [0; 0]);
    assert_eq!(found(&store, "$share/g/+/b"), [1], "a shared filter is its inner filter");
}

#[test]
fn matches_come_parents_first_and_in_the_order_in_which_levels_came() {
    let mut store = store(&["z/2", "y", "z/1", "z", "x/1/2"]);
    assert_eq!(found(&store, "#"), [3, 0, 2, 1, 4]);
    store.remove("z/2");
    store.set("z/2", 9, 1);
    assert_eq!(found(&store, "#"), [3, 2, 9, 1, 4]);
}

#[test]
fn a_sweep_goes_round_and_looks_at_no_more_than_it_is_told() {
    let topics: Vec<String> = (0..100).map(|n| format!("t/{n}")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut store = store(&topics);
    let mut seen = [0; 100];
    let mut looked = 0;
    let rounds = 3;
    for _ in 0..store.check().div_ceil(10) * rounds {
        let before = looked;
        let gone = store.sweep(10, &mut |value| {
            seen[*value as usize] += 1;
            looked += 1;
            true
        });
        assert_eq!(gone, 0);
        assert!(looked - before <= 10);
    }
    assert!(seen.iter().all(|times| (rounds..=rounds + 1).contains(times)), "{seen:?}");

    assert_eq!(store.sweep(usize::MAX, &mut |value| value % 3 != 0), 34);
    assert_eq!((store.len(), store.bytes()), (66, 66));
    assert_eq!((store.get("t/3"), store.get("t/4")), (None, Some(&4)));
    assert_eq!(store.sweep(usize::MAX, &mut |_| false), 66);
    assert_eq!((store.len(), store.check()), (0, 1));
    assert_eq!(store.sweep(usize::MAX, &mut |_| panic!("nothing is left")), 0);
}
