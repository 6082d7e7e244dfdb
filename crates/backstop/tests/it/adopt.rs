//! `adopt`: credentials leave files and come back, and neither way loses a byte or shows a secret.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use backstop_testing::postgres::PostgresServer;

use crate::person::Person;
use crate::support::{Installation, Ran, eventually, files};

/// Put together at run time, so that no scanner takes this file for a leak.
pub(crate) fn token() -> String {
    ["7d1f6a52", "3c0b", "4e91", "9a44", "b0c5d2e81f37"].join("-")
}

pub(crate) fn url(installation: &Installation) -> String {
    format!("{}?sslmode=disable", installation.server.owner().url())
}

pub(crate) fn password(installation: &Installation) -> String {
    installation.server.owner().password
}

/// A folder with an `.env` that has everything that is easily lost: comments, quotes, `export`, line ends.
pub(crate) fn folder(installation: &Installation) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let text = format!(
        "# kept as it is\r\nexport  DATABASE_URL=\"{}\"   # the shop\r\n\r\nRAILWAY_TOKEN={}\nPORT=8080",
        url(installation),
        token()
    );
    std::fs::write(&path, &text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    (folder, path, text.into_bytes())
}

pub(crate) fn start(installation: &Installation, arguments: &[&str], path: &Path) -> Child {
    installation
        .command(arguments)
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn adopt(
    installation: &Installation,
    person: &mut Person,
    more: &[&str],
    path: &Path,
) -> Ran {
    let mut child = start(installation, &[&["adopt"][..], more].concat(), path);
    let hold = eventually("a hold", || {
        if child.try_wait().unwrap().is_some() {
            // Whatever it said is told with the failure.
            return Some(None);
        }
        installation.waiting_hold().map(Some)
    });
    if let Some(hold) = hold {
        person.approve(&hold).unwrap();
    }
    Ran::of(&child.wait_with_output().unwrap()).fine()
}

pub(crate) fn run(installation: &Installation, arguments: &[&str], path: &Path) -> Ran {
    Ran::of(&installation.command(arguments).arg(path).output().unwrap())
}

pub(crate) fn read(path: &Path) -> String {
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}

/// The connection string of a file, as a program reads it.
pub(crate) fn dsn(path: &Path) -> String {
    let text = read(path);
    let line = text.lines().find(|l| l.contains("DATABASE_URL=")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

/// Nothing of Backstop's has the secret in clear.
fn nowhere(installation: &Installation, secret: &str) {
    for path in files(installation.folder.path()) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!found, "{} holds a secret", path.display());
    }
}

#[test]
fn a_program_works_through_the_gate_once_a_person_has_said_yes_and_everything_comes_back() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (_folder, path, original) = folder(&installation);
    let config = read(&installation.config());

    let owner = std::fs::metadata(&path).unwrap().uid();

    // A dry run changes nothing.
    let dry = run(
        &installation,
        &["adopt", "--dry-run", "--seal-others"],
        &path,
    )
    .fine();
    assert!(
        dry.out.contains("postgresql://lease_NEW:SECRET@"),
        "{}",
        dry.out
    );
    assert_eq!(std::fs::read(&path).unwrap(), original);
    let kept = files(&installation.data().join("adopted"));
    assert!(kept.iter().all(|p| p.ends_with("lock")), "{kept:?}");
    assert_eq!(
        installation.run(&["--json", "holds", "--all"]).fine().out,
        ""
    );

    // Until a person has said yes, the file is as it was.
    let child = start(&installation, &["adopt", "--seal-others"], &path);
    let hold = installation.wait_for_hold();
    assert_eq!(std::fs::read(&path).unwrap(), original);
    person.approve(&hold).unwrap();
    let done = Ran::of(&child.wait_with_output().unwrap()).fine();
    assert!(
        done.err.contains("ALTER ROLE owner PASSWORD"),
        "{}",
        done.err
    );

    let new = dsn(&path);
    assert!(
        new.contains("@127.0.0.1:") && new.contains("lease_"),
        "a lease"
    );
    let counted = installation.psql(&new, "select count(*) from items").fine();
    assert_eq!(counted.out.trim(), "100");
    // All other bytes are the same, and so are owner and mode.
    let expected = String::from_utf8(original.clone())
        .unwrap()
        .replace(&url(&installation), &new)
        .replace(&token(), "00000000-0000-0000-0000-000000000000");
    assert_eq!(read(&path), expected);
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o640);
    assert_eq!(meta.uid(), owner);
    // The target was there already: the configuration is as it was.
    assert_eq!(read(&installation.config()), config);

    // No secret is in anything that was said or is kept.
    let told = installation
        .run(&["journal", "tail", "-n", "50"])
        .fine()
        .out;
    assert!(
        told.contains("adopted") && told.contains("DATABASE_URL by lease_"),
        "{told}"
    );
    let secret = new.split(':').nth(2).unwrap().split('@').next().unwrap();
    for secret in [&password(&installation), &token(), secret] {
        for said in [&dry, &done] {
            assert!(!said.out.contains(secret) && !said.err.contains(secret));
        }
        assert!(!told.contains(secret));
        nowhere(&installation, secret);
    }

    // The old login still works: that is a road round the gate.
    let doctor = installation.run(&["doctor"]);
    assert!(
        doctor.code == 1
            && doctor
                .out
                .contains("still opens the database round the gate"),
        "{}{}",
        doctor.out,
        doctor.err
    );
    assert!(!doctor.out.contains(&password(&installation)));
    // The token elsewhere is found again, by its fingerprint.
    let copy = path.with_file_name("copy.env");
    std::fs::write(&copy, format!("RAILWAY_TOKEN={}\n", token())).unwrap();
    let doctor = installation.run(&["doctor", "--offline"]);
    assert!(
        doctor.out.contains("the old credential of RAILWAY_TOKEN")
            && doctor.out.contains("copy.env:1"),
        "{}",
        doctor.out
    );
    std::fs::remove_file(&copy).unwrap();

    // A second time there is nothing to do.
    let again = run(&installation, &["adopt", "--seal-others"], &path).fine();
    assert!(again.err.contains("nothing to adopt"), "{}", again.err);
    assert_eq!(read(&path), expected);

    let undone = run(&installation, &["adopt", "--undo"], &path).fine();
    assert!(undone.err.contains("byte for byte"), "{}", undone.err);
    assert_eq!(std::fs::read(&path).unwrap(), original);
    assert_ne!(
        installation.psql(&new, "select 1").code,
        0,
        "the lease ended"
    );
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let twice = run(&installation, &["adopt", "--undo"], &path);
    assert!(
        twice.code == 2 && twice.err.contains("was not adopted"),
        "{}",
        twice.err
    );
}

