//! GitHub: whose token it is, its scopes if it says them, and the repositories that its owner administers.

use serde_json::Value;

use super::call::Call;
use super::learnt::Learnt;
use super::wire::{Failed, Wire};
use super::words::{count, list, word};
use crate::kinds::Backups;
use crate::report::Severity;

/// Pages of repositories that are read, of a hundred each.
const PAGES: u32 = 10;

/// Scopes of classic tokens with which something is lost, and what. Source: GitHub, "Scopes for OAuth apps".
const DESTROY: &[(&str, &str)] = &[
    (
        "delete_repo",
        "delete the repositories that its owner administers",
    ),
    (
        "repo",
        "overwrite every branch and tag of the repositories that its owner can write to, private ones too",
    ),
    (
        "public_repo",
        "overwrite every branch and tag of the public repositories that its owner can write to",
    ),
    (
        "admin:org",
        "change the organisation: its teams, members and their rights",
    ),
    ("delete:packages", "delete packages"),
    ("admin:enterprise", "administer the enterprise"),
    (
        "workflow",
        "change the workflows, which run with the repository's secrets",
    ),
    ("codespace", "delete codespaces with what was not pushed"),
    ("project", "delete projects"),
    ("gist", "overwrite and delete gists"),
    ("write:packages", "publish packages that others install"),
    (
        "admin:public_key",
        "add an SSH key that stays when the token is revoked",
    ),
];
/// Those of them that destroy data that is not elsewhere.
const DATA: &[&str] = &[
    "delete_repo",
    "repo",
    "public_repo",
    "delete:packages",
    "admin:org",
    "admin:enterprise",
];

/// Asks.
pub(super) async fn ask(wire: &mut Wire<'_>) -> Result<Learnt, Failed> {
    let answer = wire.read(&Call::GithubUser).await?;
    let scopes = answer.header("x-oauth-scopes");
    let user: Value = serde_json::from_slice(&answer.body)
        .map_err(|_| Failed::Lost("its answer cannot be read".into()))?;
    let login = user.get("login").and_then(Value::as_str).map(word);
    let login = login.ok_or_else(|| Failed::Lost("it answered nobody's name".into()))?;
    let mut unknown = vec![];
    let mut admin = vec![];
    let mut all = 0;
    let mut whole = false;
    for page in 1..=PAGES {
        match wire.read(&Call::GithubRepositories { page }).await {
            Ok(answer) => {
                let Ok(Value::Array(page)) = serde_json::from_slice(&answer.body) else {
                    unknown.push("its repositories: the answer cannot be read".to_owned());
                    break;
                };
                all += page.len();
                admin.extend(
                    page.iter()
                        .filter(|r| r.pointer("/permissions/admin") == Some(&Value::Bool(true)))
                        .filter_map(|r| r.get("full_name").and_then(Value::as_str).map(word)),
                );
                if page.len() < 100 {
                    whole = true;
                    break;
                }
            }
            Err(why) => {
                unknown.push(format!("its repositories: {why}"));
                break;
            }
        }
    }
    if !whole && unknown.is_empty() {
        unknown.push(format!(
            "its repositories: there are more than the {all} that were read"
        ));
    }
    let mut learnt = match scopes {
        Some(scopes) => classic(&login, &scopes, admin.len(), all),
        None => fine_grained(&login, &mut unknown),
    };
    if !admin.is_empty() {
        let shown: Vec<String> = admin.iter().take(10).cloned().collect();
        learnt.evidence.push(format!(
            "`{login}` administers {} of the {} that it sees: {}",
            count(admin.len(), "repository"),
            count(all, "repository").replace("1 repository", "one"),
            list(&shown)
        ));
    }
    learnt.unknown.extend(unknown);
    learnt.asked = wire.asked();
    Ok(learnt)
}

fn classic(login: &str, header: &str, admin: usize, all: usize) -> Learnt {
    let scopes: Vec<String> = header
        .split(',')
        .map(|scope| word(scope.trim()))
        .filter(|scope| !scope.is_empty())
        .collect();
    let has = |name: &str| scopes.iter().any(|scope| scope == name);
    let destroys = DATA.iter().any(|name| has(name));
    let acts: Vec<String> = DESTROY
        .iter()
        .filter(|(name, _)| has(name))
        .map(|(_, what)| (*what).to_owned())
        .collect();
    let said = match scopes.as_slice() {
        [] => "no scope".to_owned(),
        some => list(&some.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>()),
    };
    let sentence = match acts.as_slice() {
        [] => format!("As `{login}` of GitHub it has {said}: it can overwrite and delete nothing."),
        acts => format!(
            "As `{login}` of GitHub it can {} ({} seen, {admin} of them administered).",
            list(acts),
            count(all, "repository")
        ),
    };
    let deploys = has("repo") || has("workflow");
    Learnt {
        severity: match (destroys, acts.is_empty()) {
            (true, _) => Severity::High,
            (false, false) => Severity::Medium,
            (false, true) => Severity::Low,
        },
        sentence,
        backups: if deploys {
            Backups::Depends
        } else {
            Backups::No
        },
        backups_say: if deploys {
            "Whether backups are within its reach depends: whoever changes a workflow runs code with the repository's secrets, and so reaches what those reach. Clones elsewhere are the only backup of a repository that is known; whether anybody has one is not known.".to_owned()
        } else {
            "Backups are out of its reach: its scopes change no code and no workflow.".to_owned()
        },
        evidence: vec![format!("scopes: {said}")],
        narrow: None,
        unknown: vec![],
        stores: vec![],
        asked: vec![],
    }
}

/// No header says what a fine-grained token or an App's may do.
fn fine_grained(login: &str, unknown: &mut Vec<String>) -> Learnt {
    unknown.push("its permissions: GitHub tells them to nobody who holds the token; look at https://github.com/settings/personal-access-tokens, or at the App's installation, for `Contents`, `Administration` and `Workflows` with write access".to_owned());
    Learnt {
        severity: Severity::High,
        sentence: format!("As `{login}` of GitHub it can do what its permissions say, which it does not tell: at worst overwrite or delete the repositories that it names."),
        backups: Backups::Depends,
        backups_say: "Whether backups are within its reach depends: whoever may write workflows runs code with the repository's secrets.".to_owned(),
        evidence: vec![],
        narrow: None,
        unknown: vec![],
        stores: vec![],
        asked: vec![],
    }
}
