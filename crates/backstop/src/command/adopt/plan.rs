//! What is to be done with each credential that the finder sees in a file: a lease in its place, a placeholder, or
//! nothing, with the reason.

use std::ops::Range;
use std::path::Path;

use backstop_core::secret::Secret;
use backstop_scopes::find::{Finding, Fingerprint, Look, Place, Salt};
use backstop_store::SealKey;

use super::dotenv::{self, Variable};
use super::edit::{Change, Edit};
use super::family::Family;
use super::file::Found;
use super::form::{self, Form};
use super::placeholder;
use crate::config::Dsn;
use crate::failure::{Context, Outcome};
use crate::output::safe;

/// Files in which a URL is written with escapes of their own.
const ESCAPED: &[&str] = &["xml", "html", "htm", "plist", "svg", "ipynb"];

/// A credential, and where it stands.
#[derive(Clone)]
pub(super) struct Seen {
    /// The variable, or the line.
    pub(super) name: String,
    /// The line, from 1.
    pub(super) line: u64,
    /// Its kind.
    pub(super) kind: String,
    /// What it is known by among this installation's.
    pub(super) fingerprint: Option<Fingerprint>,
}

/// A login that a lease can stand in for.
pub(super) struct Login {
    /// What and where.
    pub(super) seen: Seen,
    /// Where it leads.
    pub(super) dsn: Dsn,
    /// Its password.
    pub(super) password: Secret<String>,
    how: How,
}

enum How {
    /// One text.
    Text {
        at: Range<usize>,
        form: Form,
        /// Whether a shell reads it and nothing quotes it.
        bare: bool,
    },
    /// Variables that libpq reads.
    Family(Family),
}

/// A credential that is sealed, with a placeholder in its place.
pub(super) struct Masked {
    /// What and where.
    pub(super) seen: Seen,
    /// Whether it stands in a comment, where nothing reads it.
    pub(super) comment: bool,
    at: Range<usize>,
    old: String,
}

/// A credential that stays.
pub(super) struct Stays {
    /// What and where.
    pub(super) seen: Seen,
    /// Why.
    pub(super) why: String,
}

/// What is to be done in one file.
#[derive(Default)]
pub(super) struct Plan {
    /// Leases take their place.
    pub(super) logins: Vec<Login>,
    /// Placeholders take their place.
    pub(super) masked: Vec<Masked>,
    /// They stay.
    pub(super) stays: Vec<Stays>,
}

/// What is wanted of a plan.
pub(super) struct Wanted<'a> {
    /// Whether what no gate serves is sealed, too.
    pub(super) seal_others: bool,
    /// Variables that are left as they are.
    pub(super) skip: &'a [String],
    /// Texts that were written here before.
    pub(super) ours: &'a [String],
    /// Ports at which the gate listens.
    pub(super) ports: &'a [u16],
}

/// What fingerprints of adopted credentials are salted with: `doctor` finds them again.
pub(in crate::command) fn salt(key: &SealKey) -> Salt {
    Salt::keyed(&key.derive("adopted credentials"))
}

/// Plans for one file.
///
/// # Errors
/// When the finder cannot begin.
pub(super) fn plan(file: &Found, key: &SealKey, wanted: &Wanted<'_>) -> Outcome<Plan> {
    let mut look = Look::new().doing("it could not look for credentials")?;
    look.paths = vec![file.path.clone()];
    look.history = false;
    look.threads = 1;
    look.salt = salt(key);
    let report = look.run().doing("it could not look for credentials")?;
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let text = Text {
        bytes: &file.bytes,
        variables: if dotenv::is_named(&name) {
            dotenv::variables(&file.bytes)
        } else {
            vec![]
        },
        shell: name.ends_with(".sh") || name == ".envrc",
        escaped: is_escaped(&file.path),
    };
    let mut plan = Plan::default();
    for finding in &report.findings {
        text.place(finding, wanted, &mut plan);
    }
    Ok(plan)
}

fn is_escaped(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    ESCAPED.contains(&extension.to_ascii_lowercase().as_str())
}

