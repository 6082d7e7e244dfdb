//! What is known of a credential that should not have been presented, for the person who is called: what it could do, by
//! the scope audit's table, and where on this machine it lies, as far as Backstop's own user can see.

use std::collections::HashSet;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use backstop_core::secret::Secret;
use backstop_gates::http::gate::explain::{Explain, Explained};
use backstop_scopes::find::{Look, Place};
use backstop_scopes::kinds;

/// No more places than this are named.
const MOST: usize = 5;
/// And no longer than this is looked for them: a person waits, and a home can be large.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks through the homes of people, the folders that leases' programs run in, and what processes carry in their
/// environments.
pub(super) struct Audit;

impl Explain for Audit {
    fn explain(
        &self,
        credential: Secret<String>,
        kind: Option<String>,
    ) -> Pin<Box<dyn Future<Output = Explained> + Send + '_>> {
        Box::pin(async move {
            let known = kind.as_deref().and_then(kinds::of);
            let lies = tokio::task::spawn_blocking(move || {
                let until = Instant::now() + PATIENCE;
                // Where the agent works comes first: what it found, it most likely found there.
                let mut all = lies(&workspaces(), None, true, until, &credential);
                for home in homes() {
                    all.extend(lies(&[], Some(home), false, until, &credential));
                }
                let mut seen = HashSet::new();
                all.retain(|place| seen.insert(place.clone()));
                all.truncate(MOST);
                all
            });
            Explained {
                what: known.map(|kind| kind.name.clone()),
                could: known.map(|kind| kind.worst.clone()),
                lies: lies.await.unwrap_or_default(),
            }
        })
    }
}

/// The homes of people and of root that can be read.
fn homes() -> Vec<PathBuf> {
    let listed = std::fs::read_dir("/home").into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = listed.map(|entry| entry.path()).collect();
    all.push(PathBuf::from("/root"));
    all.retain(|home| std::fs::read_dir(home).is_ok());
    all
}

/// Where programs run that were given the proxy with a lease: what an agent found, it found there first.
fn workspaces() -> Vec<PathBuf> {
    let listed = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let given = |environment: &[u8]| {
        environment.split(|b| *b == 0).any(|variable| {
            let variable = String::from_utf8_lossy(variable);
            let (name, value) = variable.split_once('=').unwrap_or_default();
            name.eq_ignore_ascii_case("https_proxy") && value.contains("//lease_")
        })
    };
    let mut all: Vec<PathBuf> = listed
        .map(|entry| entry.path())
        .filter(|process| std::fs::read(process.join("environ")).is_ok_and(|e| given(&e)))
        .filter_map(|process| std::fs::read_link(process.join("cwd")).ok())
        .filter(|folder| folder.parent().is_some())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Where it lies, in words without it, as far as that is found until then.
fn lies(
    paths: &[PathBuf],
    home: Option<PathBuf>,
    processes: bool,
    until: Instant,
    credential: &Secret<String>,
) -> Vec<String> {
    let Ok(look) = Look::new() else { return vec![] };
    let look = Look {
        paths: paths.to_vec(),
        home,
        history: false,
        processes,
        threads: 1,
        until: Some(until),
        ..look
    };
    let Ok(report) = look.run() else {
        return vec![];
    };
    let same = report.findings.iter().filter(|finding| {
        finding
            .reveal_secret()
            .is_some_and(|secret| secret == credential.reveal().as_bytes())
    });
    same.map(|finding| told(&finding.place)).collect()
}

fn told(place: &Place) -> String {
    match place {
        Place::File { path, line, .. } => format!("`{path}`, line {line}"),
        Place::Environment {
            process,
            command,
            variable,
        } => format!("`{variable}` of the process {process} (`{command}`)"),
        Place::History { repository, .. } => format!("the history of `{repository}`"),
        Place::Socket { path } => format!("`{path}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_it_is_named_and_the_credential_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let token = "9b2f6c1e-5d0a-4f6e-8a3c-2d7e1f4b6a90";
        let file = folder.path().join("add-domain.sh");
        std::fs::write(&file, format!("#!/bin/sh\nexport RAILWAY_TOKEN={token}\n")).unwrap();
        let find = |token: &str, patience: Duration| {
            let paths = [folder.path().to_owned()];
            let until = Instant::now() + patience;
            lies(&paths, None, false, until, &Secret::new(token.to_owned()))
        };
        let found = find(token, Duration::from_secs(60));
        assert_eq!(found, [format!("`{}`, line 2", file.display())]);
        let other = "7f0f3c1e-2b0b-4c58-9d7e-31d1c6a4f0aa";
        assert!(find(other, Duration::from_secs(60)).is_empty());
        assert!(find(token, Duration::ZERO).is_empty(), "its time was over");
    }
}
