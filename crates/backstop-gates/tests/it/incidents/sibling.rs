//! A sibling project's admin secret, August 2026: an API answered 403, and the agent took a secret from another project's
//! `.env` and minted a token with it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use backstop_core::policy::Policy;
use backstop_core::target::Environment;
use backstop_gates::http::gate::Reachable;
use backstop_testing::doubles::{AnsweringDouble, reply};
use backstop_testing::railway::RailwayDouble;
use serde_json::json;

use crate::front;
use crate::interlock::{Front, Held};

const TASK: &str = "tsk_4f1c9b27d0e84c6a9b3f";
const ADMIN: &str = "adm_9e27c41f5b0d4a8e8c11";

/// The API: the task's token may not, the admin secret may everything.
fn api() -> Result<AnsweringDouble> {
    AnsweringDouble::start(|request| {
        let token = request.header("authorization").unwrap_or_default();
        let token = token.trim_start_matches("Bearer ");
        let kind = ("content-type", "application/json");
        Ok(
            match (request.method.as_str(), request.path.as_str(), token) {
                ("POST", "/v1/tokens", ADMIN) => reply(201, &[kind], r#"{"token":"minted"}"#),
                (_, _, ADMIN) => reply(200, &[kind], "{}"),
                _ => reply(403, &[kind], r#"{"error":"not for this token"}"#),
            },
        )
    })
}

/// Tokens that somebody minted.
fn minted(api: &AnsweringDouble) -> usize {
    let by_admin = |token: Option<&str>| token.is_some_and(|token| token.ends_with(ADMIN));
    api.requests()
        .iter()
        .filter(|r| r.path == "/v1/tokens" && by_admin(r.header("authorization")))
        .count()
}

/// The workspace: the project of the task, and the one beside it.
fn workspace(folder: &Path, task: &str) -> Result<()> {
    for (name, line) in [
        ("task/.env", format!("API_TOKEN={task}\n")),
        ("sibling/.env", format!("CORE_ADMIN_SECRET={ADMIN}\n")),
    ] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(path, line)?;
    }
    Ok(())
}

fn value(folder: &Path, file: &str) -> Result<String> {
    let text = std::fs::read_to_string(folder.join(file))?;
    let (_, value) = text.trim().split_once('=').context("NAME=VALUE")?;
    Ok(format!("Authorization: Bearer {value}"))
}

/// What that agent did: ask, be refused, take another secret, mint.
async fn agent(front: &Front, held: &Held, folder: &Path, url: &str) -> Result<Vec<(u16, String)>> {
    let own = value(folder, "task/.env")?;
    let asked = front
        .curl(held, &["-H", &own, &format!("{url}/v1/deploys/42")])
        .await?;
    let other = value(folder, "sibling/.env")?;
    let body = r#"{"scopes":["admin"]}"#;
    let mint = [
        "-H",
        &other,
        "-H",
        "Content-Type: application/json",
        "-d",
        body,
        &format!("{url}/v1/tokens"),
    ];
    Ok(vec![asked, front.curl(held, &mint).await?])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sibling_projects_admin_secret_ends_at_the_door() -> Result<()> {
    let api = api()?;
    let double = RailwayDouble::start()?;
    let token = double.account_token().to_owned();
    let front = Front::before(double, &token, Environment::Production).await?;
    let folder = tempfile::tempdir()?;

    // Without Backstop: refused, and a minute later there is a token that nobody approved.
    workspace(folder.path(), TASK)?;
    let nobody = Held {
        lease: String::new(),
        proxy: String::new(),
        placeholder: String::new(),
    };
    let story = agent(&front, &nobody, folder.path(), &api.url()).await?;
    assert_eq!((story[0].0, story[1].0), (403, 201), "{story:?}");
    assert_eq!(minted(&api), 1);

    // With it the task holds a placeholder.
    let site = api.url().trim_start_matches("http://").to_owned();
    let reachable = Reachable {
        apis: vec![Arc::new(front::api("core", &site, TASK, None)?)],
        allow: vec![],
        public: Arc::new(front::public()?),
    };
    front.shared.change(reachable, Arc::new(Policy::with("")?));
    let held = front
        .lease_at("core", None, &["read", "write", "create"])
        .await?;
    workspace(folder.path(), &held.placeholder)?;
    let before = api.requests().len();
    let story = agent(&front, &held, folder.path(), &api.url()).await?;
    assert_eq!((story[0].0, story[1].0), (403, 403), "{story:?}");
    assert!(
        story[0].1.contains("credential-mismatch")
            && story[0].1.contains("do not look for another"),
        "it is told to stop: {}",
        story[0].1
    );
    assert!(story[1].1.contains("\"halt\""), "{}", story[1].1);
    assert_eq!(minted(&api), 1, "no second token was minted");
    assert_eq!(
        api.requests().len(),
        before + 1,
        "only what it was given came out"
    );

    // The journal: first its writes were stopped, then all of it, and why.
    let why = front.halted(&held).context("the lease goes on")?;
    assert!(
        why.contains("a credential that this lease did not get"),
        "{why}"
    );
    let decisions = front.world.decisions();
    let of_lease = |event: &str| {
        let all = decisions.iter();
        all.filter(|e| e["event"] == event && e["lease"] == held.lease.as_str())
            .cloned()
            .collect::<Vec<_>>()
    };
    let halts = of_lease("halted");
    assert_eq!(
        halts.iter().map(|e| &e["reads"]).collect::<Vec<_>>(),
        [&json!(true), &json!(false)],
        "{halts:?}"
    );
    assert_eq!(of_lease("mismatch").len(), 2);
    let entries = front.world.entries();
    let foreign = entries
        .iter()
        .find(|e| e["entry"] == "intent" && e["rule"] == "foreign-credential")
        .context("the intent")?;
    assert_eq!(foreign["verdict"], json!("halt"));
    for form in [
        format!("{decisions:?}"),
        format!("{entries:?}"),
        format!("{story:?}"),
    ] {
        assert!(!form.contains(ADMIN) && !form.contains(TASK), "{form}");
    }
    Ok(())
}
