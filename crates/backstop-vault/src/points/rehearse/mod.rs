//! A held action is first run on the copy that a drill leaves, so that people see what it would do before they decide.
//!
//! The copy is a [drill](super::drill)'s server that stays up, in its sandbox. An action runs there in one transaction that
//! is always rolled back, as a role that is no superuser, bounded in time, answer and room from outside of it. Nothing
//! comes back but a [`Rehearsal`]: figures and names, no rows and no words of the server's.

mod bring_back;
mod copy;
mod figures;
mod objects;
mod serve;
mod wire;

use std::path::Path;
use std::time::Duration;

use backstop_core::rehearsal::{Rehearsal, Why};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

pub use copy::Copy;
pub use serve::{Copies, Server};
pub use wire::Parameters;

use super::objects::Act;

/// The longest question, in bytes.
const QUESTION: u64 = 4 << 20;
/// The longest answer, in bytes.
const ANSWER: u64 = 1 << 20;

/// What is to be run, with all that gives it its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The target whose copy it is for.
    pub target: String,
    /// The role to run it as: the one that would run it there.
    pub role: String,
    /// The texts before it in its transaction, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
    /// The text.
    pub statement: String,
    /// Its parameters; none for a simple query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// The schemas in which names are looked for.
    pub search_path: Vec<String>,
    /// The settings that change what it means, by name.
    pub settings: Vec<(String, String)>,
    /// Where it takes whole objects: how, and their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<(Act, Vec<String>)>,
}

/// What one rehearsal may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long the action may run.
    pub act: Duration,
    /// How long an undo may take.
    pub undo: Duration,
    /// How many bytes it may answer.
    pub answer: usize,
    /// By how many bytes the copy may grow, over all rehearsals.
    pub room: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            act: Duration::from_secs(30),
            undo: Duration::from_secs(120),
            answer: 64 << 20,
            room: 8 << 30,
        }
    }
}

/// Has an action run on the copy behind the socket at `path`, within `patience`. What comes back is whatever the other
/// side says, within bounds.
pub async fn rehearse(path: &Path, ask: &Ask, patience: Duration) -> Rehearsal {
    let asking = async {
        let mut stream = UnixStream::connect(path).await.map_err(|_| Why::NoCopy)?;
        let mut question = serde_json::to_vec(ask).map_err(|_| Why::TooLong)?;
        question.push(b'\n');
        if question.len() as u64 > QUESTION {
            return Err(Why::TooLong);
        }
        let sent = stream.write_all(&question).await;
        let mut answer = vec![];
        // Whoever is not let in finds the connection closed.
        let _ = stream.take(ANSWER).read_to_end(&mut answer).await; // what was cut short cannot be read
        if sent.is_err() || answer.is_empty() {
            return Err(Why::NoCopy);
        }
        serde_json::from_slice::<Rehearsal>(&answer).map_err(|_| Why::Lost)
    };
    match tokio::time::timeout(patience, asking).await {
        Ok(Ok(rehearsal)) => rehearsal.bounded(),
        Ok(Err(why)) => Rehearsal::not(why),
        Err(_) => Rehearsal::not(Why::Lost),
    }
}
