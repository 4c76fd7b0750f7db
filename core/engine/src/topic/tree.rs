//! A tree of paths: Topic Filters in the index, Topic Names in the retained store.
//!
//! A node stands for a *run* of levels: a path that nothing branches off from is one node,
//! however many levels it has. A node other than the root therefore carries a value or has at
//! least two children, so that `n` values need at most `2n` nodes, and a path with 65,536 levels
//! costs no more than its text.
//!
//! No node has a map of its own: the children of all nodes are found in one hash table by parent
//! and first level. The children of a node also form a list, oldest first, except that a child
//! whose run begins with `+` comes before the others, so that it is found without hashing.
//! Nothing depends on the order of the hash table, and nothing recurses.
//!
//! A node keeps its number while it carries a value.

use core::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::run::{Run, common_levels, level, starts_with_levels};
use super::walk::{Path, hash_level};

/// The node of the path that has no level.
pub(super) const ROOT: u32 = 0;

/// No node, where the root cannot be meant.
const NONE: u32 = 0;

/// What a node carries.
pub(super) trait Value: Default {
    /// Whether the node would not be missed.
    fn is_vacant(&self) -> bool;
}

pub(super) struct Tree<T> {
    nodes: Vec<Node<T>>,
    edges: HashTable<Edge>,
    /// The first free place in `nodes`; `next` leads to the others.
    free: u32,
    hasher: FixedState,
}

struct Node<T> {
    run: Run,
    parent: u32,
    children: Children,
    /// The younger sibling, or `NONE`.
    next: u32,
    /// The older sibling; for the first child the last one.
    prev: u32,
    value: T,
}

/// The first child, or `NONE`, and in the top bit whether its run begins with `+`.
#[derive(Clone, Copy)]
struct Children(u32);

impl Children {
    const PLUS: u32 = 1 << 31;
    const EMPTY: Children = Children(NONE);

    fn first(self) -> u32 {
        self.0 & !Children::PLUS
    }

    fn plus(self) -> Option<u32> {
        (self.0 & Children::PLUS != 0).then(|| self.first())
    }

    fn with_first(self, first: u32) -> Children {
        Children(self.0 & Children::PLUS | first)
    }
}

/// The way to a child. The hash is kept so that the table grows without visiting the nodes.
#[derive(Clone, Copy)]
struct Edge {
    hash: u32,
    node: u32,
}

/// A 32-bit hash in the bits that the table looks at.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

/// Hashes in two steps, so that levels chosen to differ in few bits of the first are told apart
/// by the second.
fn hash_edge(hasher: &FixedState, parent: u32, level: u64) -> u32 {
    let mut state = hasher.build_hasher();
    state.write_u64(level);
    state.write_u32(parent);
    let hash = state.finish();
    (hash ^ hash >> 32) as u32
}

impl<T: Value> Tree<T> {
    pub(super) fn new(hasher: FixedState) -> Tree<T> {
        let root = Node {
            run: Run::new(b""),
            parent: NONE,
            children: Children::EMPTY,
            next: NONE,
            prev: NONE,
            value: T::default(),
        };
        Tree { nodes: vec![root], edges: HashTable::new(), free: NONE, hasher }
    }

