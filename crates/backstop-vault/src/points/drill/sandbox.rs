//! Where code of others may run: another user, no network, no files but PostgreSQL's and its own.
//!
//! Made with `unshare`, `mount` and `setpriv` of util-linux, each program in namespaces of its own. It must
//! not be believed from a version or a setting: [`Sandbox::open`] tries it, and without it there is no drill.
//!
//! As root each sandbox is a user that nobody else is. As anybody else a user namespace takes that place: the
//! kernel still sees our own user, which is why what must not be read is hidden as well.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::points::{PointError, Tools};

/// The sandbox's own folder, as it sees it.
pub(super) const INSIDE: &str = "/tmp/drill";

/// Folders that hold what is others', keys and sockets among it; each is empty inside.
const HIDDEN: &[&str] = &[
    "/dev/shm",
    "/home",
    "/media",
    "/mnt",
    "/root",
    "/run",
    "/srv",
    "/tmp",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];

/// How a drill's folder is called, and the file in it that is locked while the drill lives.
const PREFIX: &str = "backstop-drill-";
const LOCK: &str = "lock";

/// What the script itself and `mount` leave in `/run`.
const OURS: [&str; 2] = ["mount", "passwd"];

/// Reads: our folder, the user's number, PostgreSQL's folder, the folders to hide, `--`, the program. Folders
/// that must stay are held open while what lies above them is hidden.
const SCRIPT: &str = r#"
set -eu
umask 022
scratch=$1 user=$2 postgres=$3
shift 3
exec 8<"$scratch" 9<"$postgres"
while [ "$1" != -- ]; do
    [ ! -d "$1" ] || mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$1"
    shift
done
shift
mkdir -p /tmp/drill
mount --no-canonicalize --bind /proc/self/fd/8 /tmp/drill
if [ ! -x "$postgres/bin/postgres" ]; then
    mkdir -p "$postgres"
    mount --no-canonicalize --bind /proc/self/fd/9 "$postgres"
fi
exec 8<&- 9<&-
chmod 1777 /dev/shm
printf 'drill:x:%s:%s::/:/bin/false\n' "$user" "$user" >/run/passwd
mount --bind /run/passwd /etc/passwd
cd /
"#;

/// As root: drop to the user.
const AS_ROOT: &str = r#"exec setpriv --reuid "$user" --regid "$user" --clear-groups \
    --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@""#;

/// As anybody else: a second user namespace, in which we are no root any more.
const AS_OTHERS: &str = r#"exec unshare --user --map-user="$user" --map-group="$user" -- \
    setpriv --inh-caps=-all --no-new-privs -- "$@""#;

/// How a drill was kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// By a user of its own: only root can make one.
    pub user: bool,
    /// By a network namespace without any network.
    pub network: bool,
    /// By a mount namespace that hides others' files.
    pub files: bool,
}

/// A place to run programs in; its folder is removed when it is dropped.
pub struct Sandbox {
    room: Room,
    /// Locked as long as this process lives.
    _lock: File,
}

/// How programs get into a sandbox. It does not keep the sandbox alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    folder: PathBuf,
    user: u32,
    root: bool,
    postgres: PathBuf,
    hidden: Vec<PathBuf>,
}

impl Room {
    /// Its folder, as it is outside.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its folder, as it sees it.
    pub(crate) fn inside() -> &'static Path {
        Path::new(INSIDE)
    }

    /// Gives an open file to its user.
    pub(crate) fn give(&self, file: &File) -> Result<(), PointError> {
        if !self.root {
            return Ok(());
        }
        fchown(file, Some(self.user), Some(self.user))
            .map_err(PointError::io("giving a file to the drill's user"))
    }

    /// A program to be run inside, with nothing in its environment but where programs are. It ends when this
    /// process ends, however it ends.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare"]);
        if !self.root {
            command.args(["--user", "--map-root-user"]);
        }
        command
            .args([
                "--mount",
                "--net",
                "--ipc",
                "--pid",
                "--fork",
                "--kill-child=KILL",
                "--mount-proc",
            ])
            .args(["--", "/bin/sh", "-c"])
            .arg(format!(
                "{SCRIPT}{}",
                if self.root { AS_ROOT } else { AS_OTHERS }
            ))
            .arg("sandbox")
            .arg(&self.folder)
            .arg(self.user.to_string())
            .arg(&self.postgres)
            .args(&self.hidden)
            .args(HIDDEN)
            .arg("--")
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

