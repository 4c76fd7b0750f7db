//! MQTT 3.1.1.

mod client;
mod connect;
mod flow;
mod publish;
mod subscribe;
mod unnumbered;
mod web;