    /// Prepares to walk `text`.
    pub(super) fn path<'p>(&self, text: &'p str) -> Path<'p> {
        Path::new(text, &self.hasher)
    }

    pub(super) fn value(&self, node: u32) -> &T {
        &self.nodes[node as usize].value
    }

    /// The value of a node, to be followed by [`Tree::prune`] if it may have become vacant.
    pub(super) fn value_mut(&mut self, node: u32) -> &mut T {
        &mut self.nodes[node as usize].value
    }

    pub(super) fn run(&self, node: u32) -> &[u8] {
        self.nodes[node as usize].run.as_bytes()
    }

    /// The child whose run begins with the level `+`.
    pub(super) fn plus(&self, node: u32) -> Option<u32> {
        self.nodes[node as usize].children.plus()
    }

    /// The first of the children.
    pub(super) fn first_child(&self, node: u32) -> Option<u32> {
        some(self.nodes[node as usize].children.first())
    }

    /// The next child of the same parent.
    pub(super) fn next_sibling(&self, node: u32) -> Option<u32> {
        some(self.nodes[node as usize].next)
    }

    /// Parents before children, the node after `node` in the part of the tree below `top`.
    pub(super) fn next_below(&self, top: u32, node: u32) -> Option<u32> {
        let mut node = node;
        if let Some(child) = self.first_child(node) {
            return Some(child);
        }
        while node != top {
            if let Some(sibling) = self.next_sibling(node) {
                return Some(sibling);
            }
            node = self.nodes[node as usize].parent;
        }
        None
    }

    /// The child of `node` whose run begins with the level of `path` at `at`.
    pub(super) fn child(&self, node: u32, path: &mut Path<'_>, at: usize) -> Option<u32> {
        self.first_child(node)?;
        let (level, hash) = path.level(at);
        let hash = hash_edge(&self.hasher, node, hash);
        let is_it = |edge: &Edge| {
            edge.hash == hash
                && self.nodes[edge.node as usize].parent == node
                && starts_with_levels(self.run(edge.node), level)
        };
        self.edges.find(spread(hash), is_it).map(|edge| edge.node)
    }

    /// The node of a path.
    pub(super) fn find(&self, path: &str) -> Option<u32> {
        let mut path = self.path(path);
        let (mut node, mut at) = (ROOT, 0);
        while !path.is_over(at) {
            node = self.child(node, &mut path, at)?;
            let run = self.run(node);
            if !starts_with_levels(path.rest(at), run) {
                return None;
            }
            at += run.len() + 1;
        }
        Some(node)
    }

    /// The node of a path, made if there is none. It must be given a value.
    pub(super) fn insert(&mut self, path: &str) -> u32 {
        let mut path = self.path(path);
        let (mut node, mut at) = (ROOT, 0);
        while !path.is_over(at) {
            let Some(child) = self.child(node, &mut path, at) else {
                let leaf = self.place(Run::new(path.rest(at)), node);
                self.attach(leaf);
                return leaf;
            };
            let run = self.run(child);
            let common = common_levels(run, path.rest(at));
            node = if common == run.len() { child } else { self.split(child, common) };
            at += common + 1;
        }
        node
    }

    /// Takes a node out if it carries nothing, and puts the tree in order.
    pub(super) fn prune(&mut self, node: u32) {
        let mut node = node;
        while node != ROOT && self.value(node).is_vacant() {
            let parent = self.nodes[node as usize].parent;
            match self.first_child(node) {
                None => {
                    self.detach(node);
                    self.release(node);
                    node = parent;
                }
                Some(child) if self.next_sibling(child).is_none() => {
                    self.merge(node, child);
                    break;
                }
                Some(_) => break,
            }
        }
        self.shrink();
    }

    /// Number of places that a node may be in: all are below.
    pub(super) fn places(&self) -> usize {
        self.nodes.len()
    }

    /// Puts a node between `node` and its parent that takes the first `len` bytes of its run.
    fn split(&mut self, node: u32, len: usize) -> u32 {
        let run = self.run(node);
        let (upper, lower) = (Run::new(&run[..len]), Run::new(&run[len + 1..]));
        let above = self.place(upper, self.nodes[node as usize].parent);
        self.substitute(node, above);
        let below = &mut self.nodes[node as usize];
        below.run = lower;
        below.parent = above;
        self.attach(node);
        above
    }

    /// Puts the only child of `node` in its place.
    fn merge(&mut self, node: u32, child: u32) {
        self.detach(child);
        let upper = &self.nodes[node as usize];
        let run = Run::joined(&upper.run, &self.nodes[child as usize].run);
        let parent = upper.parent;
        let lower = &mut self.nodes[child as usize];
        lower.run = run;
        lower.parent = parent;
        self.substitute(node, child);
        self.release(node);
    }

    /// Makes a node that its parent does not know yet.
    fn place(&mut self, run: Run, parent: u32) -> u32 {
        let value = T::default();
        let node = Node { run, parent, children: Children::EMPTY, next: NONE, prev: NONE, value };
        if self.free == NONE {
            assert!(self.nodes.len() < Children::PLUS as usize, "the tree has no more numbers");
            self.nodes.push(node);
            return (self.nodes.len() - 1) as u32;
        }
        let place = self.free;
        self.free = self.nodes[place as usize].next;
        self.nodes[place as usize] = node;
        place
    }

    /// Gives back the place of a node that nothing leads to any more.
    fn release(&mut self, node: u32) {
        let freed = &mut self.nodes[node as usize];
        freed.run = Run::new(b"");
        freed.children = Children::EMPTY;
        freed.next = self.free;
        self.free = node;
    }

    /// Gives back memory after most of the tree has gone.
    fn shrink(&mut self) {
        let edges = &mut self.edges;
        if edges.capacity() > 1024 && edges.len() < edges.capacity() / 8 {
            edges.shrink_to(edges.len() * 2, |edge| spread(edge.hash));
        }
        if edges.is_empty() && self.nodes.len() > 1 {
            self.nodes.truncate(1);
            self.nodes.shrink_to(64);
            self.free = NONE;
        }
    }

    /// Hash of the edge that leads to `node`.
    fn hash_to(&self, node: u32) -> u32 {
        let to = &self.nodes[node as usize];
        let level = hash_level(&self.hasher, level(to.run.as_bytes(), 0));
        hash_edge(&self.hasher, to.parent, level)
    }

    /// Makes a node known to its parent, as the youngest child.
    fn attach(&mut self, node: u32) {
        let hash = self.hash_to(node);
        let edge = Edge { hash, node };
        self.edges.insert_unique(spread(hash), edge, |edge| spread(edge.hash));
        let plus = level(self.run(node), 0) == b"+";
        let parent = self.nodes[node as usize].parent as usize;
        let first = self.nodes[parent].children.first();
        if first == NONE {
            self.set_links(node, NONE, node);
            self.nodes[parent].children = Children(if plus { Children::PLUS | node } else { node });
            return;
        }
        let last = self.nodes[first as usize].prev;
        self.nodes[first as usize].prev = node;
        if plus {
            self.set_links(node, first, last);
            self.nodes[parent].children = Children(Children::PLUS | node);
        } else {
            self.set_links(node, NONE, last);
            self.nodes[last as usize].next = node;
        }
    }

    /// Makes a node's parent forget it.
    fn detach(&mut self, node: u32) {
        let hash = spread(self.hash_to(node));
        if let Ok(edge) = self.edges.find_entry(hash, |edge| edge.node == node) {
            edge.remove();
        }
        let Node { parent, next, prev, .. } = self.nodes[node as usize];
        let first = self.nodes[parent as usize].children.first();
        if node == first {
            self.nodes[parent as usize].children = Children(next);
        } else {
            self.nodes[prev as usize].next = next;
        }
        // The last child's place is known to the first.
        let after = if next != NONE { next } else { first };
        if after != node {
            self.nodes[after as usize].prev = prev;
        }
    }

    /// Puts `new`, whose run begins with the same level, in the place that `old` has below its
    /// parent.
    fn substitute(&mut self, old: u32, new: u32) {
        let hash = spread(self.hash_to(old));
        if let Some(edge) = self.edges.find_mut(hash, |edge| edge.node == old) {
            edge.node = new;
        }
        let Node { parent, next, prev, .. } = self.nodes[old as usize];
        let first = self.nodes[parent as usize].children.first();
        self.set_links(new, next, if prev == old { new } else { prev });
        if old == first {
            let children = &mut self.nodes[parent as usize].children;
            *children = children.with_first(new);
        } else {
            self.nodes[prev as usize].next = new;
        }
        let after = if next != NONE { next } else { first };
        if after != old {
            self.nodes[after as usize].prev = new;
        }
    }

    fn set_links(&mut self, node: u32, next: u32, prev: u32) {
        let node = &mut self.nodes[node as usize];
        node.next = next;
        node.prev = prev;
    }
}

