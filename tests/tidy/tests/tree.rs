//! The tree is tidy.

#[test]
fn the_tree_is_tidy() {
    let tree = libmqtt_tidy::tree(&libmqtt_tidy::root());
    assert!(tree.iter().any(|f| f.path == "core/codec/src/lib.rs"), "the tree was not found");
    let complaints = libmqtt_tidy::rules::all(&tree);
    let text: Vec<_> = complaints.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "\n{}\n", text.join("\n"));
}
