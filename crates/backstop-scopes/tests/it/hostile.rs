//! Trees and texts made by somebody who does not want to be looked at.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use backstop_scopes::find::{Finding, Look, Place, Report};

use crate::secrets::{ALNUM, Random};

fn look(path: &Path) -> Report {
    let mut look = Look::new().unwrap();
    look.paths.push(path.to_owned());
    look.run().unwrap()
}

fn with<'a>(report: &'a Report, secret: &str) -> Vec<&'a Finding> {
    report
        .findings
        .iter()
        .filter(|finding| finding.reveal_secret() == Some(secret.as_bytes()))
        .collect()
}

fn token(random: &mut Random) -> String {
    format!("ghp_{}", random.of(ALNUM, 36))
}

/// The most memory that this process ever had, in MiB. Tests run in processes of their own.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[test]
fn links_are_followed_out_and_never_round() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::create_dir_all(outside.join("deep")).unwrap();
    let [inside, linked_file, linked_folder] = [(); 3].map(|()| token(&mut random));
    fs::write(root.join("a/b/t"), format!("x={inside}\n")).unwrap();
    fs::write(
        folder.path().join("elsewhere.env"),
        format!("x={linked_file}\n"),
    )
    .unwrap();
    fs::write(outside.join("deep/t"), format!("x={linked_folder}\n")).unwrap();
    symlink("..", root.join("a/up")).unwrap();
    symlink("../..", root.join("a/b/upper")).unwrap();
    symlink(".", root.join("a/self")).unwrap();
    symlink("loop2", root.join("loop1")).unwrap();
    symlink("loop1", root.join("loop2")).unwrap();
    symlink("/", root.join("slash")).unwrap();
    symlink("nowhere", root.join("broken")).unwrap();
    symlink(folder.path().join("elsewhere.env"), root.join("one.env")).unwrap();
    symlink(folder.path().join("elsewhere.env"), root.join("a/two.env")).unwrap();
    symlink(&outside, root.join("out1")).unwrap();
    symlink(&outside, root.join("a/out2")).unwrap();
    symlink(&root, outside.join("back")).unwrap();
    symlink(&outside, outside.join("again")).unwrap();
    symlink("/proc", root.join("proc")).unwrap();
    symlink("/dev/zero", root.join("zero")).unwrap();

    let begin = Instant::now();
    let report = look(&root);
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
    for secret in [&inside, &linked_file, &linked_folder] {
        assert_eq!(with(&report, secret).len(), 1, "{:?}", report.looked);
    }
    assert!(
        report.looked.links_above >= 1
            && report.looked.broken_links >= 3
            && report.looked.special >= 1,
        "{:?}",
        report.looked
    );
    assert!(
        report.looked.kernel_files >= 1,
        "/proc was entered: {:?}",
        report.looked
    );
    assert!(report.looked.files < 20, "{:?}", report.looked);
}

#[test]
fn what_could_block_or_act_is_never_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let fifo = |name: &str| {
        assert!(
            Command::new("mkfifo")
                .arg(at.join(name))
                .status()
                .unwrap()
                .success()
        )
    };
    fifo(".env");
    fifo("credentials");
    symlink("credentials", at.join("link-to-fifo")).unwrap();
    let _socket = UnixListener::bind(at.join("s.sock")).unwrap();
    // Somebody who waits for a reader would be let go by an open.
    let mut writer = Command::new("sh")
        .arg("-c")
        .arg(format!("echo x > '{}'", at.join(".env").display()))
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let report = look(at);
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(
        (report.looked.special, report.looked.files),
        (3, 0),
        "{:?}",
        report.looked
    );
    assert!(writer.try_wait().unwrap().is_none(), "the FIFO was opened");
    writer.kill().unwrap();
    writer.wait().unwrap();
}

