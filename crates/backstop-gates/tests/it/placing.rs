//! Where an API takes its credential: in a path, in a body, in a header, a parameter, a cookie. The placeholder is good
//! there; whatever else stands there does not reach the API.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use backstop_core::approval::Answer;
use backstop_core::policy::Policy;
use backstop_core::target::Environment;
use backstop_gates::http::gate::Reachable;
use backstop_gates::http::gate::config::{Api, Placing};
use backstop_testing::doubles::{AnsweringDouble, RecordedRequest, reply};
use backstop_wire::providers::Pack;
use serde_json::{Value, json};

use crate::front::{self, Front, Making};

/// What the API does, with what the gate leaves in paths in the place of the placeholder.
const PACK: &str = r#"
name = "words"
title = "Words"
source = "the test that it stands in"
version = "1"

[[operation]]
match = ["GET|POST /say", "GET|POST /botPLACEHOLDER/say"]
effect = "read"
object = "words"
does = "Says it back."

[[operation]]
match = ["DELETE /words", "DELETE /botPLACEHOLDER/words", "POST /forget"]
effect = "destroy"
object = "words"
does = "Forgets all words."
"#;

/// A credential that nothing else in a request looks like.
const REAL: &str = "k7Qm2vX9pL4tZ8wR1nB6yC3d";

const JSON: &str = "Content-Type: application/json";

/// The gate before an API that says back what it was sent.
struct Scene {
    front: Front,
    double: AnsweringDouble,
    api: Arc<Api>,
}

/// A lease, and what its agent holds.
struct Agent {
    lease: String,
    proxy: String,
    placeholder: String,
}

/// What curl got: head and body.
#[derive(Debug)]
struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    /// The last part of the problem's type, or the status where there is none.
    fn kind(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let kind = problem["type"].as_str();
        let kind = kind.and_then(|kind| kind.strip_prefix("urn:backstop:problem:"));
        kind.map_or_else(|| self.status.to_string(), ToOwned::to_owned)
    }

    /// The hold that waits for people.
    fn hold(&self) -> Option<String> {
        let problem: Value = serde_json::from_str(&self.body).ok()?;
        problem["hold"].as_str().map(ToOwned::to_owned)
    }
}

fn api(name: &str, double: &AnsweringDouble, placing: Placing, secret: &str) -> Result<Arc<Api>> {
    let url = double.url();
    let site = url.trim_start_matches("http://");
    Ok(Arc::new(Api {
        pack: Some("words".into()),
        own: Some(Arc::new(Pack::tried(PACK).map_err(anyhow::Error::msg)?)),
        placing,
        ..front::api(name, site, secret, None)?
    }))
}

fn reachable(apis: &[&Arc<Api>]) -> Result<Reachable> {
    Ok(Reachable {
        apis: apis.iter().copied().cloned().collect(),
        allow: vec!["docs.example".into()],
        public: Arc::new(front::public()?),
    })
}

/// Whatever it was sent, in a header and in its body.
fn echo(request: &RecordedRequest) -> Vec<u8> {
    let headers = [
        ("content-type", "text/plain"),
        ("x-echo", request.path.as_str()),
    ];
    let body = format!("{} {:?} {}", request.path, request.headers, request.text());
    reply(200, &headers, &body)
}

impl Scene {
    async fn set(placing: Placing, secret: &str) -> Result<Self> {
        let double = AnsweringDouble::start(|request| Ok(echo(request)))?;
        let api = api("words", &double, placing, secret)?;
        let making = Making {
            reverse: Some("words"),
            ..Making::default()
        };
        Ok(Self {
            front: making.before(reachable(&[&api])?).await?,
            double,
            api,
        })
    }

    /// The same with another place or another credential, as after a reload.
    fn change(&mut self, placing: Placing, secret: &str) -> Result<()> {
        self.api = api("words", &self.double, placing, secret)?;
        let policy = Arc::new(Policy::with("")?);
        self.front.shared.change(reachable(&[&self.api])?, policy);
        Ok(())
    }