struct Text<'a> {
    bytes: &'a [u8],
    variables: Vec<Variable>,
    shell: bool,
    escaped: bool,
}

impl Text<'_> {
    fn place(&self, finding: &Finding, wanted: &Wanted<'_>, plan: &mut Plan) {
        let Place::File {
            line,
            offset,
            length,
            ..
        } = &finding.place
        else {
            return;
        };
        let start = usize::try_from(*offset).unwrap_or(usize::MAX);
        let at = start..start.saturating_add(usize::try_from(*length).unwrap_or(usize::MAX));
        let variable = self
            .variables
            .iter()
            .find(|v| v.value.start <= at.start && at.end <= v.value.end);
        let seen = Seen {
            name: variable.map_or_else(|| format!("line {line}"), |v| safe(&v.name)),
            line: *line,
            kind: finding.kind.clone(),
            fingerprint: finding.fingerprint.clone(),
        };
        let stays = |why: &str| Stays {
            seen: seen.clone(),
            why: why.to_owned(),
        };
        let Some((text, secret)) = self.read(&at, finding) else {
            plan.stays.push(stays("it is not written as plain text"));
            return;
        };
        if is_ours(text, variable.map(|v| v.of(self.bytes)), wanted) {
            return;
        }
        if wanted.skip.contains(&seen.name) {
            plan.stays.push(stays("it was to be left"));
            return;
        }
        if self.escaped {
            let why = "what is written in a file of this kind is escaped in a way of its own";
            plan.stays.push(stays(why));
            return;
        }
        let comment = self.is_comment(at.start);
        if !comment && finding.kind == "postgres.password" {
            match self.login(&seen, &at, variable, text, secret) {
                Ok(Some(login)) => plan.logins.push(login),
                // The other half of a login that is planned already, or of one at the gate.
                Ok(None) => {}
                Err(why) => plan.stays.push(stays(&why)),
            }
            return;
        }
        let Some(old) = masked(text, secret).filter(|_| comment || wanted.seal_others) else {
            let why = match wanted.seal_others {
                true => "it is written in a form that no placeholder fits",
                false => "no gate serves it yet",
            };
            plan.stays.push(stays(why));
            return;
        };
        if finding.confidence.is_doubtful() && !comment {
            plan.stays.push(stays("it may be none"));
            return;
        }
        plan.masked.push(Masked {
            seen,
            comment,
            old: text.get(old.clone()).unwrap_or_default().to_owned(),
            at: at.start + old.start..at.start + old.end,
        });
    }

    /// The text and the secret in it, if both are what the finder saw.
    fn read<'t>(&'t self, at: &Range<usize>, finding: &'t Finding) -> Option<(&'t str, &'t str)> {
        let text = std::str::from_utf8(self.bytes.get(at.clone())?).ok()?;
        let secret = std::str::from_utf8(finding.reveal_secret()?).ok()?;
        (!text.is_empty() && !secret.is_empty()).then_some((text, secret))
    }

    fn is_comment(&self, at: usize) -> bool {
        let start = dotenv::line_start(self.bytes, at);
        let before = self.bytes.get(start..at).unwrap_or_default();
        let line = before.trim_ascii_start();
        line.starts_with(b"#") || line.starts_with(b"//") || line.starts_with(b";")
    }

    fn login(
        &self,
        seen: &Seen,
        at: &Range<usize>,
        variable: Option<&Variable>,
        text: &str,
        secret: &str,
    ) -> Result<Option<Login>, String> {
        if text.contains("://") {
            let alone = variable.map_or_else(|| self.ends(at.end), |v| v.value == *at);
            if !alone {
                return Err("it is part of a longer value".into());
            }
            let (form, dsn) = form::read(text)?;
            return one(seen, dsn, secret, at.clone(), form, self.is_bare(variable));
        }
        let Some(variable) = variable else {
            return Err(NO_TLS.into());
        };
        if variable.name == "PGPASSWORD" {
            let family = Family::read(self.bytes, &self.variables, secret)?;
            let Some((family, dsn)) = family else {
                return Ok(None);
            };
            return Ok(Some(Login {
                seen: seen.clone(),
                dsn,
                password: Secret::new(secret.to_owned()),
                how: How::Family(family),
            }));
        }
        let value = std::str::from_utf8(variable.of(self.bytes)).unwrap_or_default();
        if value.contains("password=") && value.contains("host=") {
            let (form, dsn) = form::read(value)?;
            let bare = self.is_bare(Some(variable));
            return one(seen, dsn, secret, variable.value.clone(), form, bare);
        }
        Err(NO_TLS.into())
    }

    /// Whether a URL that ends here ends where its value does.
    fn ends(&self, at: usize) -> bool {
        self.bytes
            .get(at)
            .is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'`'))
    }

    fn is_bare(&self, variable: Option<&Variable>) -> bool {
        variable.is_some_and(|v| v.quote.is_none() && (self.shell || v.is_exported(self.bytes)))
    }
}