#[test]
fn names_reach_no_terminal_raw() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let secret = token(&mut random);
    let names: [&[u8]; 4] = [
        b"a\nb",
        b"\x1b]0;title\x07",
        b"\xff\xfe-not-utf8",
        "\u{202e}txt.exe".as_bytes(),
    ];
    for name in names {
        let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir(&path).unwrap();
        fs::write(
            path.join(std::ffi::OsStr::from_bytes(name)),
            format!("k={secret}\n"),
        )
        .unwrap();
    }
    let report = look(folder.path());
    assert_eq!(with(&report, &secret).len(), 4);
    let shown = serde_json::to_string(&report).unwrap() + &format!("{report:?}");
    assert!(
        !shown.chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{shown}"
    );
    for finding in &report.findings {
        let Place::File { path, .. } = &finding.place else {
            panic!()
        };
        assert!(
            !path
                .to_string()
                .chars()
                .any(|c| c.is_control() || c == '\u{202e}')
        );
        assert!(path.to_path().exists(), "the name leads back to the file");
    }
}

#[test]
fn what_may_not_be_read_is_counted_and_named() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let at = folder.path();
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
    let [open, closed, hidden] = [(); 3].map(|()| token(&mut random));
    fs::write(at.join("open"), format!("k={open}\n")).unwrap();
    fs::write(at.join("closed"), format!("k={closed}\n")).unwrap();
    fs::create_dir(at.join("folder")).unwrap();
    fs::write(at.join("folder/t"), format!("k={hidden}\n")).unwrap();
    fs::set_permissions(at.join("closed"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(at.join("folder"), fs::Permissions::from_mode(0o700)).unwrap();
    let mut look = Look::new().unwrap();
    look.paths.push(at.to_owned());
    // As anybody else: whoever runs this test, root or not.
    look.identity = Some(backstop_scopes::find::Identity {
        uid: 65_533,
        groups: vec![65_533],
        home: "/nonexistent".into(),
    });
    let report = look.run().unwrap();
    assert_eq!(with(&report, &open).len(), 1, "{:?}", report.looked);
    assert!(with(&report, &closed).is_empty() && with(&report, &hidden).is_empty());
    assert_eq!(report.looked.unreadable.count, 2, "{:?}", report.looked);
    let named: Vec<String> = report
        .looked
        .unreadable
        .first
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        named.iter().any(|name| name.ends_with("/closed"))
            && named.iter().any(|name| name.ends_with("/folder")),
        "{named:?}"
    );
    look.identity = None;
    assert_eq!(with(&look.run().unwrap(), &hidden).len(), 1);
}

/// Text, ten gigabytes of nothing, text.
#[test]
fn a_file_of_ten_gigabytes_is_streamed() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let [first, last] = [(); 2].map(|()| token(&mut random));
    let mut file = File::create(folder.path().join("huge.sql")).unwrap();
    let filler = "insert into t values (1, 'nothing to see');\n".repeat(400);
    writeln!(file, "{filler}-- {first}").unwrap();
    file.seek(SeekFrom::Start(10 << 30)).unwrap();
    writeln!(file, "{filler}-- {last}").unwrap();
    let (begin, before) = (Instant::now(), peak());
    let report = look(folder.path());
    println!("{:?}, {} MiB", begin.elapsed(), peak());
    assert_eq!(with(&report, &first).len(), 1);
    let Place::File { offset, .. } = with(&report, &last)[0].place else {
        panic!()
    };
    assert_eq!(offset, (10 << 30) + filler.len() as u64 + 3);
    assert!(peak() < before + 200, "{} MiB", peak());
    assert!(
        report.looked.bytes < 100 << 20,
        "holes were read: {:?}",
        report.looked
    );
}

