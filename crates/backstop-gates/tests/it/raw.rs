//! A client that speaks messages, so that it can say what no library would.

use anyhow::{Context as _, Result, bail};
use backstop_wire::postgres::scram::{Binding, Client};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{Agent, World};

/// A connection that is logged in.
pub struct Raw(TcpStream);

/// What came back up to `ReadyForQuery`, or up to where it was asked for.
#[derive(Debug, Default)]
pub struct Said {
    /// SQLSTATEs of the errors.
    pub errors: Vec<String>,
    /// Command tags.
    pub tags: Vec<String>,
    /// The first column of every row, as text.
    pub rows: Vec<String>,
}

impl Raw {
    pub async fn login(world: &World, agent: &Agent) -> Result<Self> {
        let address = *world.gate.local_addrs().first().context("an address")?;
        let mut raw = Self(TcpStream::connect(address).await?);
        let database = world.server.owner().database;
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", &agent.lease, "database", &database] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        body.push(0);
        let length = u32::try_from(body.len() + 4)?;
        raw.0.write_all(&length.to_be_bytes()).await?;
        raw.0.write_all(&body).await?;
        raw.read().await?;
        let client = Client::choose([b"SCRAM-SHA-256".as_slice()], Binding::None)?;
        let mechanism = client.mechanism();
        let (first, waiting) = client.first()?;
        let length = u32::try_from(first.len())?.to_be_bytes();
        raw.send(b'p', &[mechanism.as_bytes(), b"\0", &length, &first])
            .await?;
        let challenge = raw.read().await?.1;
        let (proof, _) = waiting.prove(&agent.secret, challenge.get(4..).unwrap_or_default())?;
        raw.send(b'p', &[&proof]).await?;
        let said = raw.until(b'Z').await?;
        if said.errors.is_empty() {
            Ok(raw)
        } else {
            bail!("{said:?}")
        }
    }

    /// A message whose body is these parts.
    pub async fn send(&mut self, kind: u8, parts: &[&[u8]]) -> Result<()> {
        let body = parts.concat();
        let length = u32::try_from(body.len() + 4)?.to_be_bytes();
        Ok(self
            .0
            .write_all(&[&[kind][..], &length, &body].concat())
            .await?)
    }

    pub async fn parse(&mut self, name: &str, sql: &str) -> Result<()> {
        self.send(b'P', &[name.as_bytes(), b"\0", sql.as_bytes(), b"\0\0\0"])
            .await
    }

    pub async fn bind(&mut self, portal: &str, statement: &str) -> Result<()> {
        let names = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0"].concat();
        self.send(b'B', &[&names, &[0; 6]]).await
    }

    pub async fn execute(&mut self, portal: &str) -> Result<()> {
        self.send(b'E', &[portal.as_bytes(), b"\0", &[0; 4]]).await
    }

    pub async fn close_statement(&mut self, name: &str) -> Result<()> {
        self.send(b'C', &[b"S", name.as_bytes(), b"\0"]).await
    }

    pub async fn sync(&mut self) -> Result<Said> {
        self.send(b'S', &[]).await?;
        self.until(b'Z').await
    }

    /// Flush, and what comes up to a message of this kind or an error.
    pub async fn flush(&mut self, kind: u8) -> Result<Said> {
        self.send(b'H', &[]).await?;
        self.until(kind).await
    }

    pub async fn query(&mut self, sql: &str) -> Result<Said> {
        self.send(b'Q', &[sql.as_bytes(), b"\0"]).await?;
        self.until(b'Z').await
    }

    pub async fn until(&mut self, wanted: u8) -> Result<Said> {
        let mut said = Said::default();
        loop {
            let (kind, body) = self.read().await?;
            match kind {
                b'E' => {
                    let fields = body.split(|b| *b == 0);
                    let code = fields.filter_map(|f| f.strip_prefix(b"C")).next();
                    said.errors
                        .push(String::from_utf8_lossy(code.unwrap_or_default()).into());
                    if wanted != b'Z' {
                        return Ok(said);
                    }
                }
                b'C' => said.tags.push(
                    String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(&body)).into(),
                ),
                b'D' => said
                    .rows
                    .push(String::from_utf8_lossy(body.get(6..).unwrap_or_default()).into()),
                _ => {}
            }
            if kind == wanted {
                return Ok(said);
            }
        }
    }

    async fn read(&mut self) -> Result<(u8, Vec<u8>)> {
        let reading = async {
            let kind = self.0.read_u8().await?;
            let length = self.0.read_u32().await?;
            let mut body = vec![0; usize::try_from(length)?.saturating_sub(4)];
            self.0.read_exact(&mut body).await?;
            anyhow::Ok((kind, body))
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), reading).await?
    }
}
