//! `backstop vault rebuild`: the vault's directory anew from its bucket.

use std::path::{Component, Path};

use backstop_journal::VerifierKey;
use backstop_vault::init;
use backstop_vault::s3::BucketOptions;
use backstop_vault::s3::rebuild::{Believed, Rebuilt, rebuild};
use backstop_vault::server::KEY_FILE;
use serde_json::json;

use super::config::Config;
use super::progress::Told;
use super::verify::finding;
use super::{failed, unless_stopped_on};
use crate::cli::VaultRebuild;
use crate::failure::{Context, Failure, Outcome};
use crate::home::write_private;
use crate::output::{Output, Paint, safe};
use crate::when;

/// The name of a new key where nothing says what the old one's was.
const NAME: &str = "vault.local";

/// Rebuilds.
///
/// # Errors
/// Exit code 4 when something is missing or damaged; 2 when a vault is there already, or no key is known; 1 when the
/// bucket does not answer.
pub fn run(args: &VaultRebuild, output: Output) -> Outcome {
    let dir = &args.place.dir;
    let what = format!("cannot rebuild the vault `{}`", dir.display());
    if dir.join("index").exists() && !dir.join("rebuilding").exists() {
        return Err(Failure::usage(what)
            .because("there is a vault in it already, and nothing was changed")
            .hint("a vault is rebuilt where there is none: move a damaged one aside first, and keep it"));
    }
    init::prepare(dir).map_err(failed(what.clone()))?;
    if let Some(config) = &args.config {
        carry_over(config, dir)?;
    }
    let config = Config::load(dir)?;
    let bucket: BucketOptions = config.bucket()?.ok_or_else(|| {
        Failure::usage("the configuration has no `[bucket]`")
            .hint("a vault without a bucket is only in its directory; give the `vault.toml` of the vault that had one")
    })?;
    let new_key = key(args, dir)?;
    let believed = Believed {
        keys: args.vault_key.clone(),
        unsigned: args.unsigned,
        accept: args.accept_damage,
    };
    let told = Told::new(output);
    let done = unless_stopped_on(2, async {
        rebuild(&bucket, dir, &believed, &told)
            .await
            .map_err(failed(what))
    })?;
    let lacks = lacks(&config, dir);
    let value = json!({ "rebuilt": done, "new_key": new_key, "lacks": lacks });
    output.either(&value, |paint| {
        text(&done, new_key.as_deref(), &lacks, dir, paint)
    })?;
    let count = done.report.findings.len() as u64 + done.report.more_findings;
    if count == 0 {
        return Ok(());
    }
    let hint = match (done.ready, done.whole) {
        (true, _) => "it can be served as it is; what is missing stays missing",
        (false, true) => {
            "run it again once the bucket has what is missing, or take what there is with --accept-damage; \
             `vault list` and `vault restore` work until then"
        }
        (false, false) => {
            "it is not served, since its records would no longer be those of the bucket: restore from it what you \
             need, and make a new vault with a new bucket"
        }
    };
    Err(Failure::integrity(format!("not all of the vault came back: {count} findings")).hint(hint))
}

/// Copies a kept `vault.toml`, and what it names beside it, into the new directory. What is there already stays.
fn carry_over(config: &Path, dir: &Path) -> Outcome {
    let from = config
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let copy = |from: &Path, to: &Path| -> Outcome {
        if to.exists() {
            return Ok(());
        }
        let bytes = std::fs::read(from).doing(format!("cannot read `{}`", from.display()))?;
        write_private(to, &bytes)
    };
    copy(config, &dir.join("vault.toml"))?;
    let mut beside = Config::load(dir)?.beside();
    beside.push(KEY_FILE.into());
    for name in beside {
        let down = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !name.components().all(down) || !from.join(&name).exists() {
            continue;
        }
        copy(&from.join(&name), &dir.join(&name))?;
    }
    Ok(())
}

/// Makes a key if the vault's own was not kept, and whoever runs this says what to believe; gives its public half.
fn key(args: &VaultRebuild, dir: &Path) -> Outcome<Option<String>> {
    if dir.join(KEY_FILE).exists() {
        return Ok(None);
    }
    if args.vault_key.is_empty() && !args.unsigned {
        return Err(Failure::usage(format!(
            "the vault's cosigning key is not in `{}`",
            dir.join(KEY_FILE).display()
        ))
        .hint("put it there if it was kept; else give its public half with --vault-key, which `vault init` printed and a ticket of `vault delete` names, and the vault gets another"));
    }
    let old = args.vault_key.first();
    let old = old.and_then(|text| VerifierKey::parse(text.trim()).ok());
    let name = old.as_ref().map_or(NAME, VerifierKey::name);
    init::new_key(dir, name)
        .map(Some)
        .map_err(failed("the vault gets no new key"))
}

/// What the vault had and the bucket does not have.
fn lacks(config: &Config, dir: &Path) -> Vec<String> {
    let named = config.beside();
    let gone = named.iter().filter(|name| !dir.join(name).exists());
    gone.map(|name| name.display().to_string()).collect()
}

fn text(
    done: &Rebuilt,
    new_key: Option<&str>,
    lacks: &[String],
    dir: &Path,
    paint: Paint,
) -> String {
    let report = &done.report;
    let mut lines: Vec<String> = report
        .findings
        .iter()
        .map(|one| finding(one, paint))
        .collect();
    if report.more_findings > 0 {
        lines.push(format!("and {} more", report.more_findings));
    }
    lines.extend(
        report
            .notes
            .iter()
            .map(|note| format!("note: {}", safe(note))),
    );
    if let Some(key) = new_key {
        lines.push(format!(
            "note: the vault's own key was not there; it has a new one, {key}"
        ));
    }
    for name in lacks {
        lines.push(format!(
            "note: `{name}` is named in vault.toml, is never in the bucket, and is not here: put it there before you serve"
        ));
    }
    let word = match (report.is_sound(), done.ready) {
        (true, _) => paint.good("rebuilt"),
        (false, true) => paint.warn("rebuilt, with damage"),
        (false, false) => paint.error("not whole"),
    };
    lines.push(format!(
        "{word}: {} objects, {} bytes, {} logs, up to record {} of {}; what was stored later is not in the bucket",
        report.objects,
        report.bytes,
        done.logs,
        report.sequence,
        when::stamp(done.newest_ms)
    ));
    if done.ready {
        lines.push(format!(
            "{} backstop vault verify --dir {dir}, then backstop vault serve --dir {dir}",
            paint.hint("next:"),
            dir = dir.display()
        ));
    }
    lines.join("\n")
}
