//! The index by example.

use super::*;

/// Sessions of each group that matches: all, and those online.
fn groups(index: &Index, topic: &str) -> Vec<(u32, Vec<u32>, Vec<u32>)> {
    let mut found = Vec::new();
    index.matches(topic, &mut |hit| {
        if let Hit::Group(group) = hit {
            let all = group.members.iter().map(|one| one.subscriber.session.index);
            let online = group.online().iter().map(|one| one.subscriber.session.index);
            found.push((group.id, all.collect(), online.collect()));
        }
    });
    found
}

#[test]
fn a_subscription_replaces_the_one_of_the_same_session_and_filter() {
    let mut index = Index::new(1);
    for text in ["a/b", "a/#", "#", "+/b"] {
        assert!(index.subscribe(filter(text), subscriber(1, 7), true));
        assert!(!index.subscribe(filter(text), subscriber(1, 8), true));
    }
    assert_eq!(index.len(), 4);
    let mut identifiers = Vec::new();
    index.matches("a/b", &mut |hit| match hit {
        Hit::Subscriber(one) => identifiers.push(one.identifier()),
        Hit::Group(_) => panic!("a group from nowhere"),
    });
    assert_eq!(identifiers, [8; 4]);
    for text in ["a/b", "a/#", "#", "+/b"] {
        assert!(index.unsubscribe(filter(text), session(1)));
        assert!(!index.unsubscribe(filter(text), session(1)));
    }
    assert!(index.is_empty());
    assert_eq!(index.check(), 1);
}

#[test]
fn a_multi_level_wildcard_matches_its_parent_and_all_below() {
    let mut index = Index::new(1);
    subscribe(&mut index, "a/#", 1);
    subscribe(&mut index, "#", 2);
    subscribe(&mut index, "/#", 3);
    assert_eq!(sessions(&index, "a"), [2, 1]);
    assert_eq!(sessions(&index, "a/"), [2, 1]);
    assert_eq!(sessions(&index, "a/b/c"), [2, 1]);
    assert_eq!(sessions(&index, "ab"), [2]);
    assert_eq!(sessions(&index, "/"), [2, 3]);
    assert_eq!(sessions(&index, "/a"), [2, 3]);
}

#[test]
fn a_wildcard_in_the_first_level_does_not_match_a_topic_beginning_with_a_dollar() {
    let mut index = Index::new(1);
    for (who, text) in
        ["#", "+/a", "+/#", "$x/#", "$x/+", "$share/g/#", "$share/g/$x/a"].into_iter().enumerate()
    {
        subscribe(&mut index, text, who as u32);
    }
    assert_eq!(sessions(&index, "$x/a"), [3, 4]);
    assert_eq!(groups(&index, "$x/a").len(), 1);
    assert_eq!(sessions(&index, "x/$x"), [0, 2]);
}

#[test]
fn hits_come_in_the_documented_order() {
    let mut index = Index::new(1);
    let texts = ["+/+", "+/b", "a/+", "a/b", "$share/g/a/b", "+/b/#", "a/b/#", "a/#", "#"];
    for (who, text) in texts.into_iter().enumerate() {
        subscribe(&mut index, text, who as u32);
    }
    subscribe(&mut index, "a/b", 9);
    subscribe(&mut index, "a/b", 10);
    assert_eq!(sessions(&index, "a/b"), [8, 7, 6, 3, 9, 10, 2, 5, 1, 0]);
    index.unsubscribe(filter("a/b"), session(3));
    assert_eq!(sessions(&index, "a/b"), [8, 7, 6, 10, 9, 2, 5, 1, 0]);
}