#[test]
fn a_secret_is_found_wherever_a_large_file_is_cut() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    // Around every cut between pieces (4 MiB less their overlap of 40 KiB, again and again).
    let mut text = vec![b'.'; 13 << 20];
    for (number, byte) in text.iter_mut().enumerate() {
        if number % 100 == 99 {
            *byte = b'\n';
        }
    }
    let mut planted = Vec::new();
    for cut in [
        4 << 20,
        (4 << 20) - (40 << 10),
        2 * ((4 << 20) - (40 << 10)),
        (8 << 20) - (80 << 10) + (40 << 10),
        12 << 20,
    ] {
        for shift in [-3_000_i64, -1_000, -20, 1_500] {
            let secret = token(&mut random);
            let at = usize::try_from(cut + shift).unwrap();
            text[at..at + 42].copy_from_slice(format!(" {secret} ").as_bytes());
            planted.push((at + 1, secret));
        }
    }
    fs::write(folder.path().join("dump.txt"), &text).unwrap();
    let report = look(folder.path());
    for (at, secret) in planted {
        let found = with(&report, &secret);
        assert_eq!(found.len(), 1, "at {at}");
        let Place::File {
            offset,
            line,
            column,
            ..
        } = found[0].place
        else {
            panic!()
        };
        assert_eq!(offset, at as u64);
        let before = &text[..at];
        assert_eq!(
            line,
            before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1
        );
        assert_eq!(
            column,
            (at - before.iter().rposition(|byte| *byte == b'\n').unwrap()) as u64
        );
    }
}

#[test]
fn a_line_of_a_hundred_megabytes_is_one_line() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let secret = token(&mut random);
    let mut line = b"lorem ipsum dolor sit amet ".repeat((100 << 20) / 27);
    let at = 70 << 20;
    line[at..at + 42].copy_from_slice(format!(" {secret} ").as_bytes());
    fs::write(folder.path().join("one.txt"), &line).unwrap();
    drop(line);
    let begin = Instant::now();
    let report = look(folder.path());
    println!("{:?}", begin.elapsed());
    let found = with(&report, &secret);
    assert_eq!(found.len(), 1);
    assert!(matches!(found[0].place, Place::File { line: 1, .. }));
    assert!(
        begin.elapsed() < Duration::from_secs(120),
        "{:?}",
        begin.elapsed()
    );
}

/// Every keyword there is, over and over: each rule is called everywhere. It ends, and says that it gave up.
#[test]
fn a_text_made_to_be_slow_costs_no_more_than_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let rules: &str = include_str!("../../../backstop-wire/rules/betterleaks.toml");
    let mut words: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.strip_prefix("keywords = ["))
        .flat_map(|line| line.split("'''"))
        .filter(|word| word.len() > 2 && !word.starts_with([',', ']']))
        .collect();
    words.extend([
        "password = \"",
        "token: ",
        "secret=",
        "://user:",
        "bearer ",
        "-----BEGIN RSA ",
    ]);
    let all = words.join(" ");
    let bomb = all.repeat((64 << 10) / all.len());
    fs::write(folder.path().join("bomb.conf"), &bomb).unwrap();
    let quadratic = format!("curl {}", "-H ".repeat(30_000));
    fs::write(folder.path().join("curl.sh"), quadratic).unwrap();
    fs::write(
        folder.path().join("open.pem"),
        format!("-----BEGIN RSA {}-----\n", crate::secrets::PRIVATE).repeat(5_000),
    )
    .unwrap();
    let begin = Instant::now();
    let report = look(folder.path());
    println!("{:?}: {:?}", begin.elapsed(), report.looked);
    assert!(
        begin.elapsed() < Duration::from_secs(120),
        "{:?}",
        begin.elapsed()
    );
    let named: Vec<String> = report
        .looked
        .given_up
        .first
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        named.iter().any(|name| name.ends_with("bomb.conf")),
        "{named:?}"
    );
}

/// Nothing but tokens, by the hundred thousand.
#[test]
fn a_file_that_is_all_tokens_fills_no_memory() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let text: String = (0..250_000).map(|_| token(&mut random) + "\n").collect();
    fs::write(folder.path().join("t"), text).unwrap();
    let report = look(folder.path());
    assert!(report.findings.len() < 25_000, "{}", report.findings.len());
    assert_eq!(report.looked.given_up.count, 1);
}

