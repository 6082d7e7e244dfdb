//! `backstop vault` through the whole binary: made, served as a process of its own, listed, verified, damaged.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use backstop_vault::client::{Address, Client};
use backstop_vault::{Class, Label, Recipients, Stored};
use serde_json::Value;

use crate::support::{backstop, run};

pub(crate) struct Made {
    folder: tempfile::TempDir,
    told: Value,
}

impl Made {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let user = rustix::process::geteuid().as_raw().to_string();
        let told = run(&[
            "--json",
            "vault",
            "init",
            "--dir",
            &path("vault"),
            "--identity",
            &path("recovery"),
            "--drill-identity",
            &path("drill"),
            "--socket",
            &path("gate.sock"),
            "--gate-user",
            &user,
        ])
        .fine()
        .json();
        Self { folder, told }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The lines for the gate's configuration.
    pub(crate) fn snippet(&self) -> &str {
        self.told["gate"].as_str().unwrap()
    }

    /// What `vault init` said about this.
    pub(crate) fn told(&self, what: &str) -> String {
        self.told[what].as_str().unwrap().to_owned()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    pub(crate) fn serve(&self) -> Serving {
        let mut child = backstop()
            .args(["--json", "vault", "serve", "--dir"])
            .arg(self.dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(said["serving"], true);
        Serving(child)
    }

    pub(crate) fn client(&self) -> Client {
        let recipients = self.told["recipients"].as_array().unwrap();
        let recipients =
            Recipients::parse(recipients.iter().map(|one| one.as_str().unwrap())).unwrap();
        let socket = self.folder.path().join("gate.sock");
        Client::new(Address::Unix(socket), recipients, Client::TIMEOUT)
    }

    pub(crate) fn vault(&self, verb: &str, more: &[&str]) -> crate::support::Ran {
        let dir = self.dir().display().to_string();
        run(&[&["vault", verb, "--dir", &dir], more].concat())
    }
}

pub(crate) struct Serving(Child);

impl Serving {
    /// As systemd stops it.
    pub(crate) fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) async fn put(client: &Client, target: &str, content: &str) -> Stored {
    let label = Label {
        class: Class::Images,
        target: target.to_owned(),
        lease: None,
        note: "public.orders".to_owned(),
    };
    client.put(&label, content.to_owned().into()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_is_made_served_listed_verified_and_found_damaged() {
    let made = Made::new();
    let serving = made.serve();
    let client = made.client();
    let first = put(&client, "shop", "1\tAlice").await;
    put(&client, "books", "2\tBob").await;
    // Beside the server, and before anything has a file of its own.
    let listed = made
        .vault("list", &["--json", "--target", "shop"])
        .fine()
        .json();
    assert_eq!(listed["name"], first.name.to_hex());
    assert_eq!(
        made.vault("verify", &["--json"]).fine().json()["live"],
        true
    );
    serving.stop();
    let list = made.vault("list", &[]).fine().out;
    assert!(
        list.contains("public.orders") && list.contains("books"),
        "{list}"
    );
    assert!(!list.contains("Alice"));
    let sound = made.vault("verify", &[]).fine().out;
    assert!(sound.starts_with("sound: 2 objects"), "{sound}");
    flip(&made.dir(), &first.name.to_hex(), 99);
    let ran = made.vault("verify", &[]);
    assert_eq!(ran.code, 4);
    let named = format!(
        "objects/{}/{}",
        &first.name.to_hex()[..2],
        first.name.to_hex()
    );
    assert!(
        ran.out.contains(&named) && ran.err.contains("hint:"),
        "{}{}",
        ran.out,
        ran.err
    );
    let ran = made.vault("verify", &["--json"]);
    assert_eq!(
        (ran.code, ran.json()["findings"][0]["object"].as_str()),
        (4, Some(first.name.to_hex().as_str()))
    );
}

/// Flips a bit of an object's file.
pub(crate) fn flip(dir: &Path, object: &str, at: usize) {
    let path = dir.join("objects").join(&object[..2]).join(object);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 8;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
}

#[test]
fn init_hands_out_each_key_once_and_never_into_the_vault() {
    let made = Made::new();
    assert_eq!(made.told["identity"], Value::Null);
    let secret = std::fs::read_to_string(made.folder.path().join("recovery")).unwrap();
    let secret = secret.lines().last().unwrap();
    assert!(secret.starts_with("AGE-SECRET-KEY-"));
    let inside = std::process::Command::new("grep")
        .args(["-r", "AGE-SECRET-KEY"])
        .arg(made.dir())
        .output()
        .unwrap();
    assert_eq!(
        inside.status.code(),
        Some(1),
        "no private half is in the vault"
    );
    let gate = made.told["gate"].as_str().unwrap();
    assert!(
        gate.contains("recipients = [\"age1") && !gate.contains(secret),
        "{gate}"
    );
    assert_eq!(
        made.dir().metadata().unwrap().permissions().mode() & 0o777,
        0o700
    );
    let again = made.vault("init", &["--gate-user", "0"]);
    assert!(
        again.code == 2 && again.err.contains("is not empty"),
        "{}",
        again.err
    );
    // Without a file it is shown, once.
    let other = made.folder.path().join("other").display().to_string();
    let shown = run(&["vault", "init", "--dir", &other, "--gate-user", "0"])
        .fine()
        .out;
    assert!(
        shown.contains("AGE-SECRET-KEY-") && shown.contains("shown this once"),
        "{shown}"
    );
    // Into the vault it never goes.
    let third = made.folder.path().join("third").display().to_string();
    let file = format!("{third}/key");
    let ran = run(&[
        "vault",
        "init",
        "--dir",
        &third,
        "--gate-user",
        "0",
        "--identity",
        &file,
    ]);
    assert_ne!(ran.code, 0);
    assert!(!Path::new(&third).exists(), "and nothing is left half made");
}

#[test]
fn a_network_vault_has_certificates_for_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let told = run(&[
        "--json",
        "vault",
        "init",
        "--dir",
        &path("vault"),
        "--identity",
        &path("id"),
        "--gate-user",
        "0",
        "--socket",
        &path("s.sock"),
        "--name",
        "localhost",
        "--listen",
        "127.0.0.1:0",
        "--gate-files",
        &path("gate"),
    ])
    .fine()
    .json();
    assert!(
        told["gate"]
            .as_str()
            .unwrap()
            .contains("address = \"localhost:0\""),
        "{told}"
    );
    let mut child = backstop()
        .args(["--json", "vault", "serve", "--dir", &path("vault")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let serving = Serving(child);
    let said: Value = serde_json::from_str(&line).unwrap();
    let port = said["tcp"]
        .as_str()
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .1
        .to_owned();
    let read = |file: &str| std::fs::read(folder.path().join("gate").join(file)).unwrap();
    let tls = backstop_vault::client::Tls::new(
        &read("vault-ca.pem"),
        &read("gate.pem"),
        &read("gate-key.pem"),
    )
    .unwrap();
    let recipients = Recipients::parse([told["recipients"][0].as_str().unwrap()]).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let at = format!("localhost:{port}");
        let client = Client::new(Address::Tcp { at, tls }, recipients, Client::TIMEOUT);
        put(&client, "shop", "row").await;
        assert_eq!(client.status().await.unwrap().objects, 1);
    });
    serving.stop();
}

#[test]
fn mistakes_in_the_vaults_configuration_have_a_place_and_a_hint() {
    let made = Made::new();
    let path = made.dir().join("vault.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, what) in [
        ("capacity", "capactiy", "did you mean `capacity`?"),
        ("\"100GiB\"", "\"100GB\"", "write a number with KiB"),
        ("\"5GiB\"", "\"500GiB\"", "the reserves are larger"),
        ("delay = \"72h\"", "delay = \"soon\"", "is not a time"),
        (
            "users = [",
            "users = [\"nobody-of-that-name\", ",
            "there is no user",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let ran = made.vault("serve", &[]);
        assert!(
            ran.code == 2 && ran.err.contains(what) && ran.err.contains("hint:"),
            "{}",
            ran.err
        );
    }
    let ran = run(&["vault", "list", "--dir", "/nonexistent/vault"]);
    assert!(
        ran.code == 1
            && ran
                .err
                .contains("hint: make the vault with `backstop vault init`"),
        "{}",
        ran.err
    );
}
