//! A page that shows a broker in a browser: its topics, a form to publish, and its figures.
//!
//! It is served by a WebSocket listener to plain requests and uses that listener like any other
//! client: it knows nothing that `$SYS` does not tell, and may do what its user may.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::Listener;
use crate::web::{Resource, WebSocketServer};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Path, media type and text of each part.
const PARTS: [(&str, &str, &str); 6] = [
    ("/", HTML, include_str!("index.html")),
    ("/page.css", CSS, include_str!("page.css")),
    ("/page.js", JS, include_str!("page.js")),
    ("/client.js", JS, include_str!("client.js")),
    ("/tree.js", JS, include_str!("tree.js")),
    ("/chart.js", JS, include_str!("chart.js")),
];

/// The page, for a [`WebSocketServer`] of the program's choice.
pub fn resources() -> Arc<BTreeMap<String, Resource>> {
    let part =
        |(path, kind, text): (&str, &str, &str)| (path.to_owned(), Resource::new(kind, text));
    Arc::new(PARTS.map(part).into())
}

/// The pages of this machine, at any port.
pub(crate) fn origins() -> Vec<String> {
    let origin = |host: &str| format!("http://{host}:*");
    ["localhost", "127.0.0.1", "[::1]"].map(origin).into()
}

/// A listener with the page at this address, which should be one of loopback: whoever reaches it
/// can fetch the page.
///
/// Scripts of other pages cannot connect to it, whatever a browser on this machine has open: only
/// those of `localhost`, `127.0.0.1` and `[::1]`, at any port.
pub fn listener(address: SocketAddr) -> Listener {
    Listener::new(address).with_web_socket(WebSocketServer {
        origins: origins(),
        resources: resources(),
        ..WebSocketServer::default()
    })
}
