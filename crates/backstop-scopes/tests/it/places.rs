//! Places that are no files: environments, arguments, sockets, an SSH agent; and whose eyes are looked with.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use backstop_scopes::find::{Finding, Identity, Look, Place, Report, Salt};

use crate::secrets::{ALNUM, Random};

fn with<'a>(report: &'a Report, secret: &str) -> Vec<&'a Finding> {
    report
        .findings
        .iter()
        .filter(|finding| finding.reveal_secret() == Some(secret.as_bytes()))
        .collect()
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn environments_and_arguments_of_processes_are_read() {
    let mut random = Random::new();
    let (railway, password, argument) = (random.uuid(), random.password(), random.of(ALNUM, 16));
    let children: Vec<Ended> = (0..2)
        .map(|_| {
            Ended(
                Command::new("/bin/sleep")
                    .arg("60")
                    .env("RAILWAY_TOKEN", &railway)
                    .env("PGPASSWORD", &password)
                    .env("PGHOST", "db.corp.io")
                    .env("REQUEST_ID", random.uuid())
                    .spawn()
                    .unwrap(),
            )
        })
        .collect();
    let _shown = Ended(
        Command::new("/bin/sh")
            .args([
                "-c",
                // Waits without a child of its own.
                "read line",
                &format!("postgres://app:{argument}@db.corp.io/shop"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut look = Look::new().unwrap();
    look.processes = true;
    // A process has its environment once it has begun to run.
    let begin = Instant::now();
    let report = loop {
        let report = look.run().unwrap();
        let both = with(&report, &railway)
            .first()
            .is_some_and(|finding| finding.facts.get("processes").map(String::as_str) == Some("2"));
        if both || begin.elapsed() > Duration::from_secs(10) {
            break report;
        }
    };
    let found = with(&report, &railway);
    assert_eq!(found.len(), 1, "what two inherited is one finding");
    assert_eq!(
        (found[0].kind.as_str(), found[0].facts["processes"].as_str()),
        ("railway.project", "2")
    );
    let Place::Environment {
        process,
        variable,
        command,
    } = &found[0].place
    else {
        panic!("{found:?}")
    };
    assert_eq!(
        (variable.to_string().as_str(), command.to_string().as_str()),
        ("RAILWAY_TOKEN", "sleep")
    );
    assert!(children.iter().any(|child| child.0.id() == *process));
    assert_eq!(with(&report, &password)[0].facts["host"], "db.corp.io");
    let shown = with(&report, &argument);
    assert!(
        matches!(&shown[0].place, Place::Environment { variable, .. } if variable.to_string() == "(arguments)"),
        "{shown:?}"
    );
    assert!(report.looked.processes >= 2);
}

/// An agent of our own that speaks the protocol, with a key whose comment is hostile.
#[test]
fn an_agent_is_asked_for_its_keys_and_one_that_hangs_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent");
    let listener = UnixListener::bind(&path).unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 5];
        stream.read_exact(&mut request).unwrap();
        assert_eq!(
            request,
            [0, 0, 0, 1, 11],
            "nothing but the list is asked for"
        );
        let string =
            |text: &[u8]| [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat();
        let key = [string(b"ssh-ed25519"), string(&[7; 32])].concat();
        let body = [
            &[12, 0, 0, 0, 1][..],
            &string(&key),
            &string(b"ann\x1b[31m@corp"),
        ]
        .concat();
        stream.write_all(&string(&body)).unwrap();
        let mut more = Vec::new();
        stream.read_to_end(&mut more).unwrap();
        assert!(more.is_empty());
    });
    let output = ask(&path);
    served.join().unwrap();
    assert!(
        output.contains(r#""kind":"ssh.agent""#)
            && output.contains("ssh-ed25519")
            && output.contains("SHA256:"),
        "{output}"
    );
    assert!(output.contains(r"ann\\x1b[31m@corp"), "{output}");

    let silent = folder.path().join("silent");
    let _listener = UnixListener::bind(&silent).unwrap();
    let begin = Instant::now();
    assert!(!ask(&silent).contains("ssh.agent"));
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
}

/// The look for sockets, in a process whose `SSH_AUTH_SOCK` is `agent`: this very program, one test of it.
fn ask(agent: &std::path::Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "places::prints_the_sockets",
            "--nocapture",
            "--ignored",
        ])
        .env("SSH_AUTH_SOCK", agent)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "only for the test above, in a process of its own"]
fn prints_the_sockets() {
    let mut look = Look::new().unwrap();
    look.sockets = true;
    println!("{}", serde_json::to_string(&look.run().unwrap()).unwrap());
}

#[test]
fn fingerprints_can_be_kept_and_otherwise_never_repeat() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let secret = format!("ghp_{}", random.of(ALNUM, 36));
    fs::write(folder.path().join("a"), format!("{secret}\n")).unwrap();
    fs::write(
        folder.path().join("b.env"),
        format!("X=1\nGITHUB_TOKEN={secret}\n"),
    )
    .unwrap();
    let other = format!("ghp_{}\n", random.of(ALNUM, 36));
    fs::write(folder.path().join("c"), other).unwrap();
    let run = |salt: Option<&[u8]>| {
        let mut look = Look::new().unwrap();
        look.paths.push(folder.path().to_owned());
        if let Some(salt) = salt {
            look.salt = Salt::keyed(salt);
        }
        let report = look.run().unwrap();
        let prints: Vec<_> = report
            .findings
            .iter()
            .map(|finding| finding.fingerprint.clone().unwrap())
            .collect();
        assert_eq!(prints.len(), 3);
        assert_eq!(prints[0], prints[1], "one secret, two places");
        assert_ne!(prints[0], prints[2], "another secret");
        prints[0].clone()
    };
    assert_ne!(run(None), run(None));
    assert_eq!(run(Some(b"kept")), run(Some(b"kept")));
}

#[test]
fn a_home_is_walked_but_for_caches() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let [kept, cached] = [(); 2].map(|()| format!("ghp_{}", random.of(ALNUM, 36)));
    fs::create_dir_all(folder.path().join(".cache/x")).unwrap();
    fs::create_dir_all(folder.path().join("projects/x/.cache")).unwrap();
    fs::write(folder.path().join(".cache/x/t"), &cached).unwrap();
    fs::write(folder.path().join("projects/x/.cache/t"), &kept).unwrap();
    let mut look = Look::new().unwrap();
    look.home = Some(folder.path().to_owned());
    let report = look.run().unwrap();
    assert!(with(&report, &cached).is_empty());
    assert_eq!(with(&report, &kept).len(), 1);
    assert_eq!(report.looked.caches, 1);
}

#[test]
fn a_user_is_known_by_name_or_number() {
    let root = Identity::of("root").unwrap();
    assert_eq!(root.uid, 0);
    assert_eq!(Identity::of("0").unwrap(), root);
    let error = Identity::of("no such\x1b[31m user")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("hint:") && !error.contains('\x1b'),
        "{error}"
    );
}
