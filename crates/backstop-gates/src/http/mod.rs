//! The HTTP gate's carrier: a forward proxy that reads what passes, and a reverse mode.
//!
//! `server` listens, `connection` serves HTTP/1.1 and HTTP/2, `tunnel` opens CONNECT and ends its TLS with a
//! certificate of `leaf` by the `authority`. `exchange` is one request's story: `head` reads it, a `judge` decides,
//! `upstream` sends it over a connection of the `pool` to an address that `resolve` and `address` let pass. `body`
//! is what streams, `upgrade` what changed its protocol, `problem` what the gate answers itself, in the words of a `dialect`,
//! and `call` the same to gRPC.
//!
//! It decides nothing but what no request may do: be read in two ways, go to an address inside, pass unread.

mod address;
mod authority;
mod body;
mod call;
mod connection;
mod dialect;
mod exchange;
mod fault;
pub mod gate;
mod head;
mod headers;
mod judge;
mod leaf;
mod limits;
mod pool;
mod problem;
mod resolve;
mod server;
pub mod sigv4;
mod site;
mod stream;
mod target;
mod try_out;
mod tunnel;
mod upgrade;
mod upstream;

pub use address::{Kind, Reach, kind};
pub use authority::{Authority, AuthorityError};
pub use dialect::Dialect;
pub use head::Head;
pub use judge::{
    Begin, Carried, Client, Duplex, End, Filter, Forward, How, Inside, Judge, Mode, Outcome,
    Presented, ResponseHead, Sent, Stop, Treatment, Tunnel, Whole, Wish,
};
pub use leaf::Leaves;
pub use limits::Limits;
pub use problem::{Problem, VERDICT};
pub use resolve::{Addresses, NoAddress, Resolve, System};
pub use server::{Listener, Proxy, ProxyError};
pub use site::{NotASite, Site};
pub use target::{Target, TargetError, TargetSetting, machine_roots};
pub use try_out::{try_out, try_road};