#[test]
fn a_session_is_one_member_of_a_group_however_often_it_subscribes() {
    let mut index = Index::new(1);
    assert!(subscribe(&mut index, "$share/g/a/+", 1));
    assert!(!subscribe(&mut index, "$share/g/a/+", 1));
    assert!(subscribe(&mut index, "$share/h/a/+", 1));
    assert!(subscribe(&mut index, "a/+", 1));
    assert_eq!(index.len(), 3);
    assert_eq!(groups(&index, "a/b"), [(1, vec![1], vec![1]), (2, vec![1], vec![1])]);
    assert_eq!(sessions(&index, "a/b"), [1]);
}

#[test]
fn a_group_ends_with_its_last_member_and_its_number_is_not_used_again() {
    let mut index = Index::new(1);
    subscribe(&mut index, "$share/g/a", 1);
    subscribe(&mut index, "$share/g/a", 2);
    assert!(index.unsubscribe(filter("$share/g/a"), session(1)));
    assert!(!index.unsubscribe(filter("$share/g/a"), session(1)));
    assert!(!index.unsubscribe(filter("$share/h/a"), session(2)));
    assert!(!index.unsubscribe(filter("a"), session(2)));
    assert_eq!(groups(&index, "a"), [(1, vec![2], vec![2])]);
    assert!(index.unsubscribe(filter("$share/g/a"), session(2)));
    assert_eq!(groups(&index, "a"), []);
    assert_eq!(index.check(), 1);
    subscribe(&mut index, "$share/g/a", 1);
    assert_eq!(groups(&index, "a"), [(2, vec![1], vec![1])]);
}

#[test]
fn online_members_come_first() {
    let mut index = Index::new(1);
    let shared = filter("$share/g/a/#");
    for who in 0..5 {
        index.subscribe(shared, subscriber(who, 0), who % 2 == 1);
    }
    assert_eq!(groups(&index, "a"), [(1, vec![1, 3, 2, 0, 4], vec![1, 3])]);
    index.set_online(shared, session(1), false);
    index.set_online(shared, session(4), true);
    index.set_online(shared, session(4), true);
    index.set_online(shared, session(77), true);
    index.set_online(filter("$share/other/a/#"), session(0), true);
    index.set_online(filter("a/#"), session(0), true);
    assert_eq!(groups(&index, "a"), [(1, vec![3, 4, 2, 0, 1], vec![3, 4])]);
    index.unsubscribe(shared, session(3));
    assert_eq!(groups(&index, "a"), [(1, vec![4, 1, 2, 0], vec![4])]);
}

#[test]
fn a_filter_that_looks_shared_is_an_ordinary_one_where_there_are_none() {
    let mut index = Index::new(1);
    let unshared = TopicFilter::unshared("$share/g/a").unwrap();
    assert!(index.subscribe(unshared, subscriber(1, 0), true));
    assert_eq!(sessions(&index, "$share/g/a"), [1]);
    assert_eq!(sessions(&index, "a"), [0; 0]);
    assert!(!index.unsubscribe(filter("$share/g/a"), session(1)));
    assert!(index.unsubscribe(unshared, session(1)));
}

#[test]
fn paths_are_divided_and_joined_again_where_they_part() {
    let mut index = Index::new(1);
    subscribe(&mut index, "a/b/c/d", 1);
    assert_eq!(index.check(), 2, "one path is one node");
    subscribe(&mut index, "a/b/x", 2);
    assert_eq!(index.check(), 4, "a/b, c/d, x");
    subscribe(&mut index, "a/b/#", 3);
    assert_eq!(index.check(), 4, "a # needs no node");
    subscribe(&mut index, "a/b/+/y", 4);
    assert_eq!(index.check(), 5);
    assert_eq!(sessions(&index, "a/b/c/d"), [3, 1]);
    index.unsubscribe(filter("a/b/x"), session(2));
    index.unsubscribe(filter("a/b/+/y"), session(4));
    assert_eq!(index.check(), 3, "a/b carries a #");
    index.unsubscribe(filter("a/b/#"), session(3));
    assert_eq!(index.check(), 2, "a/b/c/d is one node again");
    assert_eq!(sessions(&index, "a/b/c/d"), [1]);
}
