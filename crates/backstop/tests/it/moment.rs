//! `backstop vault restore --until` on real servers that archive their log: back to between two writes.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use backstop_testing::postgres::{Installation, Major, PostgresServer, Server};
use serde_json::Value;

use crate::support::{backstop, eventually};

/// A server that archives, and a base backup of it, both of the servers' own user.
struct Archived {
    server: Server,
    folder: tempfile::TempDir,
    user: u32,
}

impl Archived {
    fn new(major: Major) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // What it needs is made by it, before anybody knows which user it is.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let wal = folder.path().join("w a'l");
        std::fs::create_dir(&wal).unwrap();
        std::fs::set_permissions(&wal, PermissionsExt::from_mode(0o777)).unwrap();
        let server = PostgresServer::of(major)
            .setting("archive_mode", "on")
            .setting(
                "archive_command",
                &format!("cp %p \"{}/%f\"", wal.display()),
            )
            .hba("local replication all trust")
            .run()
            .unwrap();
        let user = server.socket_folder().metadata().unwrap().uid();
        chown(folder.path(), Some(user), None).unwrap();
        let archived = Self {
            server,
            folder,
            user,
        };
        archived
            .server
            .psql("create table moments (n int)")
            .unwrap();
        let base = archived.tool("pg_basebackup");
        archived.run(
            Command::new(base)
                .args(["--checkpoint=fast", "--wal-method=none", "--no-password"])
                .arg("--pgdata")
                .arg(archived.path("base"))
                .arg("--host")
                .arg(archived.server.socket_folder())
                .args(["--port", &archived.server.port().to_string()])
                .args(["--username", &archived.server.superuser().user]),
        );
        archived
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wal(&self) -> PathBuf {
        self.path("w a'l")
    }

    fn tool(&self, name: &str) -> PathBuf {
        self.bin().join(name)
    }

    fn bin(&self) -> PathBuf {
        Installation::find(self.server.major())
            .unwrap()
            .whole()
            .unwrap()
    }