#[test]
fn what_was_edited_since_stays_and_the_original_is_kept() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let (_folder, path, original) = folder(&installation);
    adopt(&installation, &mut person, &["--seal-others"], &path);
    let edited = read(&path).replace("00000000-0000-0000-0000-000000000000", "mine") + "\nNEW=1\n";
    std::fs::write(&path, edited).unwrap();
    let undone = run(&installation, &["adopt", "--undo"], &path).fine();
    assert!(
        undone.err.contains("RAILWAY_TOKEN is no longer"),
        "{}",
        undone.err
    );
    let expected = String::from_utf8(original.clone())
        .unwrap()
        .replace(&token(), "mine")
        + "\nNEW=1\n";
    assert_eq!(read(&path), expected);
    let kept = path.with_file_name("kept");
    let to = ["adopt", "--undo", "--original", kept.to_str().unwrap()];
    run(&installation, &to, &path).fine();
    assert_eq!(std::fs::read(&kept).unwrap(), original);
}

#[test]
fn variables_of_libpq_are_a_login_and_two_files_share_one_lease() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join(".env"), folder.path().join("two.env"));
    let owner = installation.server.owner();
    let text = format!(
        "export PGHOST=127.0.0.1\nexport PGPORT={}\nexport PGUSER=owner\nexport PGPASSWORD='{}' # old\nexport PGDATABASE=app\nexport PGSSLMODE=disable\n",
        owner.port, owner.password
    );
    std::fs::write(&one, &text).unwrap();
    std::fs::write(&two, format!("DATABASE_URL=\"{}\"\n", url(&installation))).unwrap();
    let mut command = installation.command(&["adopt"]);
    let child = command
        .arg(&one)
        .arg(&two)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    person.approve(&installation.wait_for_hold()).unwrap();
    Ran::of(&child.wait_with_output().unwrap()).fine();
    let leases = installation.run(&["--json", "lease", "list"]).fine().out;
    assert_eq!(
        leases.lines().count(),
        1,
        "one approval, one lease: {leases}"
    );
    // As a shell reads it.
    let psql = installation.server.installation().client("psql").unwrap();
    let script = format!(
        ". {}; {} -X -A -t -c 'select count(*) from items'",
        one.display(),
        psql.display()
    );
    let counted = std::process::Command::new("sh")
        .args(["-c", &script])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert_eq!(Ran::of(&counted).fine().out.trim(), "100");
    installation.psql(&dsn(&two), "select 1").fine();
    // The lease lives as long as a file has it.
    run(&installation, &["adopt", "--undo"], &one).fine();
    assert_eq!(read(&one), text);
    installation.psql(&dsn(&two), "select 1").fine();
    run(&installation, &["adopt", "--undo"], &two).fine();
    let leases = installation.run(&["--json", "lease", "list"]).fine().out;
    assert_eq!(leases.trim(), "");
}

