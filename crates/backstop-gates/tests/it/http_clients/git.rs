//! git, unmodified, at a server that anybody may read from: `git http-backend` behind TLS.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use backstop_gates::http::gate::{Reachable, environment};
use bytes::Bytes;
use hyper::http::request::Parts;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::web::{Reply, Web, reply};
use crate::front::Here;
use crate::front::{self, Front, Making};

/// Shaped as GitHub's tokens are.
const TOKEN: &str = "ghp_n4Kd8sWq2ZrT6vYb1Xc9Lm3Pf7Jh5G0aBcDe";

/// A server with one repository, and the gate before it.
struct Forge {
    front: Front,
    web: Web,
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    lease: String,
}

impl Forge {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().to_owned();
        let web = Web::start(&["git.example", "127.0.0.1"], move |_, parts, body| {
            answer(root.clone(), parts, body)
        })
        .await?;
        let reachable = Reachable {
            apis: vec![],
            allow: vec!["git.example".into()],
            public: Arc::new(front::inside("elsewhere", Some(&web.authority_pem))?),
        };
        let making = Making {
            names: Arc::new(Here),
            ..Making::default()
        };
        let front = making.before(reachable).await?;
        let granted = front.grant(&[]).await?;
        let forge = Self {
            environment: front.environment(&granted),
            lease: granted.lease,
            front,
            web,
            folder,
        };
        forge.fill().await?;
        Ok(forge)
    }

    /// A repository with a file that takes several pieces to send, which takes pushes from anybody.
    async fn fill(&self) -> Result<()> {
        let bare = self.path("repo.git");
        let work = self.path("theirs");
        self.alone(".", &["init", "-q", "--bare", "-b", "main", &bare])
            .await?;
        self.alone(&bare, &["config", "http.receivepack", "true"])
            .await?;
        self.alone(".", &["clone", "-q", &bare, &work]).await?;
        std::fs::write(Path::new(&work).join("large"), noise(3 << 20))?;
        self.alone(&work, &["add", "large"]).await?;
        self.alone(&work, &["commit", "-q", "-m", "a large file"])
            .await?;
        self.alone(&work, &["push", "-q", "origin", "HEAD:main"])
            .await?;
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn url(&self, path: &str) -> String {
        format!("https://git.example:{}/{path}", self.web.port)
    }

    /// git without the gate.
    async fn alone(&self, within: &str, args: &[&str]) -> Result<String> {
        self.run(within, &[], args).await
    }

    /// git as the lease's agent has it.
    async fn git(&self, within: &str, args: &[&str]) -> Result<String> {
        self.run(within, &self.environment, args).await
    }

    async fn run(&self, within: &str, with: &[(String, String)], args: &[&str]) -> Result<String> {
        let output = Command::new("git")
            .args(["-c", "commit.gpgsign=false"])
            .args(args)
            .current_dir(self.folder.path().join(within))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "a")
            .env("GIT_AUTHOR_EMAIL", "a@localhost")
            .env("GIT_COMMITTER_NAME", "a")
            .env("GIT_COMMITTER_EMAIL", "a@localhost")
            .envs(with.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("git")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "git {args:?}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// So many bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(length);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

/// The repository; the same at `/moved/`, by a redirect, and at `/private/`, for whoever says who they are.
async fn answer(root: PathBuf, parts: Parts, body: Bytes) -> Reply {
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    if let Some(rest) = path.strip_prefix("/moved") {
        let location = format!("{rest}?{query}");
        return reply(301, &[("location", location.as_str())], "");
    }
    let path = match path.strip_prefix("/private") {
        Some(_) if !parts.headers.contains_key("authorization") => {
            return reply(401, &[("www-authenticate", "Basic realm=\"git\"")], "");
        }
        Some(rest) => rest.to_owned(),
        None => path,
    };
    match backend(&root, &path, &query, &parts, &body).await {
        Ok(reply) => reply,
        Err(error) => reply(500, &[], format!("{error:#}")),
    }
}

/// Asks `git http-backend`, which speaks CGI.
async fn backend(
    root: &Path,
    path: &str,
    query: &str,
    parts: &Parts,
    body: &Bytes,
) -> Result<Reply> {
    let header = |name: &str| {
        let value = parts.headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut child = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", root)
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    let body = body.clone();
    // It answers before it has read everything.
    tokio::spawn(async move {
        let _ = input.write_all(&body).await;
    });
    let output = child.wait_with_output().await?;
    let end = output.stdout.windows(4).position(|w| w == b"\r\n\r\n");
    let (head, rest) = output.stdout.split_at(end.context("no head")?);
    let mut answer = reply(200, &[], rest[4..].to_vec());
    for line in std::str::from_utf8(head)?.lines() {
        let (name, value) = line.split_once(':').context("no header")?;
        if name.eq_ignore_ascii_case("status") {
            let status = value.trim().split(' ').next().unwrap_or_default();
            *answer.status_mut() = status.parse()?;
        } else {
            let name: hyper::header::HeaderName = name.parse()?;
            answer.headers_mut().append(name, value.trim().parse()?);
        }
    }
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn git_clones_and_fetches_and_does_not_push() -> Result<()> {
    let forge = Forge::start().await?;
    let (ours, moved) = (forge.path("ours"), forge.path("moved"));
    forge
        .git(".", &["clone", "-q", &forge.url("repo.git"), &ours])
        .await?;
    forge
        .git(".", &["clone", "-q", &forge.url("moved/repo.git"), &moved])
        .await?;
    for clone in [&ours, &moved] {
        assert_eq!(
            std::fs::read(Path::new(clone).join("large"))?,
            noise(3 << 20)
        );
    }
    // With this many commits of its own to tell of, git sends what it asks with in gzip.
    for n in 0..40 {
        let message = format!("{n}");
        forge
            .alone(&ours, &["commit", "-q", "--allow-empty", "-m", &message])
            .await?;
    }
    let theirs = forge.path("theirs");
    forge
        .alone(&theirs, &["commit", "-q", "--allow-empty", "-m", "news"])
        .await?;
    forge
        .alone(&theirs, &["push", "-q", "origin", "HEAD:main"])
        .await?;
    forge.git(&ours, &["fetch", "-q", "origin"]).await?;
    let news = forge.alone(&theirs, &["rev-parse", "HEAD"]).await?;
    assert_eq!(
        forge.alone(&ours, &["rev-parse", "origin/main"]).await?,
        news
    );

    let pushed = forge
        .git(&ours, &["push", "origin", "HEAD:refs/heads/other"])
        .await;
    let said = format!("{:#}", pushed.err().context("it pushed")?);
    assert!(said.contains("403"), "{said}");
    let push = "POST /repo.git/git-receive-pack";
    assert_eq!(forge.web.count(push), 0);
    assert_eq!(forge.front.halted(&forge.lease), None);
    // It is the gate that did not let it: whoever goes around it pushes.
    let ca = forge.path("theirs.pem");
    std::fs::write(&ca, &forge.web.authority_pem)?;
    let straight = format!("https://127.0.0.1:{}/repo.git", forge.web.port);
    let trust: Vec<_> = environment("", &ca)
        .into_iter()
        .filter(|(_, v)| *v == ca)
        .collect();
    let push_args = ["push", "-q", &straight, "HEAD:refs/heads/other"];
    forge.run(&ours, &trust, &push_args).await?;
    assert_eq!(forge.web.count(push), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_url_of_a_repository_stops_the_lease() -> Result<()> {
    let forge = Forge::start().await?;
    let url = forge.url("private/repo.git");
    let with_token = url.replace("https://", &format!("https://agent:{TOKEN}@"));
    let cloned = forge.git(".", &["clone", "-q", &with_token, "ours"]).await;
    let said = format!("{:#}", cloned.err().context("it cloned")?);
    assert!(said.contains("403"), "{said}");
    let why = forge
        .front
        .halted(&forge.lease)
        .context("the lease goes on")?;
    assert!(!why.contains(TOKEN), "{why}");
    // git asks without it first, and sends it when it is asked who it is.
    let noted = forge.web.noted();
    assert!(noted.iter().all(|one| one.presented.is_none()), "{noted:?}");
    assert!(!Path::new(&forge.path("ours")).join("large").exists());
    Ok(())
}