    async fn lease(&self) -> Result<Agent> {
        self.lease_on(&["words"]).await
    }

    async fn lease_on(&self, names: &[&str]) -> Result<Agent> {
        let scopes: &[&str] = &["read", "delete"];
        let all: Vec<_> = names
            .iter()
            .map(|name| (*name, Environment::Production, scopes))
            .collect();
        let granted = self.front.grant(&all).await?;
        Ok(Agent {
            placeholder: self.front.placeholder(&granted.lease, &self.api),
            lease: granted.lease,
            proxy: granted.proxy,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.double.url())
    }

    async fn curl(&self, agent: &Agent, args: &[&str]) -> Result<Got> {
        let got = curl(Some(&agent.proxy), args).await?;
        ensure!(
            !got.body.contains(REAL) && !got.head.contains(REAL),
            "{got:?}"
        );
        Ok(got)
    }

    /// The API's own last request.
    fn last(&self) -> Result<RecordedRequest> {
        self.double.requests().pop().context("nothing came")
    }

    /// Sends what a fresh lease makes, and says what becomes of it: the kind of the problem. Nothing reaches the API, and
    /// the lease is halted where that is said and nowhere else.
    async fn refused(&self, told: &str, args: &[&str]) -> Result<String> {
        let agent = self.lease().await?;
        let args: Vec<String> = args
            .iter()
            .map(|arg| arg.replace("<own>", &agent.placeholder))
            .collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let before = self.double.requests().len();
        let got = self.curl(&agent, &args).await?;
        assert_eq!(self.double.requests().len(), before, "{told}: {got:?}");
        assert!(!got.body.contains(&agent.placeholder), "{told}: {got:?}");
        let kind = got.kind();
        let halted = self.front.halted(&agent.lease);
        assert_eq!(
            halted.is_some(),
            kind == "halted",
            "{told}: {halted:?}, {got:?}"
        );
        Ok(kind)
    }
}

async fn curl(proxy: Option<&str>, args: &[&str]) -> Result<Got> {
    let mut curl = tokio::process::Command::new("curl");
    curl.env_clear();
    if let Some(proxy) = proxy {
        curl.env("http_proxy", proxy);
    }
    let output = curl
        .args([
            "-sS",
            "-i",
            "-g",
            "--path-as-is",
            "-m",
            "30",
            "-H",
            "Expect:",
        ])
        .args(["-w", "\n%{http_code}"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .await?;
    let text = String::from_utf8(output.stdout)?;
    let (text, status) = text.rsplit_once('\n').context("no status")?;
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| {
        let told = String::from_utf8_lossy(&output.stderr);
        format!("no answer: {told}")
    })?;
    Ok(Got {
        status: status.parse()?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

fn path() -> Placing {
    Placing::Path {
        before: "/bot".into(),
    }
}

fn in_json() -> Placing {
    Placing::Json {
        pointer: "/account/code".into(),
    }
}

fn in_form() -> Placing {
    Placing::Form {
        name: "token".into(),
    }
}

/// Six hundred bytes of what has to be written otherwise in paths, JSON or forms.
fn weird() -> String {
    "q\"'ü世😀&=+?#<k7>; \\ /%2F".repeat(21)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_in_the_path_becomes_the_credential() -> Result<()> {
    let bot = "7210458:AAH-q7Vx2kLm9ZtR4wB8nY6cD3fG_s1JpQe";
    let mut scene = Scene::set(path(), bot).await?;
    let agent = scene.lease().await?;
    let say = scene.url(&format!("/bot{}/say?to=me", agent.placeholder));
    let got = scene.curl(&agent, &[&say]).await?;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(scene.last()?.path, format!("/bot{bot}/say?to=me"));
    // What it says back is masked, in its body and in its head.
    assert!(got.body.starts_with("/bot***"), "{got:?}");
    assert!(
        !got.body.contains(bot) && !got.head.contains(bot),
        "{got:?}"
    );
    // Encoded as a segment has to be, and masked all the same.
    let odd = weird().replace(['/', '\\', '%'], "");
    scene.change(path(), &odd)?;
    let got = scene.curl(&agent, &[&say]).await?;
    assert_eq!(got.status, 200, "{got:?}");
    let sent = scene.last()?.path;
    assert!(sent.starts_with("/botq%22'%C3%BC%E4%B8%96"), "{sent}");
    assert!(
        sent.ends_with("/say?to=me") && sent.matches('/').count() == 2,
        "{sent}"
    );
    assert!(
        !got.body.contains("%E4%B8%96") && got.body.starts_with("/bot***"),
        "{got:?}"
    );
    assert_eq!(scene.front.halted(&agent.lease), None);
    // On a listener of its own it says whose request it is.
    let own = scene.front.proxy.local_addrs()[1];
    let url = format!("http://{own}/bot{}/say", agent.placeholder);
    assert_eq!(curl(None, &[&url]).await?.status, 200);
    for path in ["/botnobody/say", "/say", "/bot/say"] {
        let got = curl(None, &[&format!("http://{own}{path}")]).await?;
        assert_eq!(got.status, 401, "{path}");
    }
    Ok(())
}

/// What people see, what is journaled and what an approval is bound to hold neither placeholder nor credential.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_does_not_depend_on_the_credential() -> Result<()> {
    let mut scene = Scene::set(path(), REAL).await?;
    let other = "another-credential-4711-of-the-same-account";
    let agent = scene.lease().await?;
    let in_path = scene.url(&format!("/bot{}/words", agent.placeholder));
    let in_body = scene.url("/forget");
    let json = json!({ "account": { "code": agent.placeholder }, "all": true }).to_string();
    let form = format!("all=true&token={}", agent.placeholder);
    for (placing, args, shown, sent) in [
        (
            path(),
            vec!["-X", "DELETE", &in_path],
            "/botPLACEHOLDER/words",
            format!("/bot{other}/words "),
        ),
        (
            in_json(),
            vec!["-H", JSON, "-d", &json, &in_body],
            r#"{"account":{"code":"PLACEHOLDER"},"all":true}"#,
            format!(r#"/forget {{"account":{{"code":"{other}"}},"all":true}}"#),
        ),
        (
            in_form(),
            vec!["-d", &form, &in_body],
            "all=true&token=PLACEHOLDER",
            format!("/forget all=true&token={other}"),
        ),
    ] {
        scene.change(placing.clone(), REAL)?;
        let before = scene.double.requests().len();
        let got = scene.curl(&agent, &args).await?;
        assert_eq!(got.kind(), "held", "{got:?}");
        assert_eq!(scene.double.requests().len(), before);
        let hold = got.hold().context("no hold")?;
        let text = scene
            .front
            .world
            .store
            .hold_text(&hold)?
            .context("no text")?;
        assert!(text.statement.contains(shown), "{}", text.statement);
        assert!(!text.statement.contains(&agent.placeholder));
        scene.front.world.decide(&hold, Answer::Approve, "").await?;
        // The credential is replaced meanwhile: what was approved is the same.
        scene.change(placing, other)?;
        let got = scene.curl(&agent, &args).await?;
        assert_eq!(got.status, 200, "{got:?}");
        let last = scene.last()?;
        assert_eq!(format!("{} {}", last.path, last.text()), sent);
        assert!(!got.body.contains(other), "{got:?}");
        // It was for once.
        let got = scene.curl(&agent, &args).await?;
        assert_eq!(got.kind(), "held", "{got:?}");
    }
    let world = &scene.front.world;
    let journaled = format!("{:?}{:?}", world.decisions(), world.entries());
    for secret in [REAL, other, &agent.placeholder] {
        assert!(!journaled.contains(secret));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_path_nothing_passes_but_the_placeholder_in_its_place() -> Result<()> {
    let scene = Scene::set(path(), REAL).await?;
    let other = scene.lease().await?.placeholder;
    // A bot's token that the lease did not get.
    let foreign = "987654321:AAF-w8Xy3mNp0QuS5vC9oZ7dE4gHb2TkLr1";
    for (target, kind) in [
        ("/say".to_owned(), "unplaced"),
        ("/bot/say".to_owned(), "unplaced"),
        ("/bothello/say".to_owned(), "unplaced"),
        ("/botPLACEHOLDER/say".to_owned(), "unplaced"),
        ("/bot%50LACEHOLDER/say".to_owned(), "unplaced"),
        (format!("/bot{foreign}/say"), "halted"),
        (format!("/bot{REAL}/say"), "halted"),
        (format!("/bot{other}/say"), "halted"),
        ("/say/<own>".to_owned(), "halted"),
        ("/say?token=<own>".to_owned(), "halted"),
        ("/bot<own>x/say".to_owned(), "halted"),
        ("/bot/<own>/say".to_owned(), "halted"),
        ("/Bot<own>/say".to_owned(), "halted"),
        ("/%62ot<own>/say".to_owned(), "halted"),
        ("//bot<own>/say".to_owned(), "halted"),
        ("/bot<own>%2Fsay".to_owned(), "halted"),
        ("/bot<own>;x/say".to_owned(), "halted"),
        ("/bot<own>/bot<own>/say".to_owned(), "halted"),
        ("/bot<own>/say?note=<own>".to_owned(), "halted"),
        ("/bot<own>/../bothello/say".to_owned(), "ambiguous"),
        ("/bot<own>/%2e%2e/bothello/say".to_owned(), "ambiguous"),
    ] {
        let found = scene.refused(&target, &[&scene.url(&target)]).await?;
        assert_eq!(found, kind, "{target}");
    }
    // With some of it encoded, in a header, or at another host.
    let agent = scene.lease().await?;
    let (first, rest) = agent.placeholder.split_at(1);
    let encoded = format!("/bot%{:02x}{rest}/say", first.as_bytes()[0]);
    let got = scene.curl(&agent, &[&scene.url(&encoded)]).await?;
    assert_eq!(got.kind(), "halted", "{got:?}");
    let say = scene.url("/bot<own>/say");
    let noted = ["-H", "X-Note: <own>", &say];
    assert_eq!(scene.refused("a header", &noted).await?, "halted");
    let elsewhere = ["http://docs.example/bot<own>/say"];
    assert_eq!(scene.refused("elsewhere", &elsewhere).await?, "halted");
    assert!(scene.double.requests().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_in_a_body_becomes_the_credential_and_nothing_else_changes() -> Result<()> {
    let real = weird();
    assert!(real.len() >= 600);
    let mut scene = Scene::set(in_json(), &real).await?;
    let agent = scene.lease().await?;
    let own = agent.placeholder.clone();
    let url = scene.url("/say");
    // Numbers, spaces and escapes stay as they came; the placeholder may be escaped itself.
    let escaped = own.replacen("bsp", "\\u0062sp", 1);
    for written in [own.as_str(), &escaped] {
        let body = format!("{{ \"n\": 1.50, \"account\": {{\"c\\u006fde\":\"{written}\"}} }}");
        let got = scene
            .curl(&agent, &["-H", JSON, "--data-binary", &body, &url])
            .await?;
        assert_eq!(got.status, 200, "{got:?}");
        let sent = scene.last()?.text();
        let (before, after) = body.split_once(written).context("it is there")?;
        assert!(sent.starts_with(before) && sent.ends_with(after), "{sent}");
        let read: Value = serde_json::from_str(&sent)?;
        assert_eq!(read["account"]["code"], json!(real), "{sent}");
        assert!(
            !got.body.contains("\\u4e16") && got.body.contains("*****"),
            "{got:?}"
        );
    }
    scene.change(in_form(), &real)?;
    let escaped = own.replacen("bsp", "%62sp", 1);
    for written in [own.as_str(), &escaped] {
        let body = format!("a=1+2&to%6ben={written}&b=%7e");
        let got = scene.curl(&agent, &["-d", &body, &url]).await?;
        assert_eq!(got.status, 200, "{got:?}");
        let sent = scene.last()?.text();
        let (before, after) = body.split_once(written).context("it is there")?;
        assert!(sent.starts_with(before) && sent.ends_with(after), "{sent}");
        let read: Vec<_> = url::form_urlencoded::parse(sent.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(read[1], ("token".to_owned(), real.clone()), "{sent}");
        assert!(
            !got.body.contains("%E4%B8%96") && got.body.contains("*****"),
            "{got:?}"
        );
    }
    assert_eq!(scene.front.halted(&agent.lease), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_json_nothing_passes_but_the_placeholder_in_its_place() -> Result<()> {
    let scene = Scene::set(in_json(), REAL).await?;
    let url = scene.url("/say");
    let other = scene.lease().await?.placeholder;
    let long = scene.front.world.folder.path().join("long");
    let text = "Content-Type: text/plain";
    let form = "Content-Type: application/x-www-form-urlencoded";
    let own = r#"{"account":{"code":"<own>"}}"#;
    for (media, body, kind) in [
        (JSON, r#"{"say":"hi"}"#.to_owned(), "unplaced"),
        (
            JSON,
            r#"{"account":{"code":"hello"}}"#.to_owned(),
            "unplaced",
        ),
        (
            JSON,
            r#"{"account":{"code":"PLACEHOLDER"}}"#.to_owned(),
            "unplaced",
        ),
        (JSON, r#"{"account":{"code":7}}"#.to_owned(), "unplaced"),
        (
            JSON,
            format!(r#"{{"account":{{"code":"{other}"}}}}"#),
            "halted",
        ),
        (
            JSON,
            format!(r#"{{"account":{{"code":"{REAL}"}}}}"#),
            "halted",
        ),
        (
            JSON,
            r#"{"account":{"code":"Bearer <own>"}}"#.to_owned(),
            "halted",
        ),
        (
            JSON,
            r#"{"account":{"code":"<own>"},"say":"<own>"}"#.to_owned(),
            "halted",
        ),
        (
            JSON,
            r#"{"account":{"code":"hello"},"say":"<own>"}"#.to_owned(),
            "halted",
        ),
        (
            JSON,
            r#"{"account":{"code":["<own>"]}}"#.to_owned(),
            "halted",
        ),
        (
            JSON,
            r#"[{"account":{"code":"<own>"}}]"#.to_owned(),
            "halted",
        ),
        (
            JSON,
            r#"{"account":{"code":"<own>","CODE":"hello"}}"#.to_owned(),
            "halted",
        ),
        (
            JSON,
            r#"{"account":{"code":"<own>","code":"hello"}}"#.to_owned(),
            "halted",
        ),
        (
            JSON,
            r#"{"account":{"code":"<own>"},"account":{}}"#.to_owned(),
            "halted",
        ),
        (JSON, format!("{own}{own}"), "halted"),
        (text, own.to_owned(), "unplaced"),
        (form, own.to_owned(), "ambiguous"),
        (
            "Content-Type: application/json; charset=utf-16",
            own.to_owned(),
            "ambiguous",
        ),
    ] {
        let args = ["-H", media, "--data-binary", &body, &url];
        assert_eq!(scene.refused(&body, &args).await?, kind, "{media} {body}");
    }
    // Its escapes are undone wherever it stands.
    let agent = scene.lease().await?;
    let escaped = agent.placeholder.replacen('b', "\\u0062", 1);
    let body = format!(r#"{{"account":{{"code":"hello"}},"say":"{escaped}"}}"#);
    let got = scene.curl(&agent, &["-H", JSON, "-d", &body, &url]).await?;
    assert_eq!(got.kind(), "halted", "{got:?}");
    // Without a body, and with one that is too long to be read.
    assert_eq!(scene.refused("no body", &[&url]).await?, "unplaced");
    let agent = scene.lease().await?;
    let pad = "x".repeat(2 << 20);
    std::fs::write(
        &long,
        json!({ "account": { "code": agent.placeholder }, "z": pad }).to_string(),
    )?;
    let data = format!("@{}", long.display());
    let got = scene
        .curl(&agent, &["-H", JSON, "--data-binary", &data, &url])
        .await?;
    assert_eq!(got.kind(), "unplaced", "{got:?}");
    assert!(got.body.contains("`judged` in [http]"), "{got:?}");
    let compressed = [
        "-H",
        JSON,
        "-H",
        "Content-Encoding: gzip",
        "--data-binary",
        own,
        &url,
    ];
    assert_eq!(scene.refused("compressed", &compressed).await?, "halted");
    assert!(scene.double.requests().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_form_nothing_passes_but_the_placeholder_in_its_place() -> Result<()> {
    let scene = Scene::set(in_form(), REAL).await?;
    let url = scene.url("/say");
    let other = scene.lease().await?.placeholder;
    for (body, kind) in [
        ("say=hi".to_owned(), "unplaced"),
        ("token=abc".to_owned(), "unplaced"),
        ("token".to_owned(), "unplaced"),
        // The name alone says that it is a credential.
        ("token=hello".to_owned(), "halted"),
        (format!("token={other}"), "halted"),
        (format!("token={REAL}"), "halted"),
        ("token=x<own>".to_owned(), "halted"),
        ("say=<own>".to_owned(), "halted"),
        ("token=<own>&say=<own>".to_owned(), "halted"),
        ("token=<own>&token=abc".to_owned(), "halted"),
        ("token=abc&token=<own>".to_owned(), "halted"),
        ("token=<own>&to%6ben=abc".to_owned(), "halted"),
        ("token=<own>&Token=abc".to_owned(), "halted"),
        ("token=<own>&token[]=abc".to_owned(), "halted"),
        ("token=<own>&say=a;token=abc".to_owned(), "ambiguous"),
    ] {
        let found = scene
            .refused(&body, &["--data-binary", &body, &url])
            .await?;
        assert_eq!(found, kind, "{body}");
    }
    let json = ["-H", JSON, "-d", "token=<own>", &url];
    assert_eq!(scene.refused("called JSON", &json).await?, "ambiguous");
    let parts = ["-F", "token=<own>", &url];
    assert_eq!(scene.refused("in parts", &parts).await?, "halted");
    let query = scene.url("/say?token=<own>");
    let query = ["-d", "say=hi", &query];
    assert_eq!(scene.refused("in the query", &query).await?, "halted");
    assert!(scene.double.requests().is_empty());
    Ok(())
}

/// A value in the credential's place that looks like no credential is found by nobody: the API must not see it. It gets
/// the gate's own once, and nothing beside it.
#[tokio::test(flavor = "multi_thread")]
async fn what_else_stands_in_the_place_is_written_over_or_stops_the_lease() -> Result<()> {
    let mut scene = Scene::set(path(), REAL).await?;
    let header = |name: &str, prefix: &str| Placing::Header {
        name: name.into(),
        prefix: prefix.into(),
    };
    let bearer = || header("authorization", "Bearer ");
    let basic = || Placing::Basic { user: "u".into() };
    let query = || Placing::Query { name: "key".into() };
    let cookie = || Placing::Cookie { name: "sid".into() };
    let plain = scene.url("/say");
    let asked = scene.url("/say?key=hello");
    let asked_twice = scene.url("/say?key=hello&a=1&k%65y=hello&KEY=hello&b=2");
    for (placing, args, passes) in [
        (header("x-team", ""), vec!["-H", "X-Team: hello"], true),
        (header("x-team", ""), vec!["-H", "X_Team: hello"], true),
        (header("x-api-key", ""), vec!["-H", "X-Api-Key: true"], true),
        (
            header("x-api-key", ""),
            vec!["-H", "X-Api-Key: hello"],
            false,
        ),
        (bearer(), vec!["-H", "Authorization: none"], true),
        (bearer(), vec!["-H", "Authorization: Bearer"], true),
        (bearer(), vec!["-H", "Authorization: Bearer hello"], false),
        (bearer(), vec!["-H", "Authorization: hello"], false),
        (basic(), vec!["-H", "Authorization: Basic"], true),
        (basic(), vec!["-u", "u:hello"], false),
        (query(), vec![asked.as_str()], true),
        (query(), vec![asked_twice.as_str()], true),
        (cookie(), vec!["-H", "Cookie: sid=abc; a=1"], true),
        (cookie(), vec!["-H", "Cookie: sid=hello; a=1"], false),
    ] {
        scene.change(placing.clone(), REAL)?;
        let agent = scene.lease().await?;
        let mut args = args;
        if !args.iter().any(|arg| arg.starts_with("http://")) {
            args.push(&plain);
        }
        let before = scene.double.requests().len();
        let got = scene.curl(&agent, &args).await?;
        let after = scene.double.requests().len();
        if !passes {
            assert_eq!((got.kind().as_str(), after), ("halted", before), "{args:?}");
            continue;
        }
        assert_eq!((got.status, after), (200, before + 1), "{args:?} {got:?}");
        let seen = scene.last()?;
        let seen = format!("{} {:?}", seen.path, seen.headers).to_ascii_lowercase();
        let real = match placing {
            // `u:` and the credential.
            Placing::Basic { .. } => {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.encode(format!("u:{REAL}"))
            }
            _ => REAL.to_owned(),
        };
        let real = real.to_ascii_lowercase();
        assert_eq!(seen.matches(&real).count(), 1, "{args:?}: {seen}");
        for other in ["hello", "abc", "true\"", "none\"", "x_team"] {
            assert!(!seen.contains(other), "{args:?}: {seen}");
        }
        assert_eq!(scene.front.halted(&agent.lease), None, "{args:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_targets_at_one_host_a_body_does_not_say_which() -> Result<()> {
    let scene = Scene::set(in_json(), REAL).await?;
    let header = Placing::Header {
        name: "x-team".into(),
        prefix: String::new(),
    };
    let others = api("others", &scene.double, header, "of-the-others-0815-4711")?;
    let policy = Arc::new(Policy::with("")?);
    let both = reachable(&[&scene.api, &others])?;
    scene.front.shared.change(both, policy);
    let url = scene.url("/say");
    let body = |agent: &Agent| json!({ "account": { "code": agent.placeholder } }).to_string();
    // A lease on one of them has no choice.
    let one = scene.lease().await?;
    let got = scene
        .curl(&one, &["-H", JSON, "-d", &body(&one), &url])
        .await?;
    assert_eq!(got.status, 200, "{got:?}");
    // For a lease on both, what the head says counts, and the body says nothing.
    let both = scene.lease_on(&["words", "others"]).await?;
    let got = scene
        .curl(&both, &["-H", JSON, "-d", &body(&both), &url])
        .await?;
    assert_eq!(got.kind(), "which-target", "{got:?}");
    assert!(got.body.contains("one of them alone"), "{got:?}");
    let team = scene.front.placeholder(&both.lease, &others);
    let team = format!("X-Team: {team}");
    let got = scene.curl(&both, &["-H", &team, &url]).await?;
    assert_eq!(got.status, 200, "{got:?}");
    let got = scene
        .curl(&both, &["-H", &team, "-H", JSON, "-d", &body(&both), &url])
        .await?;
    assert_eq!(got.kind(), "halted", "{got:?}");
    assert_eq!(scene.double.requests().len(), 2);
    Ok(())
}
