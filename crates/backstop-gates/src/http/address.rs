//! Which addresses the gate connects to: a name that an agent chose must not lead into the network that the gate
//! stands in.
//!
//! The ranges are those of the IANA special-purpose registries (RFC 6890) and of the clouds' own documentation. IPv6
//! that carries an IPv4 address is as bad as what it carries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, from mild to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Anybody can reach it.
    Public,
    /// It is reached from within a network only: private, loopback, link-local, shared (CGNAT).
    Private,
    /// A cloud hands out credentials there.
    Metadata,
    /// No server stands there: multicast, unspecified, reserved, documentation.
    Nowhere,
}

/// How far a target may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Public addresses only.
    #[default]
    Public,
    /// Private ones too.
    Private,
    /// A cloud's metadata too.
    Metadata,
}

impl Reach {
    /// Whether an address may be connected to.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        match kind(address) {
            Kind::Public => true,
            Kind::Private => self != Self::Public,
            Kind::Metadata => self == Self::Metadata,
            Kind::Nowhere => false,
        }
    }
}

/// What an address is.
#[must_use]
pub fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Kind {
    match address.octets() {
        // AWS and most others, ECS tasks, EKS pods; Alibaba; Oracle; Azure's host agent.
        [169, 254, 169, 254]
        | [169, 254, 170, 2 | 23]
        | [100, 100, 100, 200]
        | [192, 0, 0, 192]
        | [168, 63, 129, 16] => Kind::Metadata,
        [10 | 127, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [198, 18 | 19, ..] => Kind::Private,
        [0 | 224..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Kind::Nowhere,
        _ => Kind::Public,
    }
}

fn v6(address: Ipv6Addr) -> Kind {
    match address.segments() {
        // AWS's own, EKS pods, Google's.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => {
            Kind::Metadata
        }
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Nowhere,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private,
        // IPv4-compatible: nobody routes them, so that a public one is as odd as the others.
        [0, 0, 0, 0, 0, 0, high, low] => carried(high, low).max(Kind::Private),
        // IPv4-mapped, and its translated form (RFC 2765).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            carried(high, low)
        }
        // NAT64 (RFC 6052); of a local prefix (RFC 8215) nobody knows where the address stands.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => carried(high, low),
        [0x64, 0xff9b, 1, ..] => Kind::Private,
        // 6to4.
        [0x2002, high, low, ..] => carried(high, low),
        // Teredo: the server, and the client with its bits turned (RFC 4380, section 4).
        [0x2001, 0, server, of_server, _, _, high, low] => {
            carried(server, of_server).max(carried(!high, !low))
        }
        // Benchmarking, and addresses that name no place: ORCHID, documentation.
        [0x2001, 2, 0, ..] => Kind::Private,
        [0x2001, 0x10..=0x2f | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Nowhere,
        // ISATAP (RFC 5214, section 6.1).
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => carried(high, low).max(by_prefix(address)),
        _ => by_prefix(address),
    }
}

fn by_prefix(address: Ipv6Addr) -> Kind {
    match address.segments() {
        [0x2000..=0x3fff, ..] => Kind::Public,
        // Unique local, link-local, and the site-local ones of old.
        [0xfc00..=0xfdff | 0xfe80..=0xfeff, ..] => Kind::Private,
        // Multicast, and whatever is not given out yet.
        _ => Kind::Nowhere,
    }
}

const fn join(high: u16, low: u16) -> u32 {
    (high as u32) << 16 | low as u32
}

fn carried(high: u16, low: u16) -> Kind {
    v4(Ipv4Addr::from(join(high, low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Kind {
        kind(text.parse().unwrap())
    }

    #[test]
    fn addresses_are_told_apart() {
        for (kind, texts) in [
            (
                Kind::Public,
                &[
                    "1.1.1.1",
                    "9.255.255.255",
                    "11.0.0.0",
                    "100.63.255.255",
                    "100.128.0.0",
                    "172.15.255.255",
                    "172.32.0.0",
                    "192.167.1.1",
                    "223.255.255.255",
                    "2606:4700::1111",
                    "2a00::1",
                    "::ffff:1.1.1.1",
                    "64:ff9b::101:101",
                    "2002:101:101::1",
                    "2001:4860:4860::8888",
                ][..],
            ),
            (
                Kind::Private,
                &[
                    "10.0.0.1",
                    "127.0.0.1",
                    "127.255.255.254",
                    "100.64.0.1",
                    "100.127.255.255",
                    "169.254.0.1",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "198.18.0.1",
                    "::1",
                    "::7f00:1",
                    "::ffff:127.0.0.1",
                    "::ffff:10.0.0.1",
                    "::ffff:0:10.0.0.1",
                    "64:ff9b::a00:1",
                    "64:ff9b:1::1",
                    "2002:7f00:1::",
                    "2002:c0a8:101::1",
                    "2001:0:a00:1:0:0:fefe:fefe",
                    "2001:0:101:101:0:0:f5ff:fffe",
                    "fc00::1",
                    "fdff::1",
                    "fe80::1",
                    "fec0::1",
                    "2a00::5efe:a00:1",
                    "fe80::200:5efe:c0a8:1",
                ],
            ),
            (
                Kind::Metadata,
                &[
                    "169.254.169.254",
                    "169.254.170.2",
                    "100.100.100.200",
                    "192.0.0.192",
                    "168.63.129.16",
                    "fd00:ec2::254",
                    "fd20:ce::254",
                    "::ffff:169.254.169.254",
                    "::a9fe:a9fe",
                    "64:ff9b::a9fe:a9fe",
                    "2002:a9fe:a9fe::1",
                    "2001:0:101:101:0:0:5601:5601",
                    "2001:0:a9fe:a9fe:0:0:fefe:fefe",
                    "2a00::200:5efe:a9fe:a9fe",
                ],
            ),
            (
                Kind::Nowhere,
                &[
                    "0.0.0.0",
                    "0.1.2.3",
                    "192.0.2.1",
                    "198.51.100.1",
                    "203.0.113.1",
                    "224.0.0.1",
                    "240.0.0.1",
                    "255.255.255.255",
                    "::",
                    "::ffff:0.0.0.0",
                    "ff02::1",
                    "2001:db8::1",
                    "100::1",
                    "5f00::1",
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(of(text), kind, "{text}");
            }
        }
    }

    #[test]
    fn a_target_says_how_far_it_may_be() {
        for (address, reaches) in [
            ("1.1.1.1", [true, true, true]),
            ("127.0.0.1", [false, true, true]),
            ("169.254.169.254", [false, false, true]),
            ("0.0.0.0", [false, false, false]),
        ] {
            let address = address.parse().unwrap();
            let found = [Reach::Public, Reach::Private, Reach::Metadata].map(|r| r.allows(address));
            assert_eq!(found, reaches, "{address}");
        }
    }
}
