//! An agent's own model provider: its key stays in the gate, what the agent only quotes to the model is no credential that it
//! presents, and nothing else of a request is let through for that.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use backstop_core::approval::Answer;
use backstop_core::digest::Digest;
use backstop_core::secret::Secret;
use backstop_core::target::Environment;
use backstop_gates::http::gate::Reachable;
use backstop_gates::http::gate::config::{Api, Placing};
use backstop_journal::{TextDigest, TextState};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::http::request::Parts;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::STRAY;
use super::service::{self, REAL};
use super::web::{self, Reply, Web, host};
use crate::front::Here;
use crate::front::inside;
use crate::front::{Front, Granted, Making};

/// The real keys.
const ANTHROPIC: &str = "realA-4h8Jq2Lz7Xw1Rt9Kp3Vb6N";
const OPENAI: &str = "realO-9d3Gm5Yc8Ux2Qs4Hf7Wj1E";
/// What a provider answers with as a credential.
const MINTED: &str = "ek_7f1Tn6Bv3Lk8Zr2Xq5Dw9Hy4";
/// Shaped as GitHub's tokens are: something that lay in a file.
const TOKEN: &str = "ghp_n4Kd8sWq2ZrT6vYb1Xc9Lm3Pf7Jh5G0aBcDe";

/// A request that a provider got.
#[derive(Clone)]
struct Seen {
    key: String,
    note: String,
    body: Bytes,
}

/// Providers of models as far as a client sees them.
#[derive(Default)]
struct Providers {
    seen: Mutex<Vec<Seen>>,
    /// What the next answer streams.
    events: Mutex<Option<mpsc::Receiver<Bytes>>>,
}

impl Providers {
    fn answer(&self, parts: &Parts, body: Bytes) -> Reply {
        let header = |name: &str| {
            let value = parts.headers.get(name).map(|value| value.as_bytes());
            String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
        };
        let (key, wanted) = match host(parts).split('.').next() {
            Some("anthropic") => (header("x-api-key"), ANTHROPIC.to_owned()),
            Some("openai") => (header("authorization"), format!("Bearer {OPENAI}")),
            _ => (header("authorization"), format!("Bearer {REAL}")),
        };
        let refused = key != wanted;
        let note = header("x-note");
        self.seen.lock().unwrap().push(Seen { key, note, body });
        if refused {
            let error = json!({ "type": "authentication_error" });
            return web::json(401, &json!({ "type": "error", "error": error }));
        }
        let events = self.events.lock().unwrap().take();
        match (parts.uri.path(), events) {
            (_, Some(events)) => streamed(events),
            ("/v1/realtime/client_secrets", None) => web::json(200, &json!({ "value": MINTED })),
            (_, None) => web::json(200, &json!({ "type": "message", "content": [] })),
        }
    }
}

fn streamed(mut events: mpsc::Receiver<Bytes>) -> Reply {
    let frames = futures_util::stream::poll_fn(move |context| {
        let event = events.poll_recv(context);
        event.map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    });
    let mut reply = Response::new(StreamBody::new(frames).boxed());
    let kind = "text/event-stream".parse().unwrap();
    reply.headers_mut().insert("content-type", kind);
    reply
}

/// The gate in front of two of them, for everyone, and of an API that nobody has a pack for.
struct Models {
    front: Front,
    web: Web,
    providers: Arc<Providers>,
    apis: Vec<Arc<Api>>,
}

fn header(name: &str, prefix: &str) -> Placing {
    Placing::Header {
        name: name.into(),
        prefix: prefix.into(),
    }
}

fn model(name: &str, placing: Placing, key: &str, web: &Web) -> Result<Arc<Api>> {
    let mut api = service::api(name, name, Environment::Production, web)?;
    api.placing = placing;
    api.secret = Some(Secret::new(key.to_owned()));
    api.everyone = true;
    Ok(Arc::new(api))
}

