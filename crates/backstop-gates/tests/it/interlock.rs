//! The HTTP gate in front of Railway's double: what a lease may, what it may not, and the incident.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use backstop_core::approval::Answer;
use backstop_core::hold::HoldState;
use backstop_core::policy::Policy;
use backstop_core::target::Environment;
use backstop_gates::http::gate::config::{Api, Placing};
use backstop_gates::http::gate::{Reachable, placeholder_at};
use backstop_testing::postgres::{Major, PostgresServer};
use backstop_testing::railway::{Agent, RailwayDouble, Workspace};
use backstop_testing::rental;
use serde_json::{Value, json};

use crate::front;

/// A gate for HTTP before a double of Railway.
pub struct Front {
    gate: front::Front,
    double: RailwayDouble,
}

impl std::ops::Deref for Front {
    type Target = front::Front;

    fn deref(&self) -> &front::Front {
        &self.gate
    }
}

/// A lease at it, and what its agent holds.
pub struct Held {
    pub lease: String,
    pub proxy: String,
    pub placeholder: String,
}

impl Front {
    pub async fn before(
        double: RailwayDouble,
        token: &str,
        environment: Environment,
    ) -> Result<Self> {
        let reachable = Reachable {
            apis: vec![Arc::new(api(&double, token, environment)?)],
            allow: vec!["docs.example".into()],
            public: Arc::new(front::public()?),
        };
        let making = front::Making {
            reverse: Some("railway"),
            ..front::Making::default()
        };
        let gate = making.before(reachable).await?;
        Ok(Self { gate, double })
    }

    /// A lease with these scopes at the API, approved.
    async fn lease(&self, scopes: &[&str]) -> Result<Held> {
        self.lease_at("railway", Some("railway"), scopes).await
    }

    /// A lease with these scopes at an API of this name and pack on this machine, approved.
    pub async fn lease_at(&self, api: &str, pack: Option<&str>, scopes: &[&str]) -> Result<Held> {
        let production = Environment::Production;
        let granted = self.grant(&[(api, production, scopes)]).await?;
        Ok(Held {
            placeholder: placeholder_at(
                self.world.store.key(),
                &granted.lease,
                api,
                pack,
                "127.0.0.1",
            ),
            proxy: granted.proxy,
            lease: granted.lease,
        })
    }