#[test]
fn what_cannot_be_adopted_changes_nothing() {
    let installation = Installation::new();
    let (_folder, path, original) = folder(&installation);
    let config = read(&installation.config());
    let unchanged = |ran: &Ran, part: &str| {
        assert!(
            ran.code != 0 && ran.err.contains(part),
            "{part}: {}",
            ran.err
        );
        assert_eq!(read(&installation.config()), config);
    };
    // Nothing runs.
    unchanged(
        &run(&installation, &["adopt"], &path),
        "backstop is not running",
    );
    let (_serving, mut person) = installation.serve_with_person();
    let other = run(&installation, &["adopt", "--environment", "staging"], &path);
    unchanged(&other, "has one environment");
    assert_eq!(std::fs::read(&path).unwrap(), original);
    let wrong = read(&path).replace(&password(&installation), "not-that-one-7");
    std::fs::write(&path, &wrong).unwrap();
    let ran = run(&installation, &["adopt"], &path);
    unchanged(&ran, "nothing was changed");
    assert!(!ran.err.contains("not-that-one-7") && ran.err.contains("--skip DATABASE_URL"));
    assert_eq!(read(&path), wrong);
    // Changed while a person thinks.
    std::fs::write(&path, &original).unwrap();
    let child = start(&installation, &["adopt"], &path);
    let hold = installation.wait_for_hold();
    let edited = [original.as_slice(), b"\nMORE=1\n"].concat();
    std::fs::write(&path, &edited).unwrap();
    person.approve(&hold).unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    unchanged(&ran, "was changed meanwhile");
    assert_eq!(std::fs::read(&path).unwrap(), edited);
    let leases = installation.run(&["--json", "lease", "list"]).fine().out;
    assert_eq!(leases.trim(), "", "a lease that is written nowhere ends");
    // Denied.
    let child = start(&installation, &["adopt"], &path);
    person
        .deny(&installation.wait_for_hold(), "not this")
        .unwrap();
    unchanged(&Ran::of(&child.wait_with_output().unwrap()), "not this");
    assert_eq!(std::fs::read(&path).unwrap(), edited);
    // A second name would keep it.
    let link = path.with_file_name("again");
    std::fs::hard_link(&path, &link).unwrap();
    unchanged(&run(&installation, &["adopt"], &path), "has 2 names");
}

/// A program's own role can make no roles: its lease is made by the target of the same database, and may do what the
/// program could, though the target could do more.
#[test]
fn a_lease_in_place_of_a_small_role_is_as_small() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let config = read(&installation.config());
    let owner = installation.server.owner();
    let sql = "create role shop login password 'shop-pass-7xk'; grant select on items to shop";
    installation.server.psql_as(&owner, sql).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let shop = owner.as_role("shop", "shop-pass-7xk").url() + "?sslmode=disable";
    let original = format!("# DATABASE_URL={shop}\nDATABASE_URL=\"{shop}\"\n");
    std::fs::write(&path, &original).unwrap();
    let done = adopt(&installation, &mut person, &[], &path);
    assert!(!read(&path).contains("shop-pass-7xk"), "in a comment, too");
    assert!(done.err.contains("may read:public.*"), "{}", done.err);
    assert_eq!(read(&installation.config()), config);
    let text = read(&path);
    let line = text
        .lines()
        .find(|l| l.starts_with("DATABASE_URL"))
        .unwrap();
    let new = line.split('"').nth(1).unwrap();
    installation.psql(new, "select 1 from items").fine();
    let insert = "insert into items values (500, 'x')";
    assert_ne!(installation.psql(new, insert).code, 0);
    let doctor = installation.run(&["doctor", "--as", "root"]);
    assert!(
        doctor.out.contains("still opens the database"),
        "{}",
        doctor.out
    );
    let sql = "alter role shop password 'another-one-9'";
    installation.server.psql_as(&owner, sql).unwrap();
    let doctor = installation.run(&["doctor", "--as", "root"]);
    assert!(
        doctor.out.contains("is refused by the server"),
        "{}",
        doctor.out
    );
    run(&installation, &["adopt", "--undo"], &path).fine();
    assert_eq!(read(&path), original);
}

