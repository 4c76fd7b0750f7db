//! The broker as a set of shards, joined by hand.

mod broker {
    mod cluster;
    mod hooks;
    mod hostile;
    mod queues;
    mod rights;
    mod shards;
}
