//! Names to addresses: once per connection, and every address is checked before any is connected to.
//!
//! Only names that were judged already come here, so that nobody can carry data out in questions to the DNS. What is
//! connected to is the address that was checked, never the name again (rebinding).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use super::address::Reach;
use super::site::Site;

/// An answer that comes later.
pub type Addresses<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Who knows the addresses of names.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a name, with the port.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Addresses<'a>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Addresses<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Why there is no address to connect to.
#[derive(Debug, thiserror::Error)]
pub enum NoAddress {
    /// The resolver knows none.
    #[error("the name `{0}` has no address")]
    Unknown(String),
    /// One of them may not be connected to.
    #[error("`{host}` leads to {address}, where this target may not be")]
    Forbidden {
        /// The host that was asked for.
        host: String,
        /// One such address.
        address: std::net::IpAddr,
    },
}

/// The addresses of a site, all of them allowed. One that is not spoils them all: an honest name has no reason to
/// mix public and private ones.
///
/// # Errors
/// If there is none, or one is not allowed.
pub(crate) async fn addresses(
    resolver: &dyn Resolve,
    site: &Site,
    reach: Reach,
) -> Result<Vec<SocketAddr>, NoAddress> {
    let found = match site.address() {
        Some(address) => vec![SocketAddr::new(address, site.port())],
        None => resolver
            .resolve(site.host(), site.port())
            .await
            .unwrap_or_default(),
    };
    if let Some(bad) = found.iter().find(|a| !reach.allows(a.ip())) {
        return Err(NoAddress::Forbidden {
            host: site.host().to_owned(),
            address: bad.ip(),
        });
    }
    if found.is_empty() {
        return Err(NoAddress::Unknown(site.host().to_owned()));
    }
    // The port is ours, whatever the resolver says.
    Ok(found
        .into_iter()
        .map(|a| SocketAddr::new(a.ip(), site.port()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known(Vec<&'static str>);

    impl Resolve for Known {
        fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Addresses<'a> {
            let found = self
                .0
                .iter()
                .map(|a| SocketAddr::new(a.parse().unwrap(), port));
            let found = found.collect();
            Box::pin(async move { Ok(found) })
        }
    }

    #[tokio::test]
    async fn one_bad_address_spoils_them_all() {
        let site = Site::parse("a.example:443", None).unwrap();
        for (known, reach, good) in [
            (vec!["1.1.1.1", "2606::1"], Reach::Public, true),
            (vec!["1.1.1.1", "10.0.0.1"], Reach::Public, false),
            (vec!["::ffff:169.254.169.254"], Reach::Private, false),
            (vec!["1.1.1.1", "10.0.0.1"], Reach::Private, true),
            (vec![], Reach::Metadata, false),
        ] {
            let found = addresses(&Known(known.clone()), &site, reach).await;
            assert_eq!(found.is_ok(), good, "{known:?}");
        }
    }

    #[tokio::test]
    async fn an_address_is_not_looked_up_but_is_checked() {
        let site = Site::parse("127.0.0.1:443", None).unwrap();
        let nobody = Known(vec!["1.1.1.1"]);
        assert!(addresses(&nobody, &site, Reach::Public).await.is_err());
        let found = addresses(&nobody, &site, Reach::Private).await.unwrap();
        assert_eq!(found, ["127.0.0.1:443".parse().unwrap()]);
    }
}
