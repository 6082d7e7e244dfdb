//! `vault.toml`: read, checked, and turned into what the vault's library takes. Unknown keys are refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backstop_core::person::Person;
use backstop_vault::s3::BucketOptions;
use backstop_vault::server::{Listen, People, ServerTls, Vault};
use backstop_vault::store::{Options, clock::MachineTime};
use serde::{Deserialize, Deserializer};

use super::failed;
use crate::config::of_toml;
use crate::duration::Span;
use crate::failure::{Context, Failure, Outcome};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Listening,
    #[serde(default)]
    space: Space,
    #[serde(default)]
    retention: Retention,
    #[serde(default)]
    deletion: Deletion,
    #[serde(default)]
    clock: Clock,
    bucket: Option<Copying>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listening {
    socket: Option<PathBuf>,
    #[serde(default)]
    users: Vec<String>,
    tcp: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    gates: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Space {
    capacity: Option<Size>,
    reserve_images: Option<Size>,
    reserve_points: Option<Size>,
    per_lease: Option<Size>,
    keep_free: Option<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Retention {
    images: Option<Span>,
    objects: Option<Span>,
    points: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Deletion {
    signatures: Option<usize>,
    delay: Option<Span>,
    people: Option<PathBuf>,
    origins: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Clock {
    tolerance: Option<Span>,
    longest_off: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Copying {
    endpoint: String,
    region: String,
    name: String,
    access_key: String,
    secret_file: PathBuf,
    behind: Option<Span>,
    probe: Option<Span>,
}

/// How far the copy in a bucket may be behind, unless told otherwise.
const BEHIND: Duration = Duration::from_secs(600);
/// How often a bucket's lock is tried, unless told otherwise.
const PROBE: Duration = Duration::from_secs(86_400);

/// A vault's configuration.
pub(super) struct Config {
    dir: PathBuf,
    file: File,
}

impl Config {
    /// Reads the `vault.toml` in a vault's directory.
    pub(super) fn load(dir: &Path) -> Outcome<Self> {
        let path = dir.join("vault.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::usage(format!("cannot read `{}`", path.display()))
                .because(error)
                .hint("`backstop vault init` makes a vault; --dir names one, to be read as the vault's own user")
        })?;
        let file: File = toml::from_str(&text).map_err(|error| of_toml(&path, &text, &error))?;
        let config = Self {
            dir: dir.to_owned(),
            file,
        };
        config.check()?;
        Ok(config)
    }

    /// The files that it names below its own folder.
    pub(super) fn beside(&self) -> Vec<PathBuf> {
        let File {
            listen,
            deletion,
            bucket,
            ..
        } = &self.file;
        let named = [
            &listen.certificate,
            &listen.key,
            &listen.gates,
            &deletion.people,
        ];
        let secret = bucket.as_ref().map(|bucket| bucket.secret_file.clone());
        let named = named.into_iter().flatten().cloned().chain(secret);
        named.filter(|path| path.is_relative()).collect()
    }

    fn check(&self) -> Outcome {
        let options = self.options();
        if options
            .reserve_images
            .saturating_add(options.reserve_points)
            > options.capacity
        {
            return Err(Failure::usage("the reserves are larger than the capacity")
                .hint("under `[space]`, `reserve_images` and `reserve_points` are parts of `capacity`"));
        }
        if self.file.listen.socket.is_none() && self.file.listen.tcp.is_none() {
            return Err(Failure::usage("the vault listens nowhere")
                .hint("set `socket` or `tcp` under `[listen]`"));
        }
        Ok(())
    }

    fn options(&self) -> Options {
        let usual = Options::default();
        let File {
            space,
            retention,
            deletion,
            clock,
            ..
        } = &self.file;
        let size = |given: Option<Size>, usual| given.map_or(usual, |size| size.0);
        let span = |given: Option<Span>, usual| given.map_or(usual, |span| span.0);
        let [images, objects, points] = usual.retention;
        Options {
            capacity: size(space.capacity, usual.capacity),
            reserve_images: size(space.reserve_images, usual.reserve_images),
            reserve_points: size(space.reserve_points, usual.reserve_points),
            per_lease: size(space.per_lease, usual.per_lease),
            keep_free: size(space.keep_free, usual.keep_free),
            retention: [
                span(retention.images, images),
                span(retention.objects, objects),
                span(retention.points, points),
            ],
            signatures: deletion.signatures.unwrap_or(usual.signatures),
            delay: span(deletion.delay, usual.delay),
            clock_tolerance: span(clock.tolerance, usual.clock_tolerance),
            longest_off: span(clock.longest_off, usual.longest_off),
            settle: usual.settle,
        }
    }

    /// Opens the vault.
    pub(super) fn open(&self) -> Outcome<Arc<Vault>> {
        let time = Arc::new(MachineTime::default());
        let vault = Vault::open(&self.dir, self.options(), self.people()?, time);
        let what = format!("cannot open the vault `{}`", self.dir.display());
        vault.map(Arc::new).map_err(failed(what))
    }

    fn people(&self) -> Outcome<People> {
        let deletion = &self.file.deletion;
        let Some(path) = &deletion.people else {
            return Ok(People::default());
        };
        let path = self.dir.join(path);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(People::default());
            }
            Err(error) => return Err(error).doing(format!("cannot read `{}`", path.display())),
        };
        let people: Vec<Person> = serde_json::from_slice(&text).map_err(|error| {
            Failure::usage(format!("`{}` is not a list of people", path.display()))
                .because(error)
                .hint("it holds people with their passkeys, as JSON, as `backstop vault people` prints them")
        })?;
        Ok(People {
            people,
            origins: deletion.origins.clone(),
        })
    }

    /// Where the gate may call.
    pub(super) fn listen(&self) -> Outcome<Listen> {
        let listen = &self.file.listen;
        let users = listen.users.iter().map(|user| user_id(user));
        let users = users.collect::<Outcome<Vec<u32>>>()?;
        if listen.socket.is_some() && users.is_empty() {
            return Err(Failure::usage("nobody may call at the vault's socket")
                .hint("name the gate's user under `[listen]`: users = [\"backstop\"]"));
        }
        let unix = listen.socket.clone().map(|socket| (socket, users));
        let tcp = match &listen.tcp {
            Some(at) => Some((at.clone(), self.tls()?)),
            None => None,
        };
        Ok(Listen { unix, tcp })
    }

    /// The bucket that has a copy, if there is one.
    pub(super) fn bucket(&self) -> Outcome<Option<BucketOptions>> {
        let Some(bucket) = &self.file.bucket else {
            return Ok(None);
        };
        let path = self.dir.join(&bucket.secret_file);
        let secret = std::fs::read_to_string(&path).doing(format!(
            "cannot read the bucket's secret `{}`",
            path.display()
        ))?;
        Ok(Some(BucketOptions {
            endpoint: bucket.endpoint.clone(),
            region: bucket.region.clone(),
            bucket: bucket.name.clone(),
            key: bucket.access_key.clone(),
            secret: secret.trim().to_owned(),
            behind: bucket.behind.map_or(BEHIND, |span| span.0),
            probe: bucket.probe.map_or(PROBE, |span| span.0),
            part: BucketOptions::PART,
        }))
    }

    fn tls(&self) -> Outcome<ServerTls> {
        let listen = &self.file.listen;
        let read = |path: &Option<PathBuf>, key: &str| {
            let path = path.as_ref().ok_or_else(|| {
                Failure::usage(format!("`{key}` is missing under `[listen]`"))
                    .hint("with `tcp`, the keys `certificate`, `key` and `gates` name PEM files")
            })?;
            let path = self.dir.join(path);
            std::fs::read(&path).doing(format!("cannot read `{}`", path.display()))
        };
        ServerTls::new(
            &read(&listen.certificate, "certificate")?,
            &read(&listen.key, "key")?,
            &read(&listen.gates, "gates")?,
        )
        .map_err(failed("cannot listen with TLS"))
    }
}

/// The number of a user of this machine, by name or number.
pub(super) fn user_id(user: &str) -> Outcome<u32> {
    if let Ok(number) = user.parse() {
        return Ok(number);
    }
    let known = std::fs::read_to_string("/etc/passwd").doing("cannot read `/etc/passwd`")?;
    let found = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let named = fields.next() == Some(user);
        fields.nth(1).filter(|_| named)?.parse().ok()
    });
    found.ok_or_else(|| {
        Failure::usage(format!("there is no user `{user}` on this machine"))
            .hint("name the user that the gate runs as, or its number")
    })
}

/// A number of bytes, written as `512MiB` or `100GiB`.
#[derive(Debug, Clone, Copy)]
struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        size(&text).map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is not a size; hint: write a number with KiB, MiB, GiB or TiB, as in `100GiB`"
            ))
        })
    }
}

fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let shift = match unit.trim() {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_no_overflow() {
        assert_eq!(size("100GiB"), Some(100 << 30));
        assert_eq!(size(" 4 KiB "), Some(4096));
        for text in [
            "",
            "5",
            "5GB",
            "GiB",
            "-1GiB",
            "99999999999999TiB",
            "1.5GiB",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn users_go_by_name_or_number() {
        assert_eq!(user_id("root").unwrap(), 0);
        assert_eq!(user_id("1234").unwrap(), 1234);
        let failure = user_id("nobody-of-that-name").unwrap_err();
        assert!(failure.hint.unwrap().contains("the gate runs as"));
    }
}
