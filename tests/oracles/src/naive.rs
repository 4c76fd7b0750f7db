//! Topic matching as the specification words it, with no thought of speed. MQTT 5.0 §4.7.

/// Whether `filter` (without `$share/<name>/`) matches `topic`.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#')) {
        return false;
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    levels(&filter, &topic)
}

fn levels(filter: &[&str], topic: &[&str]) -> bool {
    match (filter.split_first(), topic.split_first()) {
        (Some((&"#", _)), _) => true,
        (Some((f, fs)), Some((t, ts))) => (*f == "+" || f == t) && levels(fs, ts),
        (None, None) => true,
        _ => false,
    }
}

/// Whether `text` is a Topic Name.
pub fn is_topic(text: &str) -> bool {
    (1..=65_535).contains(&text.len()) && !text.contains(['+', '#', '\0'])
}

/// Whether `text` is a Topic Filter, perhaps of a Shared Subscription.
pub fn is_filter(text: &str) -> bool {
    let (name, rest) = split_share(text);
    let named = match name {
        Some(name) => !name.is_empty() && !name.contains(['+', '#']),
        None => !text.starts_with("$share/"),
    };
    let levels: Vec<&str> = rest.split('/').collect();
    let wild = |level: &str| level == "+" || !level.contains(['+', '#']);
    let (last, before) = levels.split_last().expect("a text has a level");
    named
        && !rest.is_empty()
        && text.len() <= 65_535
        && !text.contains('\0')
        && before.iter().all(|level| wild(level))
        && (*last == "#" || wild(last))
}

/// The ShareName and the rest of a Topic Filter; the name is `None` for an ordinary one.
pub fn split_share(filter: &str) -> (Option<&str>, &str) {
    match filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
        Some((name, rest)) => (Some(name), rest),
        None => (None, filter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_specification_hold() {
        for (filter, topic, expected) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/x", false),
            ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/x", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}