const NO_TLS: &str = "it stands in variables that say nothing of TLS; hint: write the login as one connection string, and adopt that";

fn one(
    seen: &Seen,
    dsn: Dsn,
    secret: &str,
    at: Range<usize>,
    form: Form,
    bare: bool,
) -> Result<Option<Login>, String> {
    let read = dsn.password.as_ref().map(|p| p.reveal().as_str());
    if read != Some(secret) {
        return Err("its password is written in more than one way".into());
    }
    Ok(Some(Login {
        seen: seen.clone(),
        dsn,
        password: Secret::new(secret.to_owned()),
        how: How::Text { at, form, bare },
    }))
}

/// Whether this was written by an earlier run, or is a lease's already.
fn is_ours(text: &str, value: Option<&[u8]>, wanted: &Wanted<'_>) -> bool {
    let whole = value
        .and_then(|v| std::str::from_utf8(v).ok())
        .unwrap_or(text);
    if wanted.ours.iter().any(|ours| ours == text || ours == whole) {
        return true;
    }
    let lease = [text, whole].into_iter().find_map(|t| form::read(t).ok());
    lease.is_some_and(|(_, dsn)| dsn.user.starts_with("lease_") && wanted.ports.contains(&dsn.port))
}

/// Where in `text` the secret stands as it is written.
fn masked(text: &str, secret: &str) -> Option<Range<usize>> {
    if text.contains("://")
        && let Some(at) = form::password_in(text)
    {
        return Some(at);
    }
    // A key over several lines is no value that a placeholder could be.
    let mut places = text
        .match_indices(secret)
        .filter(|_| !secret.contains('\n'));
    let (at, _) = places.next()?;
    places.next().is_none().then_some(at..at + secret.len())
}

impl Login {
    /// What is to be written, once the gate has handed out a lease.
    ///
    /// # Errors
    /// When the lease cannot be written here.
    pub(super) fn edits(
        &self,
        text: &[u8],
        granted: &str,
    ) -> Result<(Vec<Edit>, Vec<Change>), String> {
        match &self.how {
            How::Family(family) => family.edits(text, granted),
            How::Text { at, form, bare } => {
                let written = form.write(granted)?;
                let new = if *bare {
                    format!("'{written}'")
                } else {
                    written
                };
                let old = text.get(at.clone()).unwrap_or_default();
                let change = Change::Text {
                    name: self.seen.name.clone(),
                    old: String::from_utf8(old.to_vec()).map_err(|_| "it is no text")?,
                    new: new.clone(),
                };
                let edit = Edit {
                    at: at.clone(),
                    new: new.into_bytes(),
                };
                Ok((vec![edit], vec![change]))
            }
        }
    }
}

impl Masked {
    /// What is to be written.
    pub(super) fn edit(&self) -> (Edit, Change) {
        let new = placeholder::of(&self.old);
        let change = Change::Text {
            name: self.seen.name.clone(),
            old: self.old.clone(),
            new: new.clone(),
        };
        let edit = Edit {
            at: self.at.clone(),
            new: new.into_bytes(),
        };
        (edit, change)
    }
}