fn some(node: u32) -> Option<u32> {
    (node != NONE).then_some(node)
}

#[cfg(test)]
impl<T: Value> Tree<T> {
    /// Bytes of a node.
    pub(super) const NODE: usize = size_of::<Node<T>>();

    /// Panics if the tree is not in order; returns its nodes, the root among them.
    pub(super) fn check(&self) -> usize {
        let mut seen = 1;
        let mut node = ROOT;
        loop {
            let mut count = 0;
            let mut last = NONE;
            let mut child = self.first_child(node);
            while let Some(found) = child {
                assert_eq!(self.nodes[found as usize].parent, node);
                assert!(last == NONE || self.nodes[found as usize].prev == last);
                let plus = level(self.run(found), 0) == b"+";
                assert_eq!(plus, self.plus(node) == Some(found));
                let text = String::from_utf8(self.run(found).to_vec()).unwrap();
                assert_eq!(self.child(node, &mut self.path(&text), 0), Some(found));
                count += 1;
                last = found;
                child = self.next_sibling(found);
            }
            if let Some(first) = self.first_child(node) {
                assert_eq!(self.nodes[first as usize].prev, last);
            }
            assert!(node == ROOT || !self.value(node).is_vacant() || count > 1, "idle node");
            seen += count;
            match self.next_below(ROOT, node) {
                Some(next) => node = next,
                None => break,
            }
        }
        assert_eq!(self.edges.len(), seen - 1);
        let mut free = 0;
        let mut place = self.free;
        while place != NONE {
            free += 1;
            place = self.nodes[place as usize].next;
        }
        assert_eq!(seen + free, self.nodes.len());
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Value for u32 {
        fn is_vacant(&self) -> bool {
            *self == 0
        }
    }

    #[test]
    fn a_node_is_40_bytes_and_what_it_carries() {
        assert_eq!(Tree::<u32>::NODE, 48, "40, 4 and 4 to be aligned");
        assert_eq!(size_of::<Edge>(), 8);
    }

    #[test]
    fn a_node_keeps_its_number_while_it_carries_a_value() {
        let mut tree = Tree::<u32>::new(FixedState::with_seed(1));
        let add = |tree: &mut Tree<u32>, path| {
            let node = tree.insert(path);
            *tree.value_mut(node) = 1;
            node
        };
        let deep = add(&mut tree, "a/b/c/d");
        let side = add(&mut tree, "a/b/x");
        let above = add(&mut tree, "a");
        assert_eq!(tree.check(), 5, "the root, a, b, c/d, x");
        for (node, left) in [(side, 3), (above, 2)] {
            *tree.value_mut(node) = 0;
            tree.prune(node);
            assert_eq!(tree.check(), left);
            assert_eq!(tree.find("a/b/c/d"), Some(deep));
        }
        assert_eq!(tree.run(deep), b"a/b/c/d");
    }

    #[test]
    fn memory_is_given_back_when_the_tree_is_empty() {
        let mut tree = Tree::<u32>::new(FixedState::with_seed(1));
        let paths: Vec<String> = (0..5_000).map(|n| format!("{}/{n}", n % 10)).collect();
        for _ in 0..2 {
            for path in &paths {
                let node = tree.insert(path);
                *tree.value_mut(node) = 1;
            }
            for path in &paths {
                let node = tree.find(path).unwrap();
                *tree.value_mut(node) = 0;
                tree.prune(node);
            }
            assert_eq!((tree.check(), tree.places()), (1, 1));
            assert!(tree.nodes.capacity() <= 64 && tree.edges.capacity() <= 1024);
        }
    }
}
