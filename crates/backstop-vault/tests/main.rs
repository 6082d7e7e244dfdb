//! The vault as a whole: a real directory, a real socket, a real client, and an attacker who has all that the
//! gate has.

mod child;
mod clocks;
mod cosigning;
mod crash;
mod damage;
mod deletion;
mod directory;
mod raw;
mod roundtrip;
mod space;
mod support;
mod tls;
mod wire;