/// Known formats with nothing, nonsense and much too much in them.
#[test]
fn broken_and_bottomless_settings_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let deep = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let yaml = (0..5_000)
        .map(|depth| format!("{}k:\n", " ".repeat(depth)))
        .collect::<String>();
    let toml = format!("{} = 1\n", vec!["a"; 5_000].join("."));
    for (name, text) in [
        (".railway/config.json", deep.as_str()),
        (".mcp.json", "[[[[[[[["),
        (".config/gh/hosts.yml", yaml.as_str()),
        (".kube/config", "users:\n- - - - - name: x\n:\n: :\n- \"\n"),
        (".codex/config.toml", toml.as_str()),
        (".pgpass", "::::\n:\\\n\\:\\"),
        (".netrc", "machine\nlogin\npassword"),
        (".npmrc", "=\n_auth=\n//:_authToken="),
        (".aws/credentials", "[\n]=\n=[x]\n"),
        (
            ".docker/config.json",
            "{\"auths\":{\"x\":{\"auth\":\"====\"}}}",
        ),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let begin = Instant::now();
    let report = look(folder.path());
    assert_eq!(report.looked.files, 10);
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn text_in_utf_16_is_text_and_other_binaries_are_counted() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let secret = random.password();
    let text = format!("DB_PASSWORD={secret}\r\n");
    let mut little = vec![0xff, 0xfe];
    little.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    fs::write(folder.path().join("a.env"), little).unwrap();
    fs::write(folder.path().join("b.bin"), random.bytes(100_000)).unwrap();
    fs::create_dir_all(folder.path().join(".config/gcloud")).unwrap();
    fs::write(
        folder.path().join(".config/gcloud/credentials.db"),
        b"SQLite format 3\0xxxx",
    )
    .unwrap();
    let report = look(folder.path());
    assert_eq!(with(&report, &secret).len(), 1);
    assert_eq!(report.looked.binary, 1, "{:?}", report.looked);
    let present: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.kind == "gcp.user")
        .collect();
    assert_eq!(present.len(), 1);
    assert!(present[0].fingerprint.is_none() && present[0].reveal_secret().is_none());
}

fn many(files: usize) {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let secret = token(&mut random);
    let mut first = folder.path().to_owned();
    for number in 0..files {
        let at = folder
            .path()
            .join(format!("{}/{}", number % 7, number / 1000));
        if number % 1000 < 7 {
            fs::create_dir_all(&at).unwrap();
        }
        let path = at.join(number.to_string());
        // Many names of few files: a million blocks are four gigabytes of disk.
        if number % 1000 == 0 {
            first = path.clone();
            fs::write(&path, "x").unwrap();
        } else if number == files / 2 + 1 {
            fs::write(&path, &secret).unwrap();
        } else {
            fs::hard_link(&first, &path).unwrap();
        }
    }
    // One directory with everything, and one chain as deep as a path may be.
    let mut deep = folder.path().join("deep");
    while deep.as_os_str().len() < 3_900 {
        deep.push("d".repeat(100));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("t"), &secret).unwrap();
    let (begin, before) = (Instant::now(), peak());
    let report = look(folder.path());
    println!(
        "{files} files: {:?}, {} MiB before and {} after",
        begin.elapsed(),
        before,
        peak()
    );
    assert_eq!(report.looked.files, files as u64 + 1);
    assert_eq!(with(&report, &secret).len(), 2);
    assert!(peak() < before.max(40) + 160, "{} MiB", peak());
}

#[test]
fn a_tree_of_twenty_thousand_files_is_walked() {
    many(20_000);
}

#[test]
#[ignore = "soak: a million files"]
fn a_tree_of_a_million_files_is_walked_in_bounded_memory() {
    let percent: usize =
        std::env::var("BACKSTOP_SOAK_PERCENT").map_or(100, |percent| percent.parse().unwrap());
    many(10_000 * percent);
}