impl Models {
    async fn start() -> Result<Self> {
        let providers = Arc::<Providers>::default();
        let answering = Arc::clone(&providers);
        let names = ["anthropic.example", "openai.example", "items.example"];
        let web = Web::start(&names, move |_, parts, body| {
            let providers = Arc::clone(&answering);
            async move { providers.answer(&parts, body) }
        })
        .await?;
        let production = Environment::Production;
        let apis = vec![
            model("anthropic", header("x-api-key", ""), ANTHROPIC, &web)?,
            model("openai", header("authorization", "Bearer "), OPENAI, &web)?,
            Arc::new(service::api("items", "generic-rest", production, &web)?),
        ];
        let reachable = Reachable {
            apis: apis.clone(),
            allow: vec![],
            public: Arc::new(inside("elsewhere", Some(&web.authority_pem))?),
        };
        let making = Making {
            names: Arc::new(Here),
            ..Making::default()
        };
        let front = making.before(reachable).await?;
        Ok(Self {
            front,
            web,
            providers,
            apis,
        })
    }

    /// What a lease presents at one of them.
    fn placeholder(&self, granted: &Granted, api: &str) -> String {
        let api = self.apis.iter().find(|one| one.name == api).unwrap();
        self.front.placeholder(&granted.lease, api)
    }

    fn curl(&self, granted: &Granted) -> Command {
        let mut curl = Command::new("curl");
        curl.env_clear()
            .env("HTTPS_PROXY", &granted.proxy)
            .env("CURL_CA_BUNDLE", &self.front.ca)
            .args(["-sS", "-m", "60", "-H", "Expect:"])
            .args(["-H", "Content-Type: application/json"])
            .stdin(Stdio::null());
        curl
    }

    fn url(&self, api: &str, path: &str) -> String {
        format!("https://{api}.example:{}{path}", self.web.port)
    }

    /// Sends a body: the status, and the answer.
    async fn send(
        &self,
        granted: &Granted,
        (api, path): (&str, &str),
        headers: &[String],
        body: &[u8],
    ) -> Result<(u16, Value)> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), body)?;
        let mut curl = self.curl(granted);
        for header in headers {
            curl.args(["-H", header]);
        }
        let data = format!("@{}", file.path().display());
        curl.args(["--data-binary", &data, &self.url(api, path)]);
        answered(curl).await
    }

    /// A conversation with Anthropic's model, with the lease's own placeholder.
    async fn ask(&self, granted: &Granted, body: &Value) -> Result<(u16, Value)> {
        let own = format!("x-api-key: {}", self.placeholder(granted, "anthropic"));
        let at = ("anthropic", "/v1/messages");
        self.send(granted, at, &[own], body.to_string().as_bytes())
            .await
    }

    fn last(&self) -> Seen {
        self.providers.seen.lock().unwrap().last().cloned().unwrap()
    }

    /// How much came to any of them, whatever became of it.
    fn came(&self) -> (usize, usize) {
        let seen = self.providers.seen.lock().unwrap().len();
        (seen, self.web.connections())
    }

    /// Every text of the traffic log.
    fn texts(&self) -> Result<Vec<String>> {
        let world = &self.front.world;
        let mut all = vec![];
        for entry in world.entries() {
            let Some(digest) = entry["text"].as_str().and_then(Digest::from_hex) else {
                continue;
            };
            if let TextState::Present(sealed) = world.traffic.text(TextDigest(digest.0))? {
                let plain = world.store.key().open(b"statement", &sealed)?;
                all.push(String::from_utf8(plain)?);
            }
        }
        Ok(all)
    }

    /// It stopped the lease, nothing went out, and nobody was told a secret.
    fn assert_halted(&self, granted: &Granted, case: &str, answer: &(u16, Value)) {
        let (status, value) = answer;
        assert_eq!(
            (*status, &value["verdict"]),
            (403, &json!("halt")),
            "{case}: {value}"
        );
        assert!(self.front.halted(&granted.lease).is_some(), "{case}");
        for secret in [TOKEN, STRAY, REAL, ANTHROPIC] {
            assert!(!value.to_string().contains(secret), "{case}: {value}");
        }
    }
}

async fn answered(mut curl: Command) -> Result<(u16, Value)> {
    let output = curl.args(["-w", "\n%{http_code}"]).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let (body, status) = text.rsplit_once('\n').context("no status")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(status != "000", "{told}");
    let value = serde_json::from_str(body).with_context(|| format!("{status}: {body}"))?;
    Ok((status.parse()?, value))
}

