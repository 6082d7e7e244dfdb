//! What repositories remember, and that nothing of a hostile one runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use backstop_scopes::find::{Finding, Look, Place, Report};

use crate::secrets::{ALNUM, Random};

fn git(at: &Path, arguments: &[&str]) -> String {
    let output = Command::new("/usr/bin/git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "-c",
            "init.defaultBranch=main",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .current_dir(at)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

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

#[test]
fn a_secret_is_found_in_what_was_committed_and_taken_out_again() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let at = folder.path();
    let secret = |random: &mut Random| format!("ghp_{}", random.of(ALNUM, 36));
    let [deleted, branched, stashed, amended, packed] = [(); 5].map(|()| secret(&mut random));
    let pgpass = random.password();
    git(at, &["init", "-q"]);
    let commit = |name: &str, text: &str, message: &str| {
        fs::create_dir_all(at.join(name).parent().unwrap()).unwrap();
        fs::write(at.join(name), text).unwrap();
        git(at, &["add", "-A"]);
        git(at, &["commit", "-q", "-m", message]);
        git(at, &["rev-parse", "HEAD"])
    };
    commit("README", "hello\n", "first");
    let first = commit("conf/a.env", &format!("X=1\nTOKEN={deleted}\n"), "oops");
    commit("conf/a.env", &format!("X=2\nTOKEN={deleted}\n"), "again");
    commit(
        ".pgpass",
        &format!("db:5432:shop:app:{pgpass}\n"),
        "structure",
    );
    git(at, &["rm", "-q", "conf/a.env", ".pgpass"]);
    git(at, &["commit", "-q", "-m", "gone"]);
    git(at, &["checkout", "-q", "-b", "side"]);
    commit("b.env", &format!("TOKEN={branched}\n"), "side");
    git(at, &["checkout", "-q", "main"]);
    commit("c.env", &format!("TOKEN={amended}\n"), "to amend");
    fs::write(at.join("c.env"), "TOKEN=\n").unwrap();
    git(at, &["commit", "-q", "-a", "--amend", "-m", "amended"]);
    fs::write(at.join("c.env"), format!("TOKEN={stashed}\n")).unwrap();
    git(at, &["stash", "-q"]);
    let tagged = commit("d.env", &format!("TOKEN={packed}\n"), "tagged");
    git(at, &["tag", "v1"]);
    git(at, &["reset", "-q", "--hard", "HEAD~1"]);
    git(at, &["gc", "-q"]);

    let report = look(at);
    for (name, secret) in [
        ("branched", &branched),
        ("stashed", &stashed),
        ("amended", &amended),
        ("packed", &packed),
    ] {
        assert_eq!(with(&report, secret).len(), 1, "{name}");
    }
    let found = with(&report, &deleted);
    assert_eq!(found.len(), 2, "two blobs hold it");
    let places: Vec<_> = found.iter().map(|finding| &finding.place).collect();
    let oldest = places.iter().find_map(|place| match place {
        Place::History {
            commit, path, line, ..
        } if commit.as_deref() == Some(&first) => Some((path.clone().unwrap().to_string(), *line)),
        _ => None,
    });
    assert_eq!(oldest, Some(("conf/a.env".to_owned(), 2)), "{places:?}");
    assert!(
        matches!(&with(&report, &packed)[0].place, Place::History { commit: Some(commit), .. } if *commit == tagged)
    );
    assert_eq!(
        with(&report, &pgpass)[0].kind,
        "postgres.password",
        "files of structure are read in history too"
    );
    assert_eq!(
        report.looked.histories_not_read.count, 0,
        "{:?}",
        report.looked
    );

    let mut without = Look::new().unwrap();
    without.paths.push(at.to_owned());
    without.history = false;
    assert!(with(&without.run().unwrap(), &deleted).is_empty());
}

#[test]
fn bare_repositories_and_work_trees_are_read_and_both_kinds_of_hash() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let token = format!("ghp_{}", random.of(ALNUM, 36));
    for format in ["sha1", "sha256"] {
        let at = folder.path().join(format);
        fs::create_dir(&at).unwrap();
        git(
            &at,
            &["init", "-q", &format!("--object-format={format}"), "work"],
        );
        fs::write(at.join("work/t.env"), format!("T={token}\n")).unwrap();
        git(&at.join("work"), &["add", "-A"]);
        git(&at.join("work"), &["commit", "-q", "-m", "x"]);
        git(&at.join("work"), &["rm", "-q", "t.env"]);
        git(&at.join("work"), &["commit", "-q", "-m", "y"]);
        git(&at, &["clone", "-q", "--bare", "work", "bare.git"]);
        git(&at.join("work"), &["worktree", "add", "-q", "../linked"]);
        for (name, path) in [
            ("work", at.join("work")),
            ("bare", at.join("bare.git")),
            ("linked", at.join("linked")),
        ] {
            let report = look(&path);
            assert!(
                !with(&report, &token).is_empty(),
                "{format} {name}: {:?}",
                report.looked
            );
        }
    }
}

