//! WebSockets through the whole gate: what passes, what does not, and what happens then. Clients and servers here say
//! their own bytes; `http_clients` has those that people use.

mod client;
mod credentials;
mod frames;
mod graphql;
mod halts;
mod handshakes;
mod scene;
pub mod server;
