//! The road over TCP: both sides show certificates, and each only believes its own authority.

use std::{sync::Arc, time::Duration};

use backstop_vault::{
    Class, Recipients,
    client::{Address, Client, Tls},
    init,
    reader::Identity,
    server::{Listen, People, Server, ServerTls, Vault},
    store::{Options, clock::MachineTime},
};
use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tokio::sync::watch;

use crate::support::label;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_certificate_of_the_vaults_own_authority_gets_in() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("vault");
    init::make(&dir, "vault.test").unwrap();
    let (vaults, gates, others) = (Authority::new(), Authority::new(), Authority::new());
    let (certificate, key) = vaults.issue(ExtendedKeyUsagePurpose::ServerAuth);
    let tls = ServerTls::new(
        certificate.as_bytes(),
        key.as_bytes(),
        gates.0.pem().as_bytes(),
    )
    .unwrap();
    let time = Arc::new(MachineTime::default());
    let vault = Vault::open(&dir, Options::default(), People::default(), time).unwrap();
    let listen = Listen {
        unix: None,
        tcp: Some(("127.0.0.1:0".to_owned(), tls)),
    };
    let server = Server::bind(Arc::new(vault), listen).await.unwrap();
    let port = server.tcp_address().unwrap().port();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(server.run(stopped, Duration::from_secs(2)));
    let recipients = Recipients::parse([Identity::generate().recipient()]).unwrap();
    let client = |authority: &Authority, issuer: &Authority, usage| {
        let (certificate, key) = issuer.issue(usage);
        let tls = Tls::new(
            authority.0.pem().as_bytes(),
            certificate.as_bytes(),
            key.as_bytes(),
        )
        .unwrap();
        let at = format!("localhost:{port}");
        Client::new(
            Address::Tcp { at, tls },
            recipients.clone(),
            Duration::from_secs(5),
        )
    };
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let good = client(&vaults, &gates, ClientAuth);
    let stored = good
        .put(&label(Class::Images), Bytes::from_static(b"row"))
        .await
        .unwrap();
    assert_eq!(good.has(stored.name).await.unwrap(), Some(stored));
    let mut upload = good.put_stream(&label(Class::Point)).await.unwrap();
    upload.write(Bytes::from(vec![5; 5_000_000])).await.unwrap();
    upload.finish().await.unwrap();
    for (what, bad) in [
        (
            "another authority's gate",
            client(&vaults, &others, ClientAuth),
        ),
        (
            "a server's certificate",
            client(&vaults, &gates, ServerAuth),
        ),
        (
            "the vault's own authority",
            client(&vaults, &vaults, ClientAuth),
        ),
        (
            "a vault of another authority",
            client(&others, &gates, ClientAuth),
        ),
    ] {
        let error = bad.status().await.expect_err(what).to_string();
        assert!(error.contains("cannot reach the vault"), "{what}: {error}");
    }
    // Without TLS, and without a certificate.
    let mut plain = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let mut frame = bytes::BytesMut::new();
    let (kind, id, payload) = (backstop_vault::protocol::Kind::Status, 1, Bytes::new());
    backstop_vault::protocol::Frame { kind, id, payload }.write(&mut frame);
    tokio::io::AsyncWriteExt::write_all(&mut plain, &frame)
        .await
        .unwrap();
    let mut said = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut said).await;
    assert!(!said.windows(5).any(|w| w == b"vault"), "{said:?}");
    drop(good);
    stop.send(true).unwrap();
    running.await.unwrap();
}
