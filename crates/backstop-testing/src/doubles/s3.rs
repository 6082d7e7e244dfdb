//! An S3 server: moto, and before it a front that keeps to a compliance lock as S3 does.
//!
//! moto refuses to delete what is locked but lets a compliance retention be shortened or weakened. The front
//! refuses that, too, and passes on everything else as it came. Neither keeps anything.

use std::collections::HashMap;
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::http::{RecordedRequest, read_request};
use super::recorder::Listener;
use crate::account::Account;
use crate::cache;
use crate::port;
use crate::supervised::{Plan, Supervised};

const START: Duration = Duration::from_secs(60);

/// A running moto; dropping it stops it and forgets its buckets.
#[derive(Debug)]
pub struct S3Double {
    port: u16,
    _process: Supervised,
}

impl S3Double {
    /// Starts moto on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn start() -> Result<Self> {
        Self::with(&[])
    }

    /// Starts a moto that checks signatures and permissions, with one user who may do everything. Gives that user's
    /// access key: id and secret.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub fn strict() -> Result<(Self, String, String)> {
        // It lets so many calls pass before it checks.
        let moto = Self::with(&["INITIAL_NO_AUTH_ACTION_COUNT=3"])?;
        moto.iam("Action=CreateUser&UserName=gate")?;
        let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
        moto.iam(&format!(
            "Action=PutUserPolicy&UserName=gate&PolicyName=all&PolicyDocument={policy}"
        ))?;
        let made = moto.iam("Action=CreateAccessKey&UserName=gate")?;
        let field = |name: &str| {
            let (_, rest) = made.split_once(&format!("<{name}>"))?;
            rest.split_once('<').map(|(value, _)| value.to_owned())
        };
        let id = field("AccessKeyId").context("no id of a key")?;
        let secret = field("SecretAccessKey").context("no secret of a key")?;
        Ok((moto, id, secret))
    }

    fn iam(&self, form: &str) -> Result<String> {
        let scope = "AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/iam/aws4_request";
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00");
        let request = RecordedRequest {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: vec![
                ("host".to_owned(), "127.0.0.1".to_owned()),
                ("authorization".to_owned(), authorization),
                (
                    "content-type".to_owned(),
                    "application/x-www-form-urlencoded".to_owned(),
                ),
            ],
            body: format!("{form}&Version=2010-05-08").into_bytes(),
        };
        let answer = pass_on(self.port, &request)?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        if !text.starts_with("HTTP/1.1 200") {
            bail!("moto's IAM: {text}");
        }
        Ok(text)
    }

    fn with(environment: &[&str]) -> Result<Self> {
        let program = find()?;
        let account = Account::for_servers()?;
        let folder = tempfile::Builder::new()
            .prefix("backstop-moto-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .context("making moto's folder")?
            .keep();
        account.own(&folder)?;
        let (port, log) = (port::free()?, folder.join("log"));
        let process = Supervised::start(Plan {
            account,
            folder: &folder,
            program: Path::new("/usr/bin/env"),
            arguments: environment
                .iter()
                .map(|variable| (*variable).to_owned())
                .chain([program.display().to_string()])
                .chain([
                    "-H".into(),
                    "127.0.0.1".into(),
                    "-p".into(),
                    port.to_string(),
                ])
                .collect(),
            log: &log,
            stop: "KILL",
        })?;
        let deadline = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > deadline {
                bail!(
                    "moto does not answer: {}",
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(Self {
            port,
            _process: process,
        })
    }

    /// Sends a request on to it, for a front that records; gives the whole answer.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn passing(&self) -> impl Fn(&RecordedRequest) -> std::io::Result<Vec<u8>> + use<> {
        let port = self.port;
        move |request| pass_on(port, request)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket, with Object Lock or without.
    ///
    /// # Errors
    /// When it refuses.
    pub fn make_bucket(&self, name: &str, locked: bool) -> Result<()> {
        let mut headers = vec![("host".to_owned(), "127.0.0.1".to_owned())];
        if locked {
            headers.push((
                "x-amz-bucket-object-lock-enabled".to_owned(),
                "true".to_owned(),
            ));
        }
        let request = RecordedRequest {
            method: "PUT".to_owned(),
            path: format!("/{name}"),
            headers,
            body: Vec::new(),
        };
        let answer = pass_on(self.port, &request).context("making a bucket")?;
        if !answer.starts_with(b"HTTP/1.1 200") {
            bail!("moto made no bucket: {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    /// What it answers to a GET of a path, such as `/bucket?list-type=2`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.ask("GET", path, Vec::new())?;
        let head = answer.windows(4).position(|w| w == b"\r\n\r\n");
        let body = head.and_then(|at| answer.get(at + 4..));
        Ok(body
            .context("an answer without an end of its head")?
            .to_vec())
    }

    /// Puts an object there, as whoever has the access key can: a version on top of what is there.
    ///
    /// # Errors
    /// When it refuses.
    pub fn put(&self, path: &str, body: &[u8]) -> Result<()> {
        self.ask("PUT", path, body.to_vec()).map(drop)
    }

    /// Deletes an object, which in a bucket with versions hides it behind a marker.
    ///
    /// # Errors
    /// When it refuses.
    pub fn hide(&self, path: &str) -> Result<()> {
        self.ask("DELETE", path, Vec::new()).map(drop)
    }

    /// Begins an upload in parts and leaves it so.
    ///
    /// # Errors
    /// When it refuses.
    pub fn begin_upload(&self, path: &str) -> Result<()> {
        self.ask("POST", &format!("{path}?uploads"), Vec::new())
            .map(drop)
    }

    /// Until when a version is locked, as RFC 3339, if it is.
    ///
    /// # Errors
    /// When there is no such version.
    pub fn locked_until(&self, path: &str, version: &str) -> Result<Option<String>> {
        let answer = self.ask("HEAD", &format!("{path}?versionId={version}"), Vec::new())?;
        Ok(header_of(&answer, "x-amz-object-lock-retain-until-date"))
    }

    fn ask(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let request = RecordedRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: signed(),
            body,
        };
        let answer = pass_on(self.port, &request)?;
        if !answer.starts_with(b"HTTP/1.1 20") {
            bail!("{path}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(answer)
    }
}

/// moto looks whether somebody signed, not who.
fn signed() -> Vec<(String, String)> {
    vec![
        ("host".to_owned(), "127.0.0.1".to_owned()),
        ("authorization".to_owned(), "AWS key:signature".to_owned()),
    ]
}

fn find() -> Result<PathBuf> {
    let found = cache::folders()
        .into_iter()
        .map(|folder| folder.join("python/bin/moto_server"))
        .find(|path| path.exists());
    found.context("moto is not installed; hint: scripts/setup.sh clients")
}

/// The front; dropping it stops it.
#[derive(Debug)]
pub struct S3Front {
    listener: Listener,
    open: Arc<std::sync::atomic::AtomicBool>,
    faults: Arc<Mutex<HashMap<String, Fault>>>,
}

/// What is wrong with an object's bytes.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// One of them is another.
    Rotten,
    /// There are none any more.
    Lost,
    /// The answer breaks off in the middle, so many times.
    Breaks(u32),
    /// It is not taken.
    Refused,
}

impl S3Front {
    /// Starts one before moto.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(behind: &S3Double) -> Result<Self> {
        let (port, locks) = (behind.port, Mutex::new(Locks::default()));
        let open = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let faults = Arc::new(Mutex::new(HashMap::new()));
        let (passes, wrong) = (Arc::clone(&open), Arc::clone(&faults));
        let listener =
            Listener::start(move |mut stream| serve(&mut stream, port, &locks, &passes, &wrong))?;
        Ok(Self {
            listener,
            open,
            faults,
        })
    }

    /// Every version of the object at this path rots: one byte of it is another from now on.
    pub fn rots(&self, path: &str) {
        self.is_now(path, Fault::Rotten);
    }

    /// Every version of the object at this path is lost, though it is still listed.
    pub fn loses(&self, path: &str) {
        self.is_now(path, Fault::Lost);
    }

    /// The next downloads of this object break off in the middle, so many times.
    pub fn breaks(&self, path: &str, times: u32) {
        self.is_now(path, Fault::Breaks(times));
    }

    /// Nothing is put below this path, whole or in parts; an upload may begin, and be given up.
    pub fn refuses(&self, path: &str) {
        self.is_now(path, Fault::Refused);
    }

    /// All is well again.
    pub fn mends(&self) {
        self.wrong().clear();
    }

    fn is_now(&self, path: &str, fault: Fault) {
        self.wrong().insert(path.to_owned(), fault);
    }

    fn wrong(&self) -> std::sync::MutexGuard<'_, HashMap<String, Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.listener.port())
    }

    /// Whether it answers from now on: without, it is as if the network were gone.
    pub fn answers(&self, answers: bool) {
        self.open
            .store(answers, std::sync::atomic::Ordering::SeqCst);
    }
}

/// Until when each version of each object is locked, as RFC 3339, which sorts as time does.
#[derive(Debug, Default)]
struct Locks {
    until: HashMap<(String, String), String>,
    newest: HashMap<String, String>,
    /// What uploads in parts asked for when they began.
    uploads: HashMap<String, String>,
}

fn serve(
    stream: &mut BufReader<TcpStream>,
    port: u16,
    locks: &Mutex<Locks>,
    open: &std::sync::atomic::AtomicBool,
    faults: &Mutex<HashMap<String, Fault>>,
) -> std::io::Result<()> {
    let Some(request) = read_request(stream)? else {
        return Ok(());
    };
    if !open.load(std::sync::atomic::Ordering::SeqCst) {
        return Ok(());
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    if let Some(answer) = faulty(port, &request, path, faults)? {
        return stream.get_mut().write_all(&answer);
    }
    let mut locks = locks.lock().unwrap_or_else(PoisonError::into_inner);
    let retention = request.method == "PUT" && parameter("retention").is_some();
    if retention {
        let version = parameter("versionId").or_else(|| locks.newest.get(path).cloned());
        let key = (path.to_owned(), version.unwrap_or_default());
        let wanted = between(&request.text(), "<RetainUntilDate>", "</RetainUntilDate>");
        let weaker = between(&request.text(), "<Mode>", "</Mode>") != "COMPLIANCE";
        if locks
            .until
            .get(&key)
            .is_some_and(|until| weaker || wanted < *until)
        {
            return stream.get_mut().write_all(REFUSED);
        }
        locks.until.insert(key, wanted);
    }
    let answer = pass_on(port, &request)?;
    if request.method == "PUT" && !retention {
        let version = header_of(&answer, "x-amz-version-id");
        if let (Some(version), Some(until)) = (
            version,
            request.header("x-amz-object-lock-retain-until-date"),
        ) {
            locks.newest.insert(path.to_owned(), version.clone());
            locks
                .until
                .insert((path.to_owned(), version), until.to_owned());
        }
    }
    if request.method == "POST" {
        in_parts(
            port,
            &request,
            path,
            parameter("uploadId"),
            &answer,
            &mut locks,
        )?;
    }
    stream.get_mut().write_all(&answer)
}

/// An upload in parts is locked when it is whole as it was asked for when it began, which moto forgets.
fn in_parts(
    port: u16,
    request: &RecordedRequest,
    path: &str,
    upload: Option<String>,
    answer: &[u8],
    locks: &mut Locks,
) -> std::io::Result<()> {
    let Some(upload) = upload else {
        let id = between(
            &String::from_utf8_lossy(answer),
            "<UploadId>",
            "</UploadId>",
        );
        if let Some(until) = request.header("x-amz-object-lock-retain-until-date") {
            locks.uploads.insert(id, until.to_owned());
        }
        return Ok(());
    };
    let version = header_of(answer, "x-amz-version-id");
    let (Some(version), Some(until)) = (version, locks.uploads.remove(&upload)) else {
        return Ok(());
    };
    let retention = RecordedRequest {
        method: "PUT".to_owned(),
        path: format!("{path}?retention&versionId={version}"),
        headers: signed(),
        body: format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>"
        )
        .into_bytes(),
    };
    pass_on(port, &retention)?;
    locks.newest.insert(path.to_owned(), version.clone());
    locks.until.insert((path.to_owned(), version), until);
    Ok(())
}

/// The answer about an object with which something is wrong.
fn faulty(
    port: u16,
    request: &RecordedRequest,
    path: &str,
    faults: &Mutex<HashMap<String, Fault>>,
) -> std::io::Result<Option<Vec<u8>>> {
    let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = format!("{folder}/");
    let key = if faults.contains_key(path) {
        path
    } else {
        &folder
    };
    let Some(fault) = faults.get_mut(key) else {
        return Ok(None);
    };
    let reads = request.method == "GET";
    match fault {
        Fault::Refused if request.method == "PUT" => Ok(Some(REFUSED.to_vec())),
        Fault::Lost if reads => Ok(Some(LOST.to_vec())),
        Fault::Rotten if reads => {
            let mut answer = pass_on(port, request)?;
            if let Some(last) = answer
                .len()
                .checked_sub(3)
                .and_then(|at| answer.get_mut(at))
            {
                *last ^= 4;
            }
            Ok(Some(answer))
        }
        Fault::Breaks(left) if reads && *left > 0 => {
            *left -= 1;
            let mut answer = pass_on(port, request)?;
            answer.truncate(answer.len() - answer.len() / 3);
            Ok(Some(answer))
        }
        _ => Ok(None),
    }
}

const LOST: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-type: application/xml\r\ncontent-length: 38\r\nconnection: close\r\n\r\n<Error><Code>NoSuchKey</Code></Error> ";

const REFUSED: &[u8] = b"HTTP/1.1 403 Forbidden\r\ncontent-type: application/xml\r\ncontent-length: 47\r\nconnection: close\r\n\r\n<Error><Code>AccessDenied</Code></Error>       ";

fn between(text: &str, from: &str, to: &str) -> String {
    let rest = text.split_once(from).map_or("", |(_, rest)| rest);
    rest.split_once(to)
        .map_or("", |(found, _)| found)
        .to_owned()
}

fn header_of(answer: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let head = text.split("\r\n\r\n").next()?.to_owned();
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// Sends a request on, and gives the whole answer.
fn pass_on(port: u16, request: &RecordedRequest) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for (name, value) in &request.headers {
        if name != "connection" && name != "content-length" {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!(
        "content-length: {}\r\nconnection: close\r\n\r\n",
        request.body.len()
    ));
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