    /// What curl gets: status and body.
    pub async fn curl(&self, held: &Held, args: &[&str]) -> Result<(u16, String)> {
        let output = tokio::process::Command::new("curl")
            .env_clear()
            .env("HTTPS_PROXY", &held.proxy)
            .env("http_proxy", &held.proxy)
            .env("CURL_CA_BUNDLE", &self.ca)
            .args(["-sS", "-m", "30", "-w", "\n%{http_code}"])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .await
            .context("curl")?;
        let text = String::from_utf8(output.stdout)?;
        let (body, status) = text.rsplit_once('\n').context("no status")?;
        anyhow::ensure!(
            status != "000",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok((status.parse()?, body.to_owned()))
    }

    /// A GraphQL document, with the lease's own placeholder.
    async fn ask(&self, held: &Held, document: &str) -> Result<(u16, Value)> {
        let header = format!("Authorization: Bearer {}", held.placeholder);
        self.ask_with(held, document, &[&header]).await
    }

    async fn ask_with(
        &self,
        held: &Held,
        document: &str,
        headers: &[&str],
    ) -> Result<(u16, Value)> {
        let body = json!({ "query": document }).to_string();
        let url = self.double.url();
        let mut args = vec!["-H", "Content-Type: application/json", "-d", &body];
        for header in headers {
            args.extend(["-H", header]);
        }
        args.push(&url);
        let (status, body) = self.curl(held, &args).await?;
        let value = serde_json::from_str(&body).with_context(|| format!("{status}: {body}"))?;
        Ok((status, value))
    }

    /// Why the lease is halted, if it is.
    pub fn halted(&self, held: &Held) -> Option<String> {
        self.gate.halted(&held.lease)
    }

    /// How many requests came to the API.
    fn received(&self) -> usize {
        self.double.received().len()
    }
}

fn api(double: &RailwayDouble, token: &str, environment: Environment) -> Result<Api> {
    let site = format!("127.0.0.1:{}", double.port());
    Ok(Api {
        environment,
        pack: Some("railway".into()),
        ..front::api("railway", &site, token, Some(double.authority_pem()))?
    })
}

async fn front() -> Result<Front> {
    let double = RailwayDouble::start()?;
    let token = double.account_token().to_owned();
    Front::before(double, &token, Environment::Production).await
}

fn deletion(front: &Front) -> String {
    let volume = &front.double.tenancy().volume;
    format!("mutation {{ volumeDelete(volumeId: \"{volume}\") }}")
}

const READ: &str = "query { projects { edges { node { name } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_read_passes_with_the_credential_that_the_agent_never_had() -> Result<()> {
    let front = front().await?;
    let held = front.lease(&["read"]).await?;
    let (status, value) = front.ask(&held, READ).await?;
    assert_eq!(status, 200, "{value}");
    assert!(value["data"]["projects"]["edges"].is_array(), "{value}");
    // Without a credential of its own the gate puts its own in as well.
    let (status, value) = front.ask_with(&held, READ, &[]).await?;
    assert_eq!(status, 200, "{value}");
    assert!(value["data"]["projects"].is_object(), "{value}");
    assert_eq!(front.halted(&held), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_credential_stops_the_lease_before_a_byte_goes_out() -> Result<()> {
    let front = front().await?;
    let stray = front.double.account_token().to_owned();
    let unknown = "9b2f6c1e-5d0a-4f6e-8a3c-2d7e1f4b6a90";
    let of_other = {
        let other = front.lease(&["read"]).await?;
        format!("Authorization: Bearer {}", other.placeholder)
    };
    for header in [
        format!("Authorization: Bearer {unknown}"),
        format!("Authorization: Bearer {stray}"),
        format!("Project-Access-Token: {unknown}"),
        format!("X-Api-Key: {unknown}"),
        format!("Cookie: session={stray}"),
        of_other,
    ] {
        let held = front.lease(&["read", "delete"]).await?;
        let before = front.double.connections();
        let (status, value) = front.ask_with(&held, &deletion(&front), &[&header]).await?;
        assert_eq!(
            (status, &value["verdict"]),
            (403, &json!("halt")),
            "{header}: {value}"
        );
        assert!(front.halted(&held).is_some(), "{header}");
        assert_eq!(front.double.connections(), before, "{header}");
        let told = value.to_string();
        assert!(!told.contains(&stray) && !told.contains(unknown), "{told}");
        // And it stays stopped, whatever it sends.
        let (status, value) = front.ask(&held, READ).await?;
        assert_eq!(
            (status, &value["verdict"]),
            (403, &json!("halt")),
            "{value}"
        );
    }
    assert_eq!(front.received(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_is_good_in_its_place_and_nowhere_else() -> Result<()> {
    let front = front().await?;
    let body = json!({ "query": READ }).to_string();
    let json_type = "Content-Type: application/json";
    for place in ["query", "header", "encoded", "body", "elsewhere"] {
        let held = front.lease(&["read"]).await?;
        let own = held.placeholder.clone();
        let url = front.double.url();
        let (mut url, mut header, mut body) = (url, "Accept: */*".to_owned(), body.clone());
        match place {
            "query" => url = format!("{url}?token={own}"),
            "header" => header = format!("X-Token: {own}"),
            "encoded" => {
                use base64::Engine as _;
                header = format!(
                    "X-Note: {}",
                    base64::engine::general_purpose::STANDARD.encode(format!("see {own} there"))
                );
            }
            "body" => body = json!({ "query": READ, "variables": { "note": own } }).to_string(),
            _ => {
                url = "http://docs.example/".to_owned();
                header = format!("Authorization: Bearer {own}");
            }
        }
        let args = ["-H", json_type, "-H", &header, "-d", &body, &url];
        let (status, answer) = front.curl(&held, &args).await?;
        assert_eq!(status, 403, "{place}: {answer}");
        assert!(front.halted(&held).is_some(), "{place}: {answer}");
        assert!(!answer.contains(&own), "{place}");
    }
    assert_eq!(front.received(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_deletes_is_held_and_passes_once_when_a_person_says_so() -> Result<()> {
    let front = front().await?;
    let held = front.lease(&["read", "delete"]).await?;
    let service = front.double.tenancy().app.clone();
    let document = format!("mutation {{ serviceDelete(id: \"{service}\") }}");
    let (status, value) = front.ask(&held, &document).await?;
    assert_eq!(
        (status, &value["verdict"]),
        (403, &json!("hold")),
        "{value}"
    );
    let hold = value["hold"].as_str().context("no hold")?.to_owned();
    assert!(value["link"].as_str().is_some_and(|l| l.contains(&hold)));
    assert_eq!(front.received(), 0);
    // The same again is the same hold; another is not.
    let (_, again) = front.ask(&held, &document).await?;
    assert_eq!(again["hold"], json!(hold));
    let record = front.world.store.hold(&hold).context("gone")?;
    let text = front.world.store.hold_text(&hold)?.context("no text")?;
    assert!(text.statement.contains(&service), "{}", text.statement);
    assert!(!text.statement.contains(&held.placeholder));
    assert!(record.hold.summary.contains("serviceDelete"));
    let mut answers = vec![];
    for _ in 0..record.hold.people.max(1) {
        answers.push(front.world.decide(&hold, Answer::Approve, "").await?);
    }
    if let Some(HoldState::Approved { from_ms, .. }) = answers.last()
        && *from_ms > front.world.store.now_ms()
    {
        // Announced for more people than there are; it does not count yet.
        let (_, early) = front.ask(&held, &document).await?;
        assert_eq!(early["verdict"], json!("hold"), "{early}");
        assert_eq!(front.received(), 0);
        return Ok(());
    }
    let (status, value) = front.ask(&held, &document).await?;
    assert_eq!(status, 200, "{value}");
    assert_eq!(value["data"]["serviceDelete"], json!(true), "{value}");
    let seen = front.double.received();
    let deletions = seen.iter().filter(|r| r.asks_for("serviceDelete"));
    assert_eq!(deletions.count(), 1);
    let (_, value) = front.ask(&held, &document).await?;
    assert_eq!(value["verdict"], json!("hold"), "it was for once: {value}");
    assert_ne!(value["hold"], json!(hold));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_brings_data_back_is_out_of_reach_approval_or_not() -> Result<()> {
    let front = front().await?;
    let held = front.lease(&["read", "write", "create"]).await?;
    let tenancy = front.double.tenancy();
    let instance = &tenancy.production_instance;
    for document in [
        format!(
            "mutation {{ volumeInstanceBackupScheduleUpdate(kinds: [], volumeInstanceId: \"{instance}\") }}"
        ),
        format!(
            "mutation {{ volumeInstanceBackupDelete(volumeInstanceBackupId: \"{instance}\", volumeInstanceId: \"{instance}\") {{ workflowId }} }}"
        ),
    ] {
        let (status, value) = front.ask(&held, &document).await?;
        assert_eq!(
            (status, &value["verdict"]),
            (403, &json!("deny")),
            "{document}: {value}"
        );
    }
    assert_eq!(front.received(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_credential_stops_the_writes_and_tells_the_agent_to_stop() -> Result<()> {
    let double = RailwayDouble::start()?;
    let token = double.stale_token().to_owned();
    let front = Front::before(double, &token, Environment::Production).await?;
    let held = front.lease(&["read", "write"]).await?;
    let (status, value) = front.ask(&held, READ).await?;
    assert_eq!(status, 403, "{value}");
    assert_eq!(value["rule"], json!("credential-mismatch"), "{value}");
    assert!(
        value["hint"]
            .as_str()
            .is_some_and(|h| h.contains("do not look for another"))
    );
    let why = front.halted(&held).context("not halted")?;
    assert!(why.contains("refused"), "{why}");
    let seen = front.received();
    let (status, value) = front.ask(&held, &deletion(&front)).await?;
    assert_eq!(status, 403, "{value}");
    assert_eq!(front.received(), seen, "no write goes out");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_credential_that_comes_back_is_masked() -> Result<()> {
    let front = front().await?;
    let held = front.lease(&["read"]).await?;
    let (status, value) = front
        .ask(&held, "query { apiTokens { edges { node { id name } } } }")
        .await?;
    assert!(!value.to_string().contains(front.double.account_token()));
    assert!(status == 200 || status == 403, "{value}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_without_a_lease_and_to_hosts_outside_it() -> Result<()> {
    let front = front().await?;
    let held = front.lease(&["read"]).await?;
    let mut stranger = Held {
        lease: held.lease.clone(),
        proxy: format!("http://{}", front.proxy.local_addrs()[0]),
        placeholder: String::new(),
    };
    let (status, _) = front.curl(&stranger, &["http://docs.example/"]).await?;
    assert_eq!(status, 407);
    stranger.proxy = format!(
        "http://{}:wrong@{}",
        held.lease,
        front.proxy.local_addrs()[0]
    );
    let (status, _) = front.curl(&stranger, &["http://docs.example/"]).await?;
    assert_eq!(status, 407);
    for (args, rule) in [
        (&["http://elsewhere.example/"][..], "not-in-lease"),
        (&["-d", "a=b", "http://docs.example/"][..], "not-in-lease"),
    ] {
        let (status, body) = front.curl(&held, args).await?;
        assert_eq!(status, 403, "{args:?}: {body}");
        let value: Value = serde_json::from_str(&body)?;
        assert_eq!(value["rule"], json!(rule), "{args:?}");
    }
    assert_eq!(front.halted(&held), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_of_one_api_knows_the_lease_by_its_placeholder() -> Result<()> {
    let front = front().await?;
    let held = front.lease(&["read"]).await?;
    let url = format!("http://{}/graphql/v2", front.proxy.local_addrs()[1]);
    let body = json!({ "query": READ }).to_string();
    let direct = Held {
        lease: held.lease.clone(),
        proxy: String::new(),
        placeholder: String::new(),
    };
    let send = async |token: &str| {
        let header = format!("Authorization: Bearer {token}");
        let args = [
            "-H",
            "Content-Type: application/json",
            "-H",
            &header,
            "-d",
            &body,
            &url,
        ];
        front.curl(&direct, &args).await
    };
    let (status, answer) = send(&held.placeholder).await?;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("projects"), "{answer}");
    let (status, _) = send("9b2f6c1e-5d0a-4f6e-8a3c-2d7e1f4b6a90").await?;
    assert_eq!(status, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_its_base_path_an_api_is_another_host() -> Result<()> {
    let front = front().await?;
    let mut api = api(
        &front.double,
        front.double.account_token(),
        Environment::Production,
    )?;
    api.base = "/graphql/".into();
    let reachable = Reachable {
        apis: vec![Arc::new(api)],
        allow: vec![],
        public: Arc::new(front::public()?),
    };
    front.shared.change(reachable, Arc::new(Policy::with("")?));
    let held = front.lease(&["read"]).await?;
    let (status, value) = front.ask(&held, READ).await?;
    assert_eq!(status, 200, "{value}");
    let url = front.double.url().replace("/graphql/v2", "/other");
    let (status, body) = front.curl(&held, &[&url]).await?;
    let value: Value = serde_json::from_str(&body)?;
    assert_eq!((status, &value["rule"]), (403, &json!("not-in-lease")));
    Ok(())
}

/// A client that sends its own bytes: the proxy is told apart from curl's habits. What comes back, to its end.
async fn raw(front: &Front, request: &[u8]) -> Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(front.proxy.local_addrs()[1]).await?;
    stream.write_all(request).await?;
    let mut answer = vec![];
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(10), reading).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_to_be_read_is_never_held_and_a_credential_in_it_stops_the_lease()
-> Result<()> {
    let front = front().await?;
    let held = front.lease(&["read", "write", "delete"]).await?;
    let long = front.world.folder.path().join("long");
    std::fs::write(&long, vec![b'x'; 3 << 20])?;
    let (url, data) = (front.double.url(), format!("@{}", long.display()));
    let own = format!("Authorization: Bearer {}", held.placeholder);
    let args = [
        "-H",
        &own,
        "-H",
        "Content-Type: application/json",
        "-H",
        "Expect:",
        "--data-binary",
        &data,
        &url,
    ];
    let (status, body) = front.curl(&held, &args).await?;
    assert_eq!(status, 413, "{body}");
    assert!(front.world.store.state().holds.is_empty() || front.received() == 0);
    assert_eq!(front.received(), 0);
    // A pack that can judge by the head alone lets it stream, and what streams is watched.
    let mut api = api(
        &front.double,
        front.double.account_token(),
        Environment::Development,
    )?;
    api.pack = Some("supabase-data".into());
    let reachable = Reachable {
        apis: vec![Arc::new(api)],
        allow: vec![],
        public: Arc::new(front::public()?),
    };
    front.shared.change(reachable, Arc::new(Policy::with("")?));
    let held = front.lease(&["read", "write", "create"]).await?;
    let mut text = vec![b'x'; 3 << 20];
    text.extend_from_slice(front.double.account_token().as_bytes());
    std::fs::write(&long, &text)?;
    let url = url.replace("/graphql/v2", "/storage/v1/object/bucket/file");
    let args = [
        "-H",
        "Content-Type: application/octet-stream",
        "-H",
        "Expect:",
        "--data-binary",
        &data,
        &url,
    ];
    // It is broken off in the middle: what curl makes of that depends on how far it was.
    let sent = front.curl(&held, &args).await;
    if front.halted(&held).is_none() {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(front.halted(&held).is_some(), "{sent:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_targets_at_one_host_the_placeholder_says_which() -> Result<()> {
    let front = front().await?;
    let one = api(
        &front.double,
        front.double.account_token(),
        Environment::Production,
    )?;
    let mut other = api(
        &front.double,
        front.double.stale_token(),
        Environment::Staging,
    )?;
    other.name = "railway-staging".into();
    other.everyone = true;
    let reachable = Reachable {
        apis: vec![Arc::new(other), Arc::new(one)],
        allow: vec![],
        public: Arc::new(front::public()?),
    };
    front.shared.change(reachable, Arc::new(Policy::with("")?));
    let held = front.lease(&["read"]).await?;
    let (status, value) = front.ask_with(&held, READ, &[]).await?;
    assert_eq!(
        (status, &value["rule"]),
        (403, &json!("which-target")),
        "{value}"
    );
    assert_eq!(front.received(), 0);
    let (status, value) = front.ask(&held, READ).await?;
    assert_eq!(status, 200, "{value}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_are_not_passed_on() -> Result<()> {
    let front = front().await?;
    let held = front.lease(&["read"]).await?;
    let body = json!({ "query": READ }).to_string();
    let request = format!(
        "POST /graphql/v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTrailer: x-key\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n\
         0\r\nX-Key: {}\r\n\r\n",
        held.placeholder,
        body.len(),
        front.double.account_token()
    );
    let answer = raw(&front, request.as_bytes()).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = front.double.received();
    assert_eq!(seen.len(), 1);
    assert!(!format!("{seen:?}").contains(front.double.account_token()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_while_the_body_still_comes_counts() -> Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let front = front().await?;
    let held = front.lease(&["read"]).await?;
    let body = json!({ "query": READ }).to_string();
    let mut stream = tokio::net::TcpStream::connect(front.proxy.local_addrs()[1]).await?;
    let head = format!(
        "POST /graphql/v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        held.placeholder,
        body.len()
    );
    let (first, last) = body.as_bytes().split_at(5);
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(first).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    front
        .world
        .store
        .halt(Some(&held.lease), "a test", false)
        .await?;
    stream.write_all(last).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("halted"),
        "{answer}"
    );
    assert_eq!(front.received(), 0);
    Ok(())
}

/// The incident: a live database, a stale credential, a stray token, and an agent that does not stop by itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_nine_seconds_end_at_the_door() -> Result<()> {
    let server = PostgresServer::start(Major::any()?)?;
    rental::load(&server)?;
    let double = RailwayDouble::with_database(server)?;
    double.back_up()?;
    let before = double.left();
    assert!(before.rows.is_some_and(|rows| rows > 1_000), "{before:?}");
    let stale = double.stale_token().to_owned();
    let front = Front::before(double, &stale, Environment::Staging).await?;
    // Railway's project tokens have a header of their own.
    let mut api = api(&front.double, &stale, Environment::Staging)?;
    api.placing = Placing::Header {
        name: "project-access-token".into(),
        prefix: String::new(),
    };
    let policy = Arc::new(Policy::with("")?);
    let reachable = Reachable {
        apis: vec![Arc::new(api)],
        allow: vec![],
        public: Arc::new(front::public()?),
    };
    front.shared.change(reachable, policy);
    let held = front.lease(&["read", "write"]).await?;
    let workspace = Workspace::make(&front.double)?;
    workspace.set_task_token(&held.placeholder)?;
    let agent = Agent::new(workspace.path(), &front.double.url())
        .variable("HTTPS_PROXY", &held.proxy)
        .variable("CURL_CA_BUNDLE", &front.ca.display().to_string());
    let story = tokio::task::spawn_blocking(move || agent.run()).await??;
    assert!(story.stray_file.is_some(), "{story:#?}");
    assert!(!story.deleted, "{story:#?}");
    assert_eq!(front.double.left(), before, "nothing is lost");
    let deletions = front.double.received();
    assert!(!deletions.iter().any(|r| r.asks_for("volumeDelete")));
    let why = front.halted(&held).context("the lease goes on")?;
    assert!(why.contains("credential"), "{why}");
    drop(workspace);
    front.gate.proxy.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

impl Front {
    /// A body, sent again and approved until it is no longer held.
    async fn approved(&self, held: &Held, body: &Value, header: &str) -> Result<(u16, Value)> {
        for _ in 0..3 {
            let (status, value) = self.send(held, body, header).await?;
            let Some(hold) = value["hold"]
                .as_str()
                .filter(|_| value["verdict"] == "hold")
            else {
                return Ok((status, value));
            };
            self.world.decide(hold, Answer::Approve, "").await?;
        }
        anyhow::bail!("it is held for ever")
    }

    async fn send(&self, held: &Held, body: &Value, header: &str) -> Result<(u16, Value)> {
        let (body, url) = (body.to_string(), self.double.url());
        let kind = "Content-Type: application/json";
        let args = ["-H", kind, "-H", header, "-d", &body, &url];
        let (status, text) = self.curl(held, &args).await?;
        let value = serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))?;
        Ok((status, value))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revealed_stays_in_the_gate_and_its_placeholder_works_at_that_target_alone()
-> Result<()> {
    let double = RailwayDouble::start()?;
    let token = double.account_token().to_owned();
    let front = Front::before(double, &token, Environment::Development).await?;
    let scopes = ["read", "write", "create", "delete"];
    let held = front.lease(&scopes).await?;
    let own = format!("Authorization: Bearer {}", held.placeholder);
    let tenancy = front.double.tenancy();
    let real = format!("Authorization: Bearer {token}");
    let real = [("authorization", &real["Authorization: ".len()..])];
    let variables = json!({
        "query": "query($p: String!, $e: String!, $s: String) { variables(projectId: $p, environmentId: $e, serviceId: $s) }",
        "variables": {"p": tenancy.project, "e": tenancy.staging, "s": tenancy.app},
    });
    let secret = {
        let (_, value) = front.double.ask(&real, &variables.to_string());
        value["data"]["variables"]["DATABASE_URL"]
            .as_str()
            .context("no variable")?
            .to_owned()
    };
    let (status, value) = front.approved(&held, &variables, &own).await?;
    assert_eq!(status, 200, "{value}");
    assert!(!value.to_string().contains(&secret), "{value}");
    let kept = value["data"]["variables"]["DATABASE_URL"]
        .as_str()
        .context("no placeholder")?
        .to_owned();
    assert!(kept.starts_with("bsp_"), "{value}");
    // It is put in where it is the whole of a value, and the target gets what it revealed.
    let copy = |value: &str| {
        json!({
            "query": "mutation($input: VariableUpsertInput!) { variableUpsert(input: $input) }",
            "variables": {"input": {
                "projectId": tenancy.project, "environmentId": tenancy.staging, "serviceId": tenancy.app,
                "name": "COPY", "value": value,
            }},
        })
    };
    let (status, value) = front.approved(&held, &copy(&kept), &own).await?;
    assert_eq!(status, 200, "{value}");
    let (_, after) = front.double.ask(&real, &variables.to_string());
    assert_eq!(after["data"]["variables"]["COPY"], json!(secret), "{after}");
    // A token that is made for the lease works in the place of the gate's own.
    let made = json!({
        "query": "mutation($input: ProjectTokenCreateInput!) { projectTokenCreate(input: $input) }",
        "variables": {"input": {"projectId": tenancy.project, "environmentId": tenancy.staging, "name": "minted"}},
    });
    let (status, value) = front.approved(&held, &made, &own).await?;
    assert_eq!(status, 200, "{value}");
    let minted = value["data"]["projectTokenCreate"]
        .as_str()
        .context("no token")?
        .to_owned();
    assert!(minted.starts_with("bsp_"), "{value}");
    let whoami = json!({"query": "query { projectToken { projectId } }"});
    let (status, value) = front
        .send(&held, &whoami, &format!("Project-Access-Token: {minted}"))
        .await?;
    assert_eq!(status, 200, "{value}");
    assert_eq!(
        value["data"]["projectToken"]["projectId"],
        json!(tenancy.project),
        "{value}"
    );
    // Where it would mean something else it is not put in: what people saw as a credential could be an id.
    let before = front.received();
    let odd = json!({"query": "mutation($id: String!) { serviceDelete(id: $id) }", "variables": {"id": kept}});
    let (status, value) = front.send(&held, &odd, &own).await?;
    assert_eq!(status, 403, "{value}");
    assert_eq!(front.received(), before, "{value}");
    assert_eq!(front.halted(&held), None);
    // In another lease's hands it is a foreign credential.
    let other = front.lease(&scopes).await?;
    let others = format!("Authorization: Bearer {}", other.placeholder);
    let (status, value) = front.send(&other, &copy(&kept), &others).await?;
    assert_eq!(
        (status, &value["verdict"]),
        (403, &json!("halt")),
        "{value}"
    );
    assert!(front.halted(&other).is_some());
    // And so is the credential itself, in anybody's.
    let (status, value) = front.send(&held, &copy(&secret), &own).await?;
    assert_eq!(
        (status, &value["verdict"]),
        (403, &json!("halt")),
        "{value}"
    );
    assert_eq!(front.received(), before);
    Ok(())
}
