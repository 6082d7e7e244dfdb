//! Free ports of 127.0.0.1.
//!
//! Between finding a port and using it another program can take it. These are below
//! the ports that the kernel hands out by itself, to outgoing connections among
//! others, so that only another one who asks here could be that program; whoever
//! hands the number to a server should still be ready to try again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Where to look: above what services use by custom, below `ip_local_port_range` as Linux has it.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// A port that was free a moment ago.
///
/// # Errors
/// When a thousand tries found none.
pub fn free() -> Result<u16> {
    for attempt in 0..1000_u32 {
        // A hasher's key is the standard library's one source of random numbers.
        let random = RandomState::new().hash_one(attempt);
        let width = u64::from(RANGE.end - RANGE.start);
        let port = RANGE.start + u16::try_from(random % width).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 among {RANGE:?}")
}
