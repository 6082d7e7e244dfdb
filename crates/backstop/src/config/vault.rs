//! `[vault]` and `[measure]`: where old rows go, and how much passes without a person once they do.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use backstop_core::measure::Limits;
use backstop_journal::VerifierKey;
use backstop_vault::Recipients;
use serde::Deserialize;
use toml::Spanned;

use super::check::Place;
use crate::duration::Span;
use crate::failure::Outcome;

/// How often a recovery point of each target is usually taken.
const POINTS: Duration = Duration::from_secs(86_400);
/// The shortest time between two.
const SHORTEST: Duration = Duration::from_secs(5);
/// The longest.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// As it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VaultFile {
    socket: Option<Spanned<PathBuf>>,
    address: Option<Spanned<String>>,
    authority: Option<Spanned<PathBuf>>,
    certificate: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    recipients: Spanned<Vec<String>>,
    points: Option<Spanned<String>>,
    drill_key: Option<Spanned<String>>,
    drill_reports: Option<Spanned<PathBuf>>,
    rehearsals: Option<Spanned<PathBuf>>,
}

/// As it stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MeasureFile {
    rows: Option<Spanned<u64>>,
    share: Option<Spanned<f64>>,
    few: Option<Spanned<u64>>,
    lease_rows: Option<Spanned<u64>>,
    target_rows: Option<Spanned<u64>>,
    window: Option<Spanned<Span>>,
    copy_bytes: Option<Spanned<u64>>,
    copy_within: Option<Spanned<Span>>,
}

/// The vault, as the gate gets to it.
#[derive(Debug, Clone)]
pub struct Vault {
    /// Where it is.
    pub place: Whereabouts,
    /// To whom everything is sealed.
    pub recipients: Vec<String>,
    /// How often a recovery point of each target is taken, unless it says otherwise; none is never.
    pub points: Option<Duration>,
    /// The key whose signed reports of drills are believed.
    pub drill_key: Option<VerifierKey>,
    /// A folder where reports of drills are put.
    pub drill_reports: Option<PathBuf>,
    /// The socket at which a drill's copy has held actions run.
    pub rehearsals: Option<PathBuf>,
}

/// Where a vault is.
#[derive(Debug, Clone)]
pub enum Whereabouts {
    /// A unix socket.
    Socket(PathBuf),
    /// TCP with certificates on both sides: the vault's authority, the gate's certificate and key.
    Address {
        /// `host:port`.
        at: String,
        /// PEM files.
        files: [PathBuf; 3],
    },
}

impl Whereabouts {
    /// Whether vault and gate share a machine, so that one accident reaches both.
    pub fn is_near(&self) -> bool {
        let Self::Address { at, .. } = self else {
            return true;
        };
        let host = at.rsplit_once(':').map_or(at.as_str(), |(host, _)| host);
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    }
}

/// What is measured, and what its copies may cost.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// How much passes without a person.
    pub limits: Limits,
    /// What the images of one transaction may cost: bytes, milliseconds.
    pub images: (u64, u64),
}

pub(super) fn vault(place: &Place<'_>, raw: Option<Spanned<VaultFile>>) -> Outcome<Option<Vault>> {
    let Some(raw) = raw else { return Ok(None) };
    let span = raw.span();
    let raw = raw.into_inner();
    if let Err(error) = Recipients::parse(raw.recipients.get_ref()) {
        return Err(place.fault(
            raw.recipients.span(),
            error.to_string(),
            "write the public keys that `backstop vault init` showed",
        ));
    }
    let file = |value: Option<Spanned<PathBuf>>, name: &str| match value {
        Some(path) => Ok(place.resolve(path.get_ref())),
        None => Err(place.fault(
            span.clone(),
            format!(
                "`address` needs `{name}`, since gate and vault prove themselves to each other"
            ),
            "take the lines that `backstop vault init --tcp` printed",
        )),
    };
    let found = match (raw.socket, raw.address) {
        (Some(socket), None) => Whereabouts::Socket(place.resolve(socket.get_ref())),
        (None, Some(at)) => Whereabouts::Address {
            at: at.into_inner(),
            files: [
                file(raw.authority, "authority")?,
                file(raw.certificate, "certificate")?,
                file(raw.key, "key")?,
            ],
        },
        _ => {
            return Err(place.fault(
                span,
                "it is not said where the vault is",
                "write either `socket` or `address`, as `backstop vault init` printed it",
            ));
        }
    };
    let drill_key = match &raw.drill_key {
        None => None,
        Some(key) => Some(VerifierKey::parse(key.get_ref()).map_err(|_| {
            place.fault(
                key.span(),
                "this is not the public half of a key that signs drills",
                "take the line that `backstop vault init --drill-identity` printed",
            )
        })?),
    };
    Ok(Some(Vault {
        place: found,
        recipients: raw.recipients.into_inner(),
        points: match &raw.points {
            None => Some(POINTS),
            Some(every) => every_or_off(place, every)?,
        },
        drill_key,
        drill_reports: raw
            .drill_reports
            .map(|folder| place.resolve(folder.get_ref())),
        rehearsals: raw.rehearsals.map(|socket| place.resolve(socket.get_ref())),
    }))
}

/// How often a recovery point is taken: a span, or `off`.
pub(super) fn every_or_off(place: &Place<'_>, raw: &Spanned<String>) -> Outcome<Option<Duration>> {
    if raw.get_ref() == "off" {
        return Ok(None);
    }
    let range = "a span from 5s to 366d, as in 24h, or off";
    match raw.get_ref().parse::<Span>() {
        Ok(Span(every)) if (SHORTEST..=LONGEST).contains(&every) => Ok(Some(every)),
        _ => Err(out_of_range(place, raw.span(), range)),
    }
}

pub(super) fn measure(place: &Place<'_>, raw: &MeasureFile) -> Outcome<Measure> {
    let usual = Limits::default();
    let number =
        |value: &Option<Spanned<u64>>, usual: u64| value.as_ref().map_or(usual, |v| *v.get_ref());
    let share = match &raw.share {
        None => usual.share,
        Some(s) if (0.01..=100.0).contains(s.get_ref()) => share(*s.get_ref()),
        Some(s) => return Err(out_of_range(place, s.span(), "0.01 to 100, in percent")),
    };
    let window_ms = match &raw.window {
        None => usual.window_ms,
        Some(w) if (60_000..=30 * 86_400_000).contains(&w.get_ref().millis()) => {
            w.get_ref().millis()
        }
        Some(w) => return Err(out_of_range(place, w.span(), "1m to 30d")),
    };
    let millis = match &raw.copy_within {
        None => 10_000,
        Some(w) if (100..=600_000).contains(&w.get_ref().millis()) => {
            w.get_ref().millis().unsigned_abs()
        }
        Some(w) => return Err(out_of_range(place, w.span(), "100ms to 10m")),
    };
    Ok(Measure {
        limits: Limits {
            rows: number(&raw.rows, usual.rows),
            share,
            few: number(&raw.few, usual.few),
            lease_rows: number(&raw.lease_rows, usual.lease_rows),
            target_rows: number(&raw.target_rows, usual.target_rows),
            window_ms,
        },
        images: (number(&raw.copy_bytes, 256 * 1024 * 1024), millis),
    })
}

/// Percent to hundredths of a percent; within 1 to 10,000 as checked.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn share(percent: f64) -> u32 {
    (percent * 100.0).round() as u32
}

fn out_of_range(place: &Place<'_>, span: Range<usize>, range: &str) -> crate::failure::Failure {
    place.fault(span, "this is out of range", format!("write {range}"))
}
