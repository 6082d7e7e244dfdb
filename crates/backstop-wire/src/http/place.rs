//! Where a request goes: every part of it that names a place must name the same one.

use super::authority::{self, Authority};
use super::headers::Headers;
use super::refuse::refused;
use super::{Raw, Refused, Scheme, Version};

/// Headers by which a server may be told another host than the request names.
pub(super) const OTHER_HOSTS: &[&str] = &[
    "x-forwarded-host",
    "x-forwarded-server",
    "x-host",
    "x-http-host-override",
    "x-original-host",
];

/// Host and port of the target.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

pub(super) fn read(raw: &Raw<'_>, headers: &Headers) -> Result<Place, Refused> {
    let default = match raw.scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    let named = named(raw, headers, default)?;
    let place = match raw.reverse {
        Some(base) => reversed(raw, base, default)?,
        None => forwarded(raw, named.clone(), default)?,
    };
    let also = named.map(|named| named.host);
    check_other_hosts(headers, [Some(place.host.as_str()), also.as_deref()])?;
    Ok(place)
}

/// What `Host` and the authority name, if they name the same.
fn named(raw: &Raw<'_>, headers: &Headers, default: u16) -> Result<Option<Place>, Refused> {
    let host = headers.one("host").map(Authority::read).transpose()?;
    let authority = raw.authority.map(Authority::read).transpose()?;
    if let (Some(host), Some(authority)) = (&host, &authority)
        && (host.host != authority.host || host.port_or(default) != authority.port_or(default))
    {
        return Err(refused(
            "`host` and the target of the request name two places",
            "name the same in both",
        ));
    }
    Ok(host.or(authority).map(|named| Place {
        port: named.port_or(default),
        host: named.host,
    }))
}

/// By a base URL: `Host`, the authority and the name in TLS are the gate's own, and the gate writes the target's
/// instead of them. So they have nothing to agree with.
fn reversed(raw: &Raw<'_>, base: &str, default: u16) -> Result<Place, Refused> {
    let through_proxy =
        raw.tunnel.is_some() || (raw.authority.is_some() && raw.version != Version::Http2);
    if through_proxy {
        return Err(refused(
            "a request as to a proxy came by a base URL",
            "use the gate as a proxy or as a base URL, not as both",
        ));
    }
    let base = Authority::read(base)?;
    Ok(Place {
        port: base.port_or(default),
        host: base.host,
    })
}

/// As a proxy: the tunnel and the name in TLS must be the ones that the request names.
fn forwarded(raw: &Raw<'_>, named: Option<Place>, default: u16) -> Result<Place, Refused> {
    // Without a name a server picks the site itself.
    let named =
        named.ok_or_else(|| refused("the request names no host", "send a `host` header"))?;
    if let Some(tunnel) = raw.tunnel {
        let tunnel = Authority::read(tunnel)?;
        if tunnel.host != named.host || tunnel.port_or(default) != named.port {
            return Err(refused(
                "the request names another place than the tunnel that it came through",
                "open a tunnel of its own for each host and port",
            ));
        }
    }
    if let Some(name) = raw.tls_name {
        if raw.scheme == Scheme::Http {
            return Err(refused(
                "a request for `http` came over TLS",
                "send it for `https`",
            ));
        }
        if authority::host(name)? != named.host {
            return Err(refused(
                "the request names another host than the TLS handshake did",
                "open a connection of its own for each host",
            ));
        }
    }
    Ok(named)
}

fn check_other_hosts(headers: &Headers, known: [Option<&str>; 2]) -> Result<(), Refused> {
    let is_known = |other: &str| {
        Authority::read(other.trim()).is_ok_and(|other| known.contains(&Some(other.host.as_str())))
    };
    let other = OTHER_HOSTS
        .iter()
        .flat_map(|name| headers.all(name))
        .flat_map(|value| value.split(','))
        .any(|other| !is_known(other));
    let forwarded = headers
        .all("forwarded")
        .any(|value| value.to_ascii_lowercase().contains("host"));
    if other || forwarded {
        return Err(refused(
            "a forwarding header names a host, which some servers take for the one that was asked",
            "leave it out",
        ));
    }
    Ok(())
}