#[test]
fn nothing_of_a_hostile_repository_runs() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let at = folder.path().join("repo");
    let proof = folder.path().join("it-ran");
    fs::create_dir(&at).unwrap();
    let token = format!("ghp_{}", random.of(ALNUM, 36));
    git(&at, &["init", "-q"]);
    fs::write(at.join("t.env"), format!("T={token}\n")).unwrap();
    git(&at, &["add", "-A"]);
    git(&at, &["commit", "-q", "-m", "x"]);
    git(&at, &["rm", "-q", "t.env"]);
    git(&at, &["commit", "-q", "-m", "y"]);
    let script = folder.path().join("evil.sh");
    fs::write(&script, format!("#!/bin/sh\ntouch '{}'\n", proof.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let evil = script.display();
    fs::write(at.join(".gitattributes"), "* filter=evil diff=evil\n").unwrap();
    fs::create_dir_all(at.join(".git/info")).unwrap();
    fs::write(
        at.join(".git/info/attributes"),
        "* filter=evil diff=evil textconv=evil\n",
    )
    .unwrap();
    // A commit that says it is signed: whoever shows it with this configuration has its signature looked at.
    let (tree, head) = (
        git(&at, &["rev-parse", "HEAD^{tree}"]),
        git(&at, &["rev-parse", "HEAD"]),
    );
    let signed = format!(
        "tree {tree}\nparent {head}\nauthor t <t@t> 1700000000 +0000\ncommitter t <t@t> 1700000000 +0000\n\
         gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\nsigned\n"
    );
    fs::write(folder.path().join("signed"), signed).unwrap();
    let signed = git(&at, &["hash-object", "-t", "commit", "-w", "../signed"]);
    git(&at, &["update-ref", "refs/heads/signed", &signed]);
    let config = format!(
        "[core]\n repositoryformatversion = 1\n bare = false\n fsmonitor = {evil}\n hooksPath = {0}\n pager = {evil}\n sshCommand = {evil}\n gitProxy = {evil}\n alternateRefsCommand = {evil}\n askPass = {evil}\n editor = {evil}\n\
         [extensions]\n partialClone = origin\n\
         [remote \"origin\"]\n url = ext::{evil}\n promisor = true\n uploadpack = {evil}\n partialclonefilter = blob:none\n vcs = evil\n\
         [protocol \"ext\"]\n allow = always\n\
         [filter \"evil\"]\n clean = {evil}\n smudge = {evil}\n process = {evil}\n required = true\n\
         [diff]\n external = {evil}\n[diff \"evil\"]\n textconv = {evil}\n command = {evil}\n\
         [gpg]\n program = {evil}\n[log]\n showSignature = true\n[pager]\n log = {evil}\n rev-list = {evil}\n cat-file = {evil}\n\
         [credential]\n helper = {evil}\n[alias]\n cat-file = !{evil}\n rev-list = !{evil}\n log = !{evil}\n[include]\n path = /nowhere\n[trace2]\n eventTarget = {1}\n",
        folder.path().display(),
        proof.display(),
    );
    fs::write(at.join(".git/config"), config).unwrap();
    for hook in [
        "post-checkout",
        "pre-auto-gc",
        "reference-transaction",
        "post-index-change",
    ] {
        fs::copy(&script, at.join(".git/hooks").join(hook)).unwrap();
    }
    // What git itself would do here, so that the trap is seen to be one.
    for arguments in [&["status"][..], &["log", "-1", "signed"]] {
        let _ = fs::remove_file(&proof);
        let output = Command::new("/usr/bin/git")
            .args(arguments)
            .current_dir(&at)
            .output()
            .unwrap();
        assert!(
            proof.exists(),
            "no trap: git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    fs::remove_file(&proof).unwrap();

    let report = look(&at);
    assert!(!proof.exists(), "the repository's own program ran");
    assert_eq!(with(&report, &token).len(), 1, "{:?}", report.looked);
}

#[test]
fn a_broken_history_is_said_and_not_passed_over() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new());
    let at = folder.path();
    git(at, &["init", "-q"]);
    for number in 0..3 {
        fs::write(at.join("x"), random.of(ALNUM, 500 + number)).unwrap();
        git(at, &["add", "-A"]);
        git(at, &["commit", "-q", "-m", "x"]);
    }
    let blob = git(at, &["rev-parse", "HEAD:x"]);
    let object = at.join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    fs::remove_file(&object).unwrap();
    let report = look(at);
    assert_eq!(
        report.looked.histories_not_read.count, 1,
        "{:?}",
        report.looked
    );
}