impl Sandbox {
    /// Makes one with its folder below `base`, and tries it.
    ///
    /// # Errors
    /// When this system does not let it be made.
    pub async fn open(tools: &Tools, base: &Path, hidden: &[PathBuf]) -> Result<Self, PointError> {
        let root = rustix::process::geteuid().is_root();
        remove_abandoned(base);
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(base)
            .map_err(PointError::io("making a folder for the drill"))?
            .keep();
        let making = PointError::io("making a folder for the drill");
        let lock = File::create(folder.join(LOCK))
            .and_then(|lock| lock.lock().map(|()| lock))
            .map_err(making)?;
        let bin = tools.bin();
        let sandbox = Self {
            room: Room {
                folder,
                user: if root { free_user()? } else { 1000 },
                root,
                postgres: bin.parent().unwrap_or(bin).to_owned(),
                hidden: hidden.to_vec(),
            },
            _lock: lock,
        };
        sandbox.own(sandbox.folder())?;
        sandbox.attempt().await?;
        Ok(sandbox)
    }

    /// How it keeps what runs in it apart.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        Isolation {
            user: self.room.root,
            network: true,
            files: true,
        }
    }

    /// A program to be run inside, with nothing in its environment but where programs are. It ends when this
    /// process ends, however it ends.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        self.room.command(program)
    }

    /// How programs get in.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// Its folder, as it is outside.
    pub(super) fn folder(&self) -> &Path {
        &self.room.folder
    }

    /// Gives a file in its folder to its user.
    pub(super) fn own(&self, path: &Path) -> Result<(), PointError> {
        if !self.room.root {
            return Ok(());
        }
        chown(path, Some(self.room.user), Some(self.room.user))
            .map_err(PointError::io("giving a file to the drill's user"))
    }

    /// Looks from inside for what must not be there.
    async fn attempt(&self) -> Result<(), PointError> {
        let refuse = |problem: String| {
            PointError::Tool {
            tool: "unshare".to_owned(),
            problem,
            hint: "a drill needs util-linux 2.38 and leave to make namespaces: run it as root or allow \
                   unprivileged user namespaces"
                .to_owned(),
        }
        };
        let mut command = self.command(Path::new("/bin/sh"));
        command.args([
            "-c",
            "cat /proc/net/dev | sed 1,2d | cut -d: -f1; echo --; ls /home /root /run /var/lib | grep -v :",
        ]);
        let output = command
            .output()
            .await
            .map_err(|cause| refuse(format!("cannot be started: {cause}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(refuse(format!("makes no sandbox here: {}", said.trim())));
        }
        let seen = String::from_utf8_lossy(&output.stdout);
        let (networks, files) = seen.split_once("--\n").unwrap_or((&seen, ""));
        let open = networks.split_whitespace().any(|name| name != "lo");
        let visible = files.split_whitespace().any(|name| !OURS.contains(&name));
        if open || visible {
            return Err(refuse(format!(
                "leaves something to be seen: {}",
                seen.trim()
            )));
        }
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // What ran inside is killed with the process that started it, but dies a moment later.
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir_all(&self.room.folder).is_err()
            && self.room.folder.exists()
            && Instant::now() < deadline
        {
            thread::sleep(Duration::from_millis(20));
        }
        if self.room.folder.exists() {
            tracing::warn!(folder = %self.room.folder.display(), "a drill's folder could not be removed");
        }
    }
}

/// Removes what drills left that were killed: it holds others' rows in plain text.
fn remove_abandoned(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let lock = File::open(entry.path().join(LOCK));
        if is_ours && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            // Somebody else's stays, if it is not ours to remove.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A user's number that no user has, from the range that systemd gives to services for a while.
fn free_user() -> Result<u32, PointError> {
    let mut bytes = [0_u8; 2];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        PointError::io("asking for random bytes")(std::io::Error::other("the system gave none"))
    })?;
    Ok(61_184 + u32::from(u16::from_le_bytes(bytes)) % 4_336)
}
