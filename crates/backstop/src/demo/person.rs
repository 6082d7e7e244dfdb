//! The person of the demo and of the tests: a software authenticator at the console's real pages.
//!
//! Must not be used anywhere else: it proves nobody.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use backstop_testing::authenticator::Authenticator;
use serde_json::{Value, json};

/// Somebody with a browser's cookie and two devices.
pub struct Person {
    pub(crate) origin: String,
    authority: String,
    cookie: Option<String>,
    pub(crate) phone: Authenticator,
}

/// What the console answered.
struct Answer {
    status: u16,
    cookie: Option<String>,
    location: Option<String>,
    body: String,
}

impl Person {
    /// Enrols at the invitation `link` with two passkeys, and signs in.
    ///
    /// # Errors
    /// When the console refuses.
    pub fn enrol(link: &str, name: &str) -> Result<Self> {
        let (origin, path) = split(link)?;
        let mut person = Self {
            authority: origin.trim_start_matches("http://").to_owned(),
            origin,
            cookie: None,
            phone: Authenticator::new(),
        };
        let mut laptop = Authenticator::new();
        let next = person.register(&path, name, "phone", None)?;
        person.register(&next, name, "laptop", Some(&mut laptop))?;
        person.sign_in()?;
        Ok(person)
    }

    /// Signs in.
    ///
    /// # Errors
    /// When the console refuses.
    pub fn sign_in(&mut self) -> Result<()> {
        let csrf = self.csrf("/sign-in")?;
        let asked = self.post("/sign-in/challenge", &csrf, &json!({}))?;
        let credential = self.phone.get_json(&self.origin, &asked)?;
        self.post(
            "/sign-in",
            &csrf,
            &json!({ "nonce": field(&asked, "nonce"), "credential": credential, "next": null }),
        )?;
        Ok(())
    }

    /// Says yes to a hold.
    ///
    /// # Errors
    /// When the console refuses.
    pub fn approve(&mut self, hold: &str) -> Result<()> {
        self.decide(hold, "approve", "").map(drop)
    }

    /// Says no to a hold, with words for the agent.
    ///
    /// # Errors
    /// When the console refuses.
    pub fn deny(&mut self, hold: &str, reason: &str) -> Result<()> {
        self.decide(hold, "deny", reason).map(drop)
    }

    /// Asks for another person to be let in, approves it, and gives back the link for them.
    ///
    /// # Errors
    /// When the console refuses.
    pub fn invite(&mut self, name: &str) -> Result<String> {
        let page = self.page("/people")?;
        let (_, rest) = page
            .split_once("name=\"csrf\" value=\"")
            .context("no form to add people")?;
        let csrf = rest
            .split_once('"')
            .map(|(token, _)| token.to_owned())
            .context("no token")?;
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", &self.origin.clone()),
        ];
        let answer = self.send(
            "POST",
            "/people",
            &headers,
            &format!("csrf={csrf}&name={name}"),
        )?;
        let hold = answer
            .location
            .as_deref()
            .and_then(|l| l.strip_prefix("/holds/"))
            .context("no hold was opened")?
            .to_owned();
        let next = self.decide(&hold, "approve", "")?;
        let token = next.rsplit('/').next().context("no invitation")?.to_owned();
        Ok(format!("{}/enrol/{token}", self.origin))
    }

    /// A page, as its text.
    ///
    /// # Errors
    /// When there is none.
    pub fn page(&mut self, path: &str) -> Result<String> {
        let answer = self.send("GET", path, &[], "")?;
        if answer.status != 200 {
            bail!("{path} answered {}", answer.status);
        }
        Ok(answer.body)
    }

    fn decide(&mut self, hold: &str, answer: &str, reason: &str) -> Result<String> {
        let page = format!("/holds/{hold}");
        let csrf = self.csrf(&page)?;
        let asked = self.post(
            &format!("{page}/challenge"),
            &csrf,
            &json!({ "answer": answer, "reason": reason }),
        )?;
        let credential = self.phone.get_json(&self.origin, &asked)?;
        let signed = json!({ "nonce": field(&asked, "nonce"), "reason": field(&asked, "reason"), "credential": credential });
        let done = self.post(&format!("{page}/decide"), &csrf, &signed)?;
        Ok(field(&done, "next").to_owned())
    }

    /// Registers a passkey at an invitation; gives back where to go next.
    fn register(
        &mut self,
        path: &str,
        name: &str,
        label: &str,
        device: Option<&mut Authenticator>,
    ) -> Result<String> {
        let csrf = self.csrf(path)?;
        let asked = self.post(
            &format!("{path}/challenge"),
            &csrf,
            &json!({ "name": name }),
        )?;
        let origin = self.origin.clone();
        let credential = device
            .unwrap_or(&mut self.phone)
            .create_json(&origin, &asked)?;
        let made = json!({ "nonce": field(&asked, "nonce"), "name": name, "label": label, "credential": credential });
        let done = self.post(path, &csrf, &made)?;
        match field(&done, "next") {
            "" => bail!("the console named no next page"),
            next => Ok(next.to_owned()),
        }
    }

    fn csrf(&mut self, path: &str) -> Result<String> {
        let page = self.page(path)?;
        let (_, rest) = page
            .split_once("data-csrf=\"")
            .with_context(|| format!("{path} has no form"))?;
        rest.split_once('"')
            .map(|(token, _)| token.to_owned())
            .with_context(|| format!("{path} has no token"))
    }

    pub(crate) fn post(&mut self, path: &str, csrf: &str, body: &Value) -> Result<Value> {
        let headers = [
            ("content-type", "application/json"),
            ("x-csrf-token", csrf),
            ("origin", &self.origin.clone()),
        ];
        let answer = self.send("POST", path, &headers, &body.to_string())?;
        if answer.status != 200 {
            bail!("{path} answered {}: {}", answer.status, answer.body);
        }
        serde_json::from_str(&answer.body).with_context(|| format!("{path} answered no JSON"))
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer> {
        let port = self
            .authority
            .rsplit_once(':')
            .map_or("80", |(_, port)| port);
        let mut stream =
            TcpStream::connect(format!("127.0.0.1:{port}")).context("reaching the console")?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.authority,
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(cookie) = &self.cookie {
            request.push_str(&format!("cookie: {cookie}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        stream.write_all(request.as_bytes())?;
        let mut bytes = vec![];
        stream
            .read_to_end(&mut bytes)
            .context("hearing the console")?;
        let answer = read(&bytes)?;
        if let Some(cookie) = &answer.cookie {
            self.cookie = Some(cookie.clone());
        }
        Ok(answer)
    }
}

/// A text in what the console answered; empty when it is not there.
fn field<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn split(link: &str) -> Result<(String, String)> {
    let rest = link
        .strip_prefix("http://")
        .context("the link is not http")?;
    let (authority, path) = rest.split_once('/').context("the link has no path")?;
    Ok((format!("http://{authority}"), format!("/{path}")))
}

fn read(bytes: &[u8]) -> Result<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("the console broke off")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .context("no status")?;
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let chunked = header("transfer-encoding").is_some_and(|v| v.contains("chunked"));
    Ok(Answer {
        status,
        cookie: header("set-cookie").and_then(|c| c.split(';').next().map(str::to_owned)),
        location: header("location"),
        body: if chunked {
            unchunk(body)
        } else {
            body.to_owned()
        },
    })
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let (Some(chunk), Some(after)) = (rest.get(..size), rest.get(size..)) else {
            break;
        };
        if size == 0 {
            break;
        }
        out.push_str(chunk);
        body = after.trim_start_matches("\r\n");
    }
    out
}