    /// As the user that servers run as.
    fn run(&self, command: &mut Command) -> String {
        let output = command.uid(self.user).current_dir("/").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    fn restore(&self, until: &str, data: &Path) -> std::process::Output {
        self.restore_as(self.user, until, data)
    }

    fn restore_as(&self, user: u32, until: &str, data: &Path) -> std::process::Output {
        backstop()
            .args(["--json", "vault", "restore", "--until", until, "--base"])
            .arg(self.path("base"))
            .arg("--wal")
            .arg(self.wal())
            .arg("--data")
            .arg(data)
            .arg("--pg-bin")
            .arg(self.bin())
            .uid(user)
            .current_dir("/")
            .output()
            .unwrap()
    }

    /// The server's time, with a second on either side in which nothing is written.
    fn now(&self) -> String {
        let wait = || std::thread::sleep(std::time::Duration::from_millis(1_100));
        wait();
        let format = "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
        let now = self.server.psql(format).unwrap().trim().to_owned();
        wait();
        now
    }

    fn write(&self, sql: &str) {
        self.server.psql(sql).unwrap();
    }

    /// Until all that was written is in the archive.
    fn archive(&self) {
        let segment = "select pg_walfile_name(pg_switch_wal())";
        let name = self.server.psql(segment).unwrap().trim().to_owned();
        eventually("the archive", || {
            self.wal().join(&name).exists().then_some(())
        });
    }

    /// What a restored directory has, asked of it without a server around it.
    fn rows(&self, data: &Path) -> String {
        use std::io::Write as _;
        let mut child = Command::new(self.tool("postgres"))
            .args(["--single", "-D"])
            .arg(data)
            .args([
                "-c",
                "archive_mode=off",
                "-c",
                "log_min_messages=fatal",
                "app",
            ])
            .uid(self.user)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let query = b"select string_agg(n::text, ',' order by n) as rows from moments\n";
        child.stdin.take().unwrap().write_all(query).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = text.split("rows = \"").nth(1);
        value
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default()
            .to_owned()
    }
}

#[test]
fn a_server_comes_back_as_it_was_between_two_writes() {
    // Base backups take PostgreSQL's own programs, which are not here for every version.
    let able = |major: &Major| {
        let whole = Installation::find(*major).unwrap().whole();
        whole.is_some_and(|bin| bin.join("pg_basebackup").exists())
    };
    let majors: Vec<Major> = Major::available()
        .unwrap()
        .into_iter()
        .filter(able)
        .collect();
    assert!(!majors.is_empty());
    for major in majors {
        let archived = Archived::new(major);
        archived.write("insert into moments values (1)");
        let before = archived.now();
        archived.write("insert into moments values (2)");
        let between = archived.now();
        // The accident.
        archived.write("delete from moments");
        archived.write("insert into moments values (3)");
        let after = archived.now();
        archived.archive();
        for (until, rows) in [(&before, "1"), (&between, "1,2")] {
            let data = archived.path(&format!("back-{rows}"));
            let output = archived.restore(until, &data);
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{major}: {err}");
            let told: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(told["verified"], true);
            let stopped = told["stopped"].as_str().unwrap();
            assert!(
                stopped.starts_with("recovery stopping before commit"),
                "{stopped}"
            );
            assert_eq!(archived.rows(&data), rows, "{major} at {until}");
            for left in [
                "recovery.signal",
                "postmaster.pid",
                "backstop-recovery.conf",
            ] {
                assert!(!data.join(left).exists(), "{left}");
            }
        }
        // What is not archived yet is not reached, and nothing is left that looks as if it were.
        let data = archived.path("too-late");
        let late = archived.restore(&after, &data);
        let err = String::from_utf8_lossy(&late.stderr).into_owned();
        assert_eq!(late.status.code(), Some(1), "{err}");
        assert!(
            err.contains("the archive ends before that moment"),
            "{major}: {err}"
        );
        assert!(!data.exists());
    }
}

#[test]
fn a_base_backup_brings_no_commands_and_no_damage_with_it() {
    let archived = Archived::new(Major::any().unwrap());
    archived.write("insert into moments values (1)");
    let until = archived.now();
    archived.write("insert into moments values (2)");
    archived.archive();
    // Whoever had the server's configuration had its backups run this.
    let (auto, ran) = (
        archived.path("base/postgresql.auto.conf"),
        archived.path("ran"),
    );
    let line = format!("'touch {}'", ran.display());
    let planted = format!(
        "recovery_end_command = {line}\narchive_cleanup_command = {line}\narchive_mode = on\narchive_command = {line}\n\
         restore_command = {line}\nshared_preload_libraries = 'no_such_library'\nlisten_addresses = '*'\n\
         recovery_target = 'immediate'\n"
    );
    let whole = std::fs::read(&auto).unwrap();
    std::fs::write(&auto, planted).unwrap();
    let restored = |name: &str, verified: bool| {
        let data = archived.path(name);
        let output = archived.restore(&until, &data);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{err}");
        assert!(!ran.exists());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["verified"], verified);
        std::fs::write(data.join("postgresql.auto.conf"), &whole).unwrap();
        assert_eq!(archived.rows(&data), "1");
        data
    };
    restored("with-manifest", true);
    // A file that is not as it was backed up is found by the manifest.
    let (file, bytes) = (archived.path("base/base/1/PG_VERSION"), b"15 \n");
    let before = std::fs::read(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let other = archived.path("other");
    let refused = |output: std::process::Output, why: &str| {
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && err.contains(why),
            "{why}: {err}"
        );
    };
    refused(archived.restore(&until, &other), "pg_verifybackup");
    std::fs::write(&file, before).unwrap();
    std::fs::remove_file(archived.path("base/backup_manifest")).unwrap();
    let data = restored("back", false);

    // Over what is there, from what is no backup, by root, to no moment: refused, and nothing is made.
    refused(archived.restore(&until, &data), "making the data directory");
    assert_eq!(archived.rows(&data), "1");
    refused(
        archived.restore("2026-04-25 13:07:09", &other),
        "write it with its zone",
    );
    if rustix::process::geteuid().is_root() {
        refused(
            archived.restore_as(0, &until, &other),
            "does not run as root",
        );
    }
    std::os::unix::fs::symlink("/etc", archived.path("base/pg_tblspc/1")).unwrap();
    refused(archived.restore(&until, &other), "outside of itself");
    std::fs::remove_file(archived.path("base/pg_tblspc/1")).unwrap();
    std::fs::rename(archived.path("base/backup_label"), archived.path("label")).unwrap();
    refused(archived.restore(&until, &other), "is no base backup");
    assert!(!other.exists());
}
