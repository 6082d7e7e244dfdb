//! Somebody in the middle of a TLS connection to PostgreSQL who holds a certificate: passes on what is said, and
//! notes by which mechanism clients log in.

use std::sync::{Arc, Mutex};

use backstop_testing::tls::{Authority, Identity};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Length and code of an SSLRequest.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Ends when dropped.
pub struct Middle {
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Middle {
    /// Shows `identity` to clients, and passes on to the server at `port` of 127.0.0.1.
    pub fn start(identity: &Identity, authority: &Authority, port: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let own = listener.local_addr().unwrap().port();
        let (acceptor, connector) = (acceptor(identity), connector(authority));
        let heard = Arc::new(Mutex::new(vec![]));
        let notes = Arc::clone(&heard);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, connector) = (acceptor.clone(), connector.clone());
                let notes = Arc::clone(&notes);
                tokio::spawn(async move {
                    // A connection that breaks is its client's to notice.
                    let _ = pass_on(client, port, acceptor, connector, &notes).await;
                });
            }
        });
        Self {
            port: own,
            heard,
            _runtime: runtime,
        }
    }

    /// By which mechanisms clients logged in so far.
    pub fn mechanisms(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn pass_on(
    mut client: TcpStream,
    port: u16,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    notes: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut asked = [0; 8];
    client.read_exact(&mut asked).await?;
    assert_eq!(asked, SSL_REQUEST, "the gate asks for TLS first");
    client.write_all(b"S").await?;
    let client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    server.write_all(&SSL_REQUEST).await?;
    assert_eq!(server.read_u8().await?, b'S');
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let server = connector.connect(name, server).await?;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let outwards = async {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return to_server.shutdown().await;
            }
            let said = &buffer[..read];
            notes.lock().unwrap().extend(mechanism(said));
            to_server.write_all(said).await?;
            to_server.flush().await?;
        }
    };
    let inwards = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(outwards, inwards).map(drop)
}

/// The mechanism of a SASLInitialResponse: type, length, its name and a zero byte.
fn mechanism(said: &[u8]) -> Option<String> {
    let name = said.strip_prefix(b"p")?.get(4..)?;
    let name = name.split(|b| *b == 0).next()?;
    let name = std::str::from_utf8(name).ok()?;
    name.starts_with("SCRAM-").then(|| name.to_owned())
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn connector(authority: &Authority) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes());
    roots.add(certificate.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}
