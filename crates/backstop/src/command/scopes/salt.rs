//! The salt that runs share which are to be compared.
//!
//! A fingerprint under a known salt tells whether a guess is right, and a weak password can be guessed. So the salt is
//! 256 random bits that Backstop draws, in a file for its owner alone, never in a report; whoever has a report and not
//! this file can guess nothing.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use backstop_scopes::find::Salt;

use crate::failure::{Context, Failure, Outcome};

/// More than a salt's text.
const LONGEST: u64 = 1024;

/// The salt in the file at `path`, which is made if there is none.
///
/// # Errors
/// When it cannot be read or made, is open to others, or does not hold a salt.
pub(super) fn of(path: &Path) -> Outcome<Salt> {
    let doing = || format!("cannot use the salt `{}`", path.display());
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => {
            let (salt, text) =
                Salt::drawn().map_err(|_| Failure::new("the system gives no random bytes"))?;
            writeln!(file, "{}", text.as_str()).doing(doing())?;
            return Ok(salt);
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Failure::usage(doing()).because(error)),
    }
    // Without waiting, so that a FIFO in its place holds nothing up.
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags).unwrap_or(0))
        .open(path)
        .map_err(|e| Failure::usage(doing()).because(e))?;
    let about = file.metadata().doing(doing())?;
    if !about.is_file() {
        return Err(Failure::usage(doing()).because("it is no regular file"));
    }
    if about.mode() & 0o077 != 0 {
        return Err(Failure::usage(doing())
            .because("others may read it, and could guess weak passwords from a report")
            .hint(format!("chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|e| Failure::usage(doing()).because(e))?;
    Salt::of_text(&text).ok_or_else(|| {
        Failure::usage(doing())
            .because("it does not hold 32 random bytes in hexadecimal")
            .hint("name a file that is not there yet: a salt is drawn for it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_salt_is_drawn_once_and_kept_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("salt");
        let first = of(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(of(&path).unwrap().name(), first.name());
        let other = of(&folder.path().join("other")).unwrap();
        assert_ne!(other.name(), first.name());
        assert_ne!(first.fingerprint(b"x").to_string(), first.name());
    }

    #[test]
    fn a_salt_that_can_be_guessed_or_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("salt");
        let put = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            of(&path)
        };
        let good: String = (0..32).map(|n| format!("{n:02x}")).collect();
        assert!(put(&good, 0o600).is_ok());
        for (text, mode) in [
            (good.as_str(), 0o640),
            (good.as_str(), 0o604),
            ("hunter2", 0o600),
            ("", 0o600),
            (&good[..62], 0o600),
            (&"00".repeat(32), 0o600),
            (&"01ff".repeat(16), 0o600),
        ] {
            assert!(put(text, mode).is_err(), "{text} {mode:o}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(of(folder.path()).is_err());
        let fifo = std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap();
        assert!(fifo.success());
        assert!(of(&path).is_err());
    }
}
