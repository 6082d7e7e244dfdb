//! Free ports of 127.0.0.1.
//!
//! Between finding a port and using it another program can take it: whoever
//! hands the number to a server must be ready to try again.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// A port that was free a moment ago.
pub(crate) fn free() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("looking for a free port on 127.0.0.1")?;
    Ok(listener
        .local_addr()
        .context("reading the free port's number")?
        .port())
}
