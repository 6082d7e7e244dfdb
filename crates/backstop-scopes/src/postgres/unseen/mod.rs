//! Roads that a measurement of a transaction does not show: what a target's roles and extensions let somebody do
//! outside the transaction, told by the catalogue.
//!
//! A gate measures what a transaction did before its COMMIT. Code that opens a connection of its own, writes a file
//! or runs a program does what no measurement shows and no undo takes back. What everybody may use (PUBLIC), every
//! lease may; what the gate's role may use, an approved action may.

use serde::Serialize;
use tokio_postgres::Client;

use super::ask::Asking;
use super::error::Error;

mod code;
mod files;
mod servers;

/// What kind of road it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnseenKind {
    /// Functions of a library that reaches out of the transaction, or that is not known.
    Library,
    /// A language whose code is not kept from anything, or functions in it.
    Language,
    /// A foreign server, or a wrapper that lets one be made.
    Server,
    /// Files and programs of the server's machine.
    Files,
    /// A built-in function that PostgreSQL keeps for superusers and somebody opened.
    Opened,
}

/// One road that a measurement does not show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unseen {
    /// Which kind.
    pub kind: UnseenKind,
    /// What it is: one sentence without its full stop.
    pub what: String,
    /// What closes it, as SQL where that is short.
    pub fix: String,
}

/// Asks for the roads of the role that `client` is connected as, and of PUBLIC. Writes nothing.
///
/// # Errors
/// When the catalogue cannot be read.
pub async fn unseen(client: &Client) -> Result<Vec<Unseen>, Error> {
    let asking = Asking::begin(client).await?;
    let mut all = vec![];
    all.extend(code::functions(&asking).await?);
    all.extend(code::languages(&asking).await?);
    all.extend(servers::servers(&asking).await?);
    all.extend(servers::wrappers(&asking).await?);
    all.extend(files::roles(&asking).await?);
    all.extend(files::opened(&asking).await?);
    asking.end().await?;
    all.sort();
    Ok(all)
}

/// Who has a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Everybody,
    Gate,
}

impl Who {
    /// Whoever has it, if anybody: what everybody has, the role has too.
    fn of(public: bool, gate: bool) -> Option<Self> {
        match (public, gate) {
            (true, _) => Some(Self::Everybody),
            (false, true) => Some(Self::Gate),
            (false, false) => None,
        }
    }

    fn may(self) -> &'static str {
        match self {
            Self::Everybody => "everybody may",
            Self::Gate => "the gate's role, and so what is approved, may",
        }
    }
}

/// `a`, `b` and 3 more.
fn some(names: &[String], kind: &str) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|n| format!("`{n}`")).collect();
    match names.len().checked_sub(3) {
        None | Some(0) => match shown.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
            None => String::new(),
        },
        Some(more) => format!("{} and {more} more {kind}", shown.join(", ")),
    }
}

/// What is not seen, said once.
const NOT_SEEN: &str = "which is neither measured nor undone";
