//! A login in variables: `PGHOST`, `PGUSER`, `PGPASSWORD` and those beside them, as libpq reads them.

use std::ops::Range;

use super::dotenv::Variable;
use super::edit::{Change, Edit};
use super::form;
use crate::config::Dsn;

/// Variables of libpq's that say nothing of the way to the server.
const HARMLESS: &[&str] = &[
    "PGAPPNAME",
    "PGCLIENTENCODING",
    "PGCONNECT_TIMEOUT",
    "PGDATESTYLE",
    "PGOPTIONS",
    "PGTZ",
];

/// A login's variables, and where their values stand.
pub(super) struct Family {
    members: Vec<(String, Range<usize>)>,
    /// Where lines for further variables go, and what stands before a name and after a value there.
    before: usize,
    lead: Vec<u8>,
    end: &'static str,
}

impl Family {
    /// The family that `PGPASSWORD` in `text` belongs to, and where it leads. `None` if that is a lease already.
    ///
    /// # Errors
    /// Why no lease can stand in for it.
    pub(super) fn read(
        text: &[u8],
        variables: &[Variable],
        secret: &str,
    ) -> Result<Option<(Self, Dsn)>, String> {
        let mut members = vec![];
        let mut pairs = String::new();
        let mut password = None;
        for variable in variables.iter().filter(|v| v.name.starts_with("PG")) {
            let name = variable.name.as_str();
            if HARMLESS.contains(&name) {
                continue;
            }
            let word = word(name).ok_or_else(|| {
                format!("`{name}` beside it may be a safeguard that the gate would not keep")
            })?;
            if members.iter().any(|(known, _)| known == name) {
                return Err(format!("`{name}` is there twice"));
            }
            let value = std::str::from_utf8(variable.of(text)).map_err(|_| "it is no text")?;
            // What readers do with escapes differs from one to the next.
            if value.contains(['\\', '$', '\n']) {
                return Err(format!("`{name}` is written with escapes"));
            }
            if name == "PGPASSWORD" {
                if value != secret {
                    return Err("its password is written in more than one way".into());
                }
                password = Some(variable);
            }
            pairs.push_str(&format!("{word}='{}' ", value.replace('\'', "\\'")));
            members.push((name.to_owned(), variable.value.clone()));
        }
        for needed in ["PGHOST", "PGUSER"] {
            if !members.iter().any(|(name, _)| name == needed) {
                return Err(format!("`{needed}` is not in the same file; hint: add it"));
            }
        }
        let password = password.ok_or("its password is not in the same file")?;
        let dsn = Dsn::parse(&pairs)?;
        if dsn.user.starts_with("lease_") {
            return Ok(None);
        }
        let family = Self {
            members,
            before: password.whole.start,
            lead: text
                .get(password.lead.clone())
                .unwrap_or_default()
                .trim_ascii_start()
                .to_vec(),
            end: if text.windows(2).any(|w| w == b"\r\n") {
                "\r\n"
            } else {
                "\n"
            },
        };
        Ok(Some((family, dsn)))
    }

    /// What is to be written for a lease.
    ///
    /// # Errors
    /// When one of its values cannot be.
    pub(super) fn edits(
        &self,
        text: &[u8],
        granted: &str,
    ) -> Result<(Vec<Edit>, Vec<Change>), String> {
        let lease = form::Lease::read(granted)?;
        let (mut edits, mut changes) = (vec![], vec![]);
        let mut lines = String::new();
        let lead = String::from_utf8_lossy(&self.lead);
        for (name, _, new) in lease.variables() {
            if !new.chars().all(is_plain) {
                return Err(format!("the value of `{name}` would need quotes"));
            }
            let Some((_, at)) = self.members.iter().find(|(known, _)| known == name) else {
                let line = format!("{lead}{name}={new}{}", self.end);
                lines.push_str(&line);
                changes.push(Change::Line {
                    name: name.to_owned(),
                    new: line,
                });
                continue;
            };
            let old = text.get(at.clone()).unwrap_or_default().to_vec();
            changes.push(Change::Value {
                name: name.to_owned(),
                old: String::from_utf8(old).map_err(|_| "it is no text")?,
                new: new.clone(),
            });
            edits.push(Edit {
                at: at.clone(),
                new: new.into_bytes(),
            });
        }
        if !lines.is_empty() {
            edits.push(Edit {
                at: self.before..self.before,
                new: lines.into_bytes(),
            });
        }
        // What was required of the old way is required of no lease's: the gate binds where it can.
        if let Some((name, at)) = self.members.iter().find(|(n, _)| n == "PGCHANNELBINDING") {
            let old = text.get(at.clone()).unwrap_or_default().to_vec();
            changes.push(Change::Value {
                name: name.clone(),
                old: String::from_utf8(old).map_err(|_| "it is no text")?,
                new: "prefer".to_owned(),
            });
            edits.push(Edit {
                at: at.clone(),
                new: b"prefer".to_vec(),
            });
        }
        Ok((edits, changes))
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-./:~@".contains(c)
}

/// The word of libpq's pairs for a variable that says where and as whom.
fn word(name: &str) -> Option<&'static str> {
    Some(match name {
        "PGHOST" => "host",
        "PGPORT" => "port",
        "PGDATABASE" => "dbname",
        "PGUSER" => "user",
        "PGPASSWORD" => "password",
        "PGSSLMODE" => "sslmode",
        "PGSSLROOTCERT" => "sslrootcert",
        "PGCHANNELBINDING" => "channel_binding",
        _ => return None,
    })
}
