//! Sockets that give power to whoever reaches them: a container engine's, an SSH agent's, PostgreSQL's. Only the agent
//! is spoken to, and only asked which keys it has.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use backstop_wire::secrets::{Confidence, Name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustix::fs::{Access, FileType};

use super::finding::{Finding, Place};
use super::identity::Identity;

/// How long an agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// An agent's answer is no longer than this.
const LONGEST: usize = 256 << 10;

/// Every such socket that this user, or `identity`, can write to.
pub(crate) fn look(identity: Option<&Identity>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for (path, kind) in places(identity) {
        let Ok(stat) = rustix::fs::stat(&path) else {
            continue;
        };
        let usable = FileType::from_raw_mode(stat.st_mode) == FileType::Socket
            && match identity {
                Some(who) => {
                    who.may(&stat, 2) && path.canonicalize().is_ok_and(|real| who.reaches(&real))
                }
                None => rustix::fs::access(&path, Access::WRITE_OK).is_ok(),
            };
        // `/var/run` is `/run`.
        if !usable || seen.contains(&(stat.st_dev, stat.st_ino)) {
            continue;
        }
        seen.push((stat.st_dev, stat.st_ino));
        if kind == "ssh.agent" && identity.is_none() {
            findings.extend(keys(&path).into_iter().map(|key| {
                let mut finding = socket(&path, kind);
                finding.facts.extend(key);
                finding
            }));
        } else {
            let mut finding = socket(&path, kind);
            if let Some(port) = path.extension().filter(|_| kind == "postgres.socket") {
                let port = Name::new(port.as_encoded_bytes()).to_string();
                finding.facts.insert("port".to_owned(), port);
            }
            findings.push(finding);
        }
    }
    findings
}

fn socket(path: &Path, kind: &str) -> Finding {
    Finding {
        kind: kind.to_owned(),
        rule: "socket".to_owned(),
        place: Place::Socket {
            path: Name::from(path),
        },
        fingerprint: None,
        facts: std::collections::BTreeMap::new(),
        confidence: Confidence::Sure,
        secret: None,
    }
}

fn places(identity: Option<&Identity>) -> Vec<(PathBuf, &'static str)> {
    let uid = identity.map_or_else(|| rustix::process::getuid().as_raw(), |who| who.uid);
    let runtime = PathBuf::from(format!("/run/user/{uid}"));
    let mut places: Vec<(PathBuf, &'static str)> = [
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/run/podman/podman.sock",
    ]
    .iter()
    .map(|path| (PathBuf::from(path), "docker.socket"))
    .collect();
    places.push((
        PathBuf::from("/run/containerd/containerd.sock"),
        "docker.socket",
    ));
    places.push((runtime.join("docker.sock"), "docker.socket"));
    places.push((runtime.join("podman/podman.sock"), "docker.socket"));
    if identity.is_none() {
        let variable = |name: &str| std::env::var_os(name);
        if let Some(host) = variable("DOCKER_HOST")
            .and_then(|host| host.to_str()?.strip_prefix("unix://").map(PathBuf::from))
        {
            places.push((host, "docker.socket"));
        }
        if let Some(agent) = variable("SSH_AUTH_SOCK") {
            places.push((PathBuf::from(agent), "ssh.agent"));
        }
    }
    for folder in ["/run/postgresql", "/var/run/postgresql", "/tmp"] {
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let sockets = names.filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(".s.PGSQL.") && !name.ends_with(".lock")
        });
        places.extend(sockets.map(|entry| (entry.path(), "postgres.socket")));
    }
    places
}

type Facts = Vec<(String, String)>;

/// The keys of the agent at `path`: what each is, by whose name, and its public half's fingerprint as `ssh-add -l`
/// prints it. An agent that does not answer in time has none.
pub(crate) fn keys(path: &Path) -> Vec<Facts> {
    let (answer, waiting) = mpsc::channel();
    let path = path.to_owned();
    // To connect may wait for ever, and there is no time limit for it.
    std::thread::spawn(move || {
        let _ = answer.send(ask(&path).unwrap_or_default());
    });
    waiting.recv_timeout(PATIENCE).unwrap_or_default()
}

/// draft-ietf-sshm-ssh-agent, 3.5: SSH_AGENTC_REQUEST_IDENTITIES (11), answered by 12.
fn ask(path: &Path) -> Option<Vec<Facts>> {
    let mut stream = UnixStream::connect(path).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&[0, 0, 0, 1, 11]).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = usize::try_from(u32::from_be_bytes(length))
        .ok()
        .filter(|length| (5..=LONGEST).contains(length))?;
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).ok()?;
    let mut rest = answer.strip_prefix(&[12])?.get(4..)?;
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let key = string(&mut rest)?;
        let comment = string(&mut rest)?;
        let algorithm = string(&mut &*key)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, key);
        keys.push(vec![
            (
                "public_key".to_owned(),
                format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)),
            ),
            ("algorithm".to_owned(), Name::new(algorithm).to_string()),
            ("comment".to_owned(), Name::new(comment).to_string()),
        ]);
    }
    Some(keys)
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (string, after) =
        after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = after;
    Some(string)
}
