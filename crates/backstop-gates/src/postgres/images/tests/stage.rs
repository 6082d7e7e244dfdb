//! A server, an agent's connection with a transaction on it, and the gate's own.

use std::collections::BTreeMap;

use backstop_core::secret::Secret;
use backstop_testing::postgres::{Connection, Major, PostgresServer, Server};

use crate::postgres::images::{
    About, Budget, CaptureError, Captured, Image, Reader, Side, TOUCHED, Touched, Trailer, Wrote,
    capture,
};
use crate::postgres::question::{Row, settings};
use crate::postgres::upstream::{Host, ServerConnection, Upstream, UpstreamTls};

pub(crate) const ROLE: &str = "agent";
pub(crate) const AMPLE: Budget = Budget {
    bytes: 256 << 20,
    millis: 60_000,
};

/// Everything a test needs.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) agent: ServerConnection,
    pub(crate) gate: ServerConnection,
}

/// A file of images, taken apart.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) captured: Captured,
    pub(crate) bytes: Vec<u8>,
    /// By relation: old lines and new ones, sorted.
    pub(crate) rows: BTreeMap<String, [Vec<String>; 2]>,
    pub(crate) trailer: Trailer,
}

pub(crate) fn upstream(to: &Connection) -> Upstream {
    Upstream {
        host: Host::Tcp(to.host.clone(), to.port),
        database: to.database.clone(),
        user: to.user.clone(),
        password: Secret::new(to.password.clone()),
        tls: UpstreamTls::Disable,
        require_binding: false,
    }
}

impl Stage {
    /// With a schema made by the owner, on which the agent has been granted something.
    pub(crate) async fn on(major: Major, schema: &str) -> Self {
        let server = PostgresServer::start(major).unwrap();
        server
            .psql(&format!("create role {ROLE} login password 'agent'"))
            .unwrap();
        server.psql_as(&server.owner(), schema).unwrap();
        let agent = server.owner().as_role(ROLE, "agent");
        let agent = upstream(&agent).connect(&plain()).await.unwrap();
        let gate = upstream(&server.owner())
            .connect(&settings())
            .await
            .unwrap();
        Self {
            server,
            agent,
            gate,
        }
    }

    pub(crate) async fn new(schema: &str) -> Self {
        Self::on(Major::any().unwrap(), schema).await
    }

    /// Another connection of the agent's role.
    pub(crate) async fn another(&self) -> ServerConnection {
        let to = self.server.owner().as_role(ROLE, "agent");
        upstream(&to).connect(&plain()).await.unwrap()
    }

    /// What the agent's transaction has touched.
    pub(crate) async fn wrote(&mut self) -> Vec<Wrote> {
        wrote(&mut self.agent).await
    }

    /// Captures, as the gate does before COMMIT.
    pub(crate) async fn capture(&mut self) -> Result<Taken, CaptureError> {
        let wrote = self.wrote().await;
        self.capture_of(&wrote, &AMPLE).await
    }

    pub(crate) async fn capture_of(
        &mut self,
        wrote: &[Wrote],
        budget: &Budget,
    ) -> Result<Taken, CaptureError> {
        let mut bytes = vec![];
        let captured = capture(
            &mut self.gate,
            &mut self.agent,
            &about(),
            wrote,
            budget,
            &mut bytes,
        )
        .await?;
        Ok(Taken::of(captured, bytes))
    }

    /// Says a statement as the agent.
    pub(crate) async fn say(&mut self, sql: &str) -> Vec<Row> {
        self.agent
            .ask(sql)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"))
    }
}

pub(crate) async fn wrote(agent: &mut ServerConnection) -> Vec<Wrote> {
    agent
        .ask(TOUCHED)
        .await
        .unwrap()
        .iter()
        .map(|row| Touched::of(row).unwrap())
        .filter(Touched::may_have_rows)
        .map(|t| Wrote::from(&t))
        .collect()
}

pub(crate) fn about() -> About {
    About {
        target: "rental".into(),
        lease: "lease_1".into(),
        role: ROLE.into(),
        transaction: "tx_1".into(),
        at: "2026-11-25T12:00:00Z".into(),
    }
}

fn plain() -> Vec<(String, String)> {
    vec![("client_encoding".to_owned(), "UTF8".to_owned())]
}

impl Taken {
    pub(crate) fn of(captured: Captured, bytes: Vec<u8>) -> Self {
        let mut reader = Reader::new(bytes.as_slice()).unwrap();
        let mut rows: BTreeMap<String, [Vec<String>; 2]> = BTreeMap::new();
        for relation in &reader.header().relations {
            rows.insert(relation.name.clone(), Default::default());
        }
        while let Some(Image {
            relation,
            side,
            line,
        }) = reader.row().unwrap()
        {
            let name = reader.header().relations[relation].name.clone();
            let n = usize::from(side == Side::New);
            rows.get_mut(&name).unwrap()[n].push(line);
        }
        for sides in rows.values_mut() {
            sides[0].sort();
            sides[1].sort();
        }
        let trailer = reader.trailer().unwrap().clone();
        Self {
            captured,
            bytes,
            rows,
            trailer,
        }
    }

    /// The old and new lines of a relation.
    pub(crate) fn of_table(&self, name: &str) -> (Vec<&str>, Vec<&str>) {
        let Some([old, new]) = self.rows.get(name) else {
            return (vec![], vec![]);
        };
        (
            old.iter().map(String::as_str).collect(),
            new.iter().map(String::as_str).collect(),
        )
    }
}
