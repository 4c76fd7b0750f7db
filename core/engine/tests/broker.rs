//! The broker as a set of shards, joined by hand.

mod broker {
    mod cluster;
    mod hooks;
    mod hostile;
    mod limits;
    mod queues;
    mod rights;
    mod shards;
    mod store;
}