/// Another server, which shows the target's system identifier, as a copy of it does or one that lies.
#[test]
fn a_server_that_says_it_is_a_targets_changes_nothing_there() {
    let installation = Installation::new();
    let (_serving, _person) = installation.serve_with_person();
    let other = PostgresServer::of(installation.server.major())
        .run()
        .unwrap();
    let identifier = "select system_identifier from pg_control_system()";
    let same = other.psql(identifier).unwrap() == installation.server.psql(identifier).unwrap();
    assert!(same, "servers of one template have one identifier");
    other
        .psql("alter role owner password 'planted-pass-5z'")
        .unwrap();
    let sealed = installation.data().join("credentials/prod");
    let before = std::fs::read(&sealed).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let planted = other.owner().as_role("owner", "planted-pass-5z").url();
    let original = format!("DATABASE_URL=\"{planted}?sslmode=disable\"\n");
    std::fs::write(&path, &original).unwrap();
    let ran = run(&installation, &["adopt"], &path);
    assert!(
        ran.code != 0
            && ran
                .err
                .contains("says that it is the database of the target `prod`"),
        "{}",
        ran.err
    );
    assert_eq!(
        (std::fs::read(&sealed).unwrap(), read(&path)),
        (before, original)
    );
    assert_eq!(
        installation.run(&["--json", "holds", "--all"]).fine().out,
        ""
    );
}

#[test]
fn a_new_database_becomes_a_target_of_its_servers_environment() {
    let installation = Installation::new();
    let (_serving, mut person) = installation.serve_with_person();
    let config = read(&installation.config());
    let owner = installation.server.owner();
    installation
        .server
        .psql_as(&owner, "create database shop")
        .unwrap();
    let shop = owner.in_database("shop");
    let sql = "create table orders (id int primary key); insert into orders values (1)";
    installation.server.psql_as(&shop, sql).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let original = format!("DATABASE_URL=\"{}?sslmode=disable\"\n", shop.url());
    std::fs::write(&path, &original).unwrap();
    let other = run(&installation, &["adopt", "--environment", "staging"], &path);
    assert!(
        other.code == 2 && other.err.contains("the same server"),
        "{}",
        other.err
    );
    assert_eq!(read(&installation.config()), config);
    // Denied: what was added goes again.
    let child = start(&installation, &["adopt"], &path);
    person.deny(&installation.wait_for_hold(), "no").unwrap();
    assert_eq!(Ran::of(&child.wait_with_output().unwrap()).code, 1);
    assert_eq!(read(&installation.config()), config);
    assert!(!installation.data().join("credentials/shop").exists());
    adopt(&installation, &mut person, &[], &path);
    let after = read(&installation.config());
    assert!(
        after.starts_with(&config) && after.contains("name = \"shop\""),
        "{after}"
    );
    let of_production = after
        .lines()
        .filter(|l| *l == "environment = \"production\"");
    assert!(after.ends_with("tls = \"disable\"\n") && of_production.count() == 2);
    installation
        .psql(&dsn(&path), "select * from orders")
        .fine();
    nowhere(&installation, &owner.password);
}

/// Killed at the moments that can be seen from outside; each time the original is in the file or sealed.
#[test]
fn a_run_that_is_killed_loses_nothing() {
    let installation = Installation::new();
    let (serving, mut person) = installation.serve_with_person();
    let (_folder, path, original) = folder(&installation);
    let sealed = || {
        let all = std::fs::read_dir(installation.data().join("adopted")).unwrap();
        all.flatten()
            .any(|e| e.path().extension().is_some_and(|e| e == "sealed"))
    };
    for after_the_swap in [false, true] {
        let mut child = start(&installation, &["adopt"], &path);
        person.approve(&installation.wait_for_hold()).unwrap();
        loop {
            let now = match after_the_swap {
                false => sealed(),
                true => std::fs::read(&path).unwrap() != original,
            };
            if now || child.try_wait().unwrap().is_some() {
                break;
            }
        }
        if !after_the_swap {
            // The gate cannot write it down any more: the run stands before the swap.
            serving.signal("STOP");
        }
        let _ = child.kill();
        child.wait().unwrap();
        serving.signal("CONT");
        assert!(sealed());
        if std::fs::read(&path).unwrap() != original {
            run(&installation, &["adopt", "--undo"], &path).fine();
        } else {
            let undone = run(&installation, &["adopt", "--undo"], &path);
            assert!(undone.code == 2 || undone.code == 0, "{}", undone.err);
        }
        assert_eq!(std::fs::read(&path).unwrap(), original);
        let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "nothing is left beside it");
        eventually("the leases to end", || {
            let leases = installation.run(&["--json", "lease", "list"]).fine().out;
            leases.trim().is_empty().then_some(())
        });
    }
}
