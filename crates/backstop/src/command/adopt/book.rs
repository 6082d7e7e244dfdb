//! Where it is written down, and where leases end: by the running gate, or, for an undo while nothing runs, in the
//! journal itself.

use backstop_core::entry::Event;

use crate::command::runtime;
use crate::config::Config;
use crate::control::client::Client;
use crate::control::protocol::{AdoptNote, Request};
use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, Serving};
use crate::serve::{self, Opened};

/// Something that writes down and ends leases.
pub(super) enum Book {
    /// The running gate.
    Running(Box<Client>),
    /// The journal, taken for as long.
    Alone {
        runtime: tokio::runtime::Runtime,
        opened: Box<Opened>,
        _alone: Serving,
    },
}

impl Book {
    /// The running gate.
    ///
    /// # Errors
    /// When nothing runs, or this user may not ask.
    pub(super) fn running(home: &Home) -> Outcome<Self> {
        match Client::find(home)? {
            Some(client) => Ok(Self::Running(Box::new(client))),
            None => Err(Failure::new("backstop is not running, and nothing was changed")
                .because("the lease has to be approved at its console, and the file would lead to a gate that is not there")
                .hint("start it with `backstop serve`")),
        }
    }

    /// The running gate, or the journal if none runs: bringing a program back must not wait for the gate.
    ///
    /// # Errors
    /// When neither can be had.
    pub(super) fn any(config: &Config, home: &Home) -> Outcome<Self> {
        if let Some(client) = Client::find(home)? {
            return Ok(Self::Running(Box::new(client)));
        }
        // Files that root makes would be closed to Backstop's own user.
        home.check()?;
        let alone = home.serve_alone()?;
        let runtime = runtime(2)?;
        let opened = runtime.block_on(serve::open(config, home))?;
        Ok(Self::Alone {
            runtime,
            opened: Box::new(opened),
            _alone: alone,
        })
    }

    /// Writes it down; it is durable when this returns.
    pub(super) fn note(&mut self, note: AdoptNote) -> Outcome {
        match self {
            Self::Running(client) => client.ask(&Request::Note(Box::new(note))),
            Self::Alone {
                runtime, opened, ..
            } => runtime
                .block_on(opened.store.note(Event::from(note)))
                .doing("it cannot be written down"),
        }
    }

    /// Ends a lease. One that is not there any more has ended already.
    pub(super) fn revoke(&mut self, lease: &str) -> Outcome {
        match self {
            Self::Running(client) => {
                let lease = lease.to_owned();
                client
                    .ask::<serde_json::Value>(&Request::LeaseRevoke { lease })
                    .map(drop)
            }
            Self::Alone {
                runtime, opened, ..
            } => runtime
                .block_on(opened.store.end_lease(lease, "revoked"))
                .doing(format!("cannot revoke `{lease}`")),
        }
    }

    /// The client, where the gate runs.
    pub(super) fn client(&mut self) -> Outcome<&mut Client> {
        match self {
            Self::Running(client) => Ok(client),
            Self::Alone { .. } => Err(Failure::new("backstop is not running")),
        }
    }
}
