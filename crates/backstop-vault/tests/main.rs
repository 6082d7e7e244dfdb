//! The vault as a whole: a real directory, a real socket, a real client.

mod roundtrip;
mod support;
