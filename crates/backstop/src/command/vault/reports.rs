//! The reports of drills: signed, and put where the gate finds them.

use std::path::{Path, PathBuf};

use backstop_core::point::Drill;
use backstop_vault::points::drill::report;

use super::failed;
use crate::cli::VaultDrill;
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::failure::{Failure, Outcome};
use crate::home::write_public;
use crate::serve::DRILL_REPORT;

/// The end of the name of the file with the key that signs, after the identity's own.
pub(super) const SIGNING: &str = ".signing";

/// Where the report of a drill goes.
pub(super) struct Reports {
    /// The key, if there is one.
    key: Option<String>,
    folder: Option<PathBuf>,
    gate: Option<PathBuf>,
}

impl Reports {
    /// As the command line says.
    ///
    /// # Errors
    /// When a key was named, or is needed, and cannot be read.
    pub(super) fn of(args: &VaultDrill) -> Outcome<Self> {
        let wanted = args.signing.is_some() || args.reports.is_some() || args.gate.is_some();
        let file = args
            .signing
            .clone()
            .unwrap_or_else(|| signing(&args.identity));
        let key = match std::fs::read_to_string(&file) {
            Ok(key) => Some(key),
            Err(_) if !wanted => None,
            Err(error) => {
                return Err(Failure::usage(format!(
                    "cannot read the key that signs drills, `{}`",
                    file.display()
                ))
                .because(error)
                .hint("`backstop vault init --drill-identity FILE` wrote it to FILE.signing; --signing names another"));
            }
        };
        Ok(Self {
            key,
            folder: args.reports.clone(),
            gate: args.gate.clone(),
        })
    }

    /// Whether reports are signed.
    pub(super) fn signs(&self) -> bool {
        self.key.is_some()
    }

    /// Signs a report and hands it in, wherever it is to go.
    ///
    /// # Errors
    /// When it cannot be signed, or somebody does not take it.
    pub(super) fn hand_in(&self, drill: &Drill) -> Outcome {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let signed =
            report::sign(drill, key).map_err(failed("cannot sign the report of the drill"))?;
        if let Some(folder) = &self.folder {
            // The gate reads them in the order of their names.
            let name = format!(
                "{:013}-{}.{DRILL_REPORT}",
                drill.started_ms,
                drill.point.short()
            );
            write_public(&folder.join(name), signed.as_bytes())?;
        }
        if let Some(gate) = &self.gate {
            let client = Client::at(gate)?;
            let mut client = client.ok_or_else(|| {
                Failure::new("the gate does not run, and was not told of the drill").hint(
                    "start it with `backstop serve`; --reports DIR keeps reports until it runs",
                )
            })?;
            client.ask::<Drill>(&Request::Drilled { report: signed })?;
        }
        Ok(())
    }
}

/// The file with the key that signs, beside the identity's.
pub(super) fn signing(identity: &Path) -> PathBuf {
    let mut name = identity.as_os_str().to_owned();
    name.push(SIGNING);
    PathBuf::from(name)
}
