//! Tells systemd that it is ready, reloading or stopping: one datagram, nothing more.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends `state` (`READY=1`, …) if somebody asked to be told.
pub fn notify(state: &str) {
    let Ok(path) = std::env::var("NOTIFY_SOCKET") else {
        return;
    };
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let sent = address.and_then(|a| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &a));
    if let Err(error) = sent {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// That a reload has begun; systemd wants the moment with it.
pub fn reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_when_nobody_asked() {
        // NOTIFY_SOCKET is not set under a test runner; this must neither fail nor block.
        notify("READY=1");
    }
}