/// What a tool gave back, as an agent tells it to the model.
fn conversation(read: &str) -> Value {
    let result = json!({ "type": "tool_result", "tool_use_id": "t1", "content": read });
    json!({
        "model": "m-1",
        "max_tokens": 1024,
        "system": "You are helpful.",
        "messages": [{ "role": "user", "content": [result] }],
    })
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_put_in_and_what_the_agent_quotes_passes_as_it_is() -> Result<()> {
    let models = Models::start().await?;
    let granted = models.front.grant(&[]).await?;
    let own = models.placeholder(&granted, "anthropic");
    let others = models.placeholder(&granted, "openai");
    // A file that it read, and its own environment.
    let printed = format!(
        "GITHUB_TOKEN={TOKEN}\nRAILWAY_TOKEN={STRAY}\nANTHROPIC_API_KEY={own}\nOPENAI_API_KEY={others}\nHTTPS_PROXY={}\n",
        granted.proxy
    );
    let body = conversation(&printed);
    let (status, answer) = models.ask(&granted, &body).await?;
    assert_eq!(status, 200, "{answer}");
    let seen = models.last();
    assert_eq!(seen.key, ANTHROPIC);
    assert_eq!(seen.body, body.to_string(), "nothing was put in");

    let message = json!({ "role": "tool", "tool_call_id": "c", "content": printed });
    let body = json!({ "model": "m-1", "messages": [message] }).to_string();
    let key = format!("Authorization: Bearer {others}");
    let at = ("openai", "/v1/chat/completions");
    let (status, answer) = models.send(&granted, at, &[key], body.as_bytes()).await?;
    assert_eq!(status, 200, "{answer}");
    let seen = models.last();
    assert_eq!(seen.key, format!("Bearer {OPENAI}"));
    assert_eq!(seen.body, body);
    assert_eq!(models.front.halted(&granted.lease), None);

    // INVARIANT 8: none of it is kept.
    let texts = models.texts()?;
    let asked = texts.iter().filter(|text| text.contains("<quoted>"));
    assert_eq!(asked.count(), 2, "{texts:?}");
    for text in &texts {
        for secret in [TOKEN, STRAY, own.as_str(), &others, ANTHROPIC, OPENAI] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_quoted_and_what_the_gate_knows_stop_the_lease() -> Result<()> {
    let models = Models::start().await?;
    let of_other = {
        let other = models.front.grant(&[]).await?;
        models.placeholder(&other, "anthropic")
    };
    let server = |more: Value| {
        let mut server = json!({ "type": "url", "url": "https://tools.example", "name": "t" });
        if let (Some(server), Some(more)) = (server.as_object_mut(), more.as_object()) {
            server.extend(more.clone());
        }
        json!([server])
    };
    let picture = format!("https://x:{TOKEN}@pictures.example/1.png");
    let picture = json!({ "type": "image", "source": { "type": "url", "url": picture } });
    let block = json!({ "type": "text", "text": "look", "token": TOKEN });
    let said = |content: Value| json!([{ "role": "user", "content": [content] }]);
    let plain = || conversation("nothing");
    for (case, body) in [
        (
            "a member that is not quoted",
            with(plain(), "metadata", json!({ "token": STRAY })),
        ),
        (
            "a member that the pack does not know",
            with(plain(), "servers", json!([{ "key": TOKEN }])),
        ),
        ("beside a text", with(plain(), "messages", said(block))),
        (
            "for a server elsewhere",
            with(
                plain(),
                "mcp_servers",
                server(json!({ "authorization_token": TOKEN })),
            ),
        ),
        (
            "in the address of a server elsewhere",
            with(
                plain(),
                "mcp_servers",
                server(json!({ "url": format!("https://tools.example/?token={STRAY}") })),
            ),
        ),
        (
            "quoted, where a server elsewhere could get it",
            with(conversation(TOKEN), "mcp_servers", server(json!({}))),
        ),
        (
            "quoted, where the model could fetch with it",
            with(
                conversation(TOKEN),
                "tools",
                json!([{ "type": "web_fetch_20250910", "name": "web_fetch" }]),
            ),
        ),
        (
            "quoted, beside a tool that the pack does not know",
            with(
                conversation(TOKEN),
                "tools",
                json!([{ "type": "unheard_of", "name": "x" }]),
            ),
        ),
        (
            "in the address of a picture",
            with(plain(), "messages", said(picture)),
        ),
        ("the real one of another API", conversation(REAL)),
        ("the real one of this API", conversation(ANTHROPIC)),
        (
            "a real one, encoded",
            conversation(&STANDARD.encode(format!("see {REAL} there"))),
        ),
        ("another lease's placeholder", conversation(&of_other)),
    ] {
        let granted = models.front.grant(&[]).await?;
        let before = models.came();
        let answer = models.ask(&granted, &body).await?;
        models.assert_halted(&granted, case, &answer);
        assert_eq!(models.came(), before, "{case}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_relaxed_outside_of_the_body() -> Result<()> {
    let models = Models::start().await?;
    for case in [
        "header",
        "place",
        "query",
        "path",
        "own header",
        "own member",
    ] {
        let granted = models.front.grant(&[]).await?;
        let own = models.placeholder(&granted, "anthropic");
        let mut headers = vec![format!("x-api-key: {own}")];
        let (mut path, mut body) = ("/v1/messages".to_owned(), conversation("nothing"));
        match case {
            "header" => headers.push(format!("X-Note: {TOKEN}")),
            "place" => headers = vec![format!("x-api-key: {TOKEN}")],
            "query" => path = format!("/v1/messages?token={STRAY}"),
            "path" => path = format!("/v1/messages/batches/{TOKEN}/cancel"),
            "own header" => headers.push(format!("X-Note: {own}")),
            _ => body = with(body, "metadata", json!({ "note": own })),
        }
        let before = models.came();
        let at = ("anthropic", path.as_str());
        let answer = models
            .send(&granted, at, &headers, body.to_string().as_bytes())
            .await?;
        models.assert_halted(&granted, case, &answer);
        assert!(!answer.1.to_string().contains(&own), "{case}");
        assert_eq!(models.came(), before, "{case}");
    }
    // Where no pack says that a body quotes, none does.
    let production = Environment::Production;
    let granted = models
        .front
        .grant(&[("items", production, &["read"])])
        .await?;
    let key = format!(
        "Authorization: Bearer {}",
        models.placeholder(&granted, "items")
    );
    let body = conversation(TOKEN).to_string();
    let at = ("items", "/v1/messages");
    let answer = models.send(&granted, at, &[key], body.as_bytes()).await?;
    models.assert_halted(&granted, "an API without a pack", &answer);
    Ok(())
}

fn gzip(text: &str) -> Result<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(text.as_bytes())?;
    Ok(gzip.finish()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_conversation_is_read_as_well() -> Result<()> {
    let models = Models::start().await?;
    for (case, read, halts) in [
        ("what it came across", TOKEN, false),
        ("the real one of another API", REAL, true),
    ] {
        let granted = models.front.grant(&[]).await?;
        let own = models.placeholder(&granted, "anthropic");
        let headers = [
            format!("x-api-key: {own}"),
            "Content-Encoding: gzip".to_owned(),
        ];
        // With its own placeholder in it, which may be there.
        let body = gzip(&conversation(&format!("{read} {own}")).to_string())?;
        let before = models.came();
        let at = ("anthropic", "/v1/messages");
        let answer = models.send(&granted, at, &headers, &body).await?;
        if halts {
            models.assert_halted(&granted, case, &answer);
            assert_eq!(models.came(), before);
        } else {
            assert_eq!(answer.0, 200, "{case}: {}", answer.1);
            assert_eq!(models.last().body, body);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_conversation_is_read_whole() -> Result<()> {
    let models = Models::start().await?;
    let granted = models.front.grant(&[]).await?;
    let line = format!("{TOKEN} lay in a file of some length\n");
    let body = conversation(&line.repeat((3 << 20) / line.len()));
    assert!(body.to_string().len() > 2 << 20);
    let (status, answer) = models.ask(&granted, &body).await?;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(models.last().body, body.to_string());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_elsewhere_or_deletes_waits_for_people() -> Result<()> {
    let models = Models::start().await?;
    let granted = models.front.grant(&[]).await?;
    let server = json!([{ "type": "url", "url": "https://tools.example", "name": "t" }]);
    let picture = json!({ "type": "url", "url": "https://pictures.example/1.png" });
    let picture = json!([{ "role": "user", "content": [{ "type": "image", "source": picture }] }]);
    let unknown = json!([{ "type": "unheard_of", "name": "x" }]);
    for (name, value, rule) in [
        ("mcp_servers", server, "production-escape"),
        ("messages", picture, "production-escape"),
        ("tools", unknown, "unknown"),
    ] {
        let body = with(conversation("nothing"), name, value);
        let (status, value) = models.ask(&granted, &body).await?;
        assert_eq!(
            (status, &value["rule"]),
            (403, &json!(rule)),
            "{name}: {value}"
        );
        assert_eq!(value["verdict"], json!("hold"), "{name}: {value}");
    }
    let mut curl = models.curl(&granted);
    let key = format!("x-api-key: {}", models.placeholder(&granted, "anthropic"));
    let url = models.url("anthropic", "/v1/files/f1");
    curl.args(["-X", "DELETE", "-H", &key, &url]);
    let (status, value) = answered(curl).await?;
    assert_eq!(
        (status, &value["rule"]),
        (403, &json!("production-destroy")),
        "{value}"
    );
    assert_eq!(models.came(), (0, 0));
    assert_eq!(models.front.halted(&granted.lease), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_placeholder_is_a_text_where_it_is_quoted() -> Result<()> {
    let models = Models::start().await?;
    let granted = models.front.grant(&[]).await?;
    let key = format!(
        "Authorization: Bearer {}",
        models.placeholder(&granted, "openai")
    );
    let mint = ("openai", "/v1/realtime/client_secrets");
    let headers = [key.clone()];
    let (_, held) = models.send(&granted, mint, &headers, b"{}").await?;
    let hold = held["hold"].as_str().with_context(|| held.to_string())?;
    models.front.world.decide(hold, Answer::Approve, "").await?;
    let (status, minted) = models.send(&granted, mint, &headers, b"{}").await?;
    assert_eq!(status, 200, "{minted}");
    let kept = minted["value"].as_str().context("no value")?.to_owned();
    assert!(kept.starts_with("bsp_"), "{minted}");

    // In the header it is swapped, in what is quoted it is not.
    let chat = ("openai", "/v1/chat/completions");
    let message = json!({ "role": "user", "content": format!("it said {kept}") });
    let body = json!({ "model": "m-1", "messages": [message] });
    let headers = [key.clone(), format!("X-Note: {kept}")];
    let (status, answer) = models
        .send(&granted, chat, &headers, body.to_string().as_bytes())
        .await?;
    assert_eq!(status, 200, "{answer}");
    let seen = models.last();
    assert_eq!(seen.note, MINTED);
    assert_eq!(seen.body, body.to_string());
    // At another API as well.
    let quoted = conversation(&kept);
    let (status, answer) = models.ask(&granted, &quoted).await?;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(models.last().body, quoted.to_string());
    // Beside what is quoted it is put in nowhere.
    let before = models.came();
    let beside = with(body, "metadata", json!({ "note": kept })).to_string();
    let (status, answer) = models
        .send(&granted, chat, &[key], beside.as_bytes())
        .await?;
    assert_eq!(
        (status, &answer["rule"]),
        (403, &json!("misplaced")),
        "{answer}"
    );
    assert_eq!(models.came(), before);
    assert_eq!(models.front.halted(&granted.lease), None);
    // And at another API it is foreign there.
    let beside = with(conversation("nothing"), "metadata", json!({ "note": kept }));
    let answer = models.ask(&granted, &beside).await?;
    models.assert_halted(&granted, "kept of another API", &answer);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer_comes_event_by_event() -> Result<()> {
    let models = Models::start().await?;
    let granted = models.front.grant(&[]).await?;
    let (send, receive) = mpsc::channel(1);
    *models.providers.events.lock().unwrap() = Some(receive);
    let body = with(conversation(TOKEN), "stream", json!(true)).to_string();
    let key = format!("x-api-key: {}", models.placeholder(&granted, "anthropic"));
    let url = models.url("anthropic", "/v1/messages");
    let mut client = models
        .curl(&granted)
        .args(["-N", "-H", &key, "-d", &body, &url])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(client.stdout.take().context("no output")?).lines();
    let patience = Duration::from_secs(30);
    for number in 0..3 {
        let data = json!({ "type": "content_block_delta", "index": number });
        let event = format!("event: content_block_delta\ndata: {data}\n\n");
        send.send(Bytes::from(event.clone())).await?;
        // The next one is sent only when this one has come.
        for wanted in event.lines() {
            let line = timeout(patience, lines.next_line()).await??;
            assert_eq!(line.as_deref(), Some(wanted), "event {number}");
        }
    }
    drop(send);
    assert_eq!(timeout(patience, lines.next_line()).await??, None);
    assert!(client.wait().await?.success());
    assert_eq!(models.last().key, ANTHROPIC);
    Ok(())
}
