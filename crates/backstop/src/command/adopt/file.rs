//! A file that is rewritten: found, read and swapped for another in one step, with everything about it kept but its
//! bytes.
//!
//! Must not write through what others can move: the folder is opened once, and every name is looked up in it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use backstop_core::digest::Digest;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, XattrFlags};

use crate::failure::{Context, Failure, Outcome};

/// Larger files are no settings.
const LARGEST: u64 = 4 << 20;

/// A file as it was read.
pub(super) struct Found {
    /// Its path from the root, without links.
    pub(super) path: PathBuf,
    /// The link by which it was named, if it was.
    pub(super) link: Option<PathBuf>,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    folder: OwnedFd,
    name: Vec<u8>,
    meta: std::fs::Metadata,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Found {
    /// Opens and reads the file that `path` leads to.
    ///
    /// # Errors
    /// When it cannot be read, or is not one that can be rewritten without harm.
    pub(super) fn open(path: &Path) -> Outcome<Self> {
        let shown = path.display();
        let doing = || format!("cannot read `{shown}`");
        let link = std::fs::symlink_metadata(path).doing(doing())?;
        let whole = std::fs::canonicalize(path).doing(doing())?;
        let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
            return Err(Failure::usage(format!("`{shown}` is no file")));
        };
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(parent, flags, Mode::empty()).doing(doing())?;
        // A FIFO would wait for somebody to write.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name.as_bytes(), flags, Mode::empty());
        let mut file = File::from(file.doing(doing())?);
        let meta = file.metadata().doing(doing())?;
        let is_link = link.file_type().is_symlink();
        suitable(path, &meta, is_link.then_some(&link))?;
        let mut bytes = vec![];
        Read::take(&mut file, LARGEST + 1)
            .read_to_end(&mut bytes)
            .doing(doing())?;
        if bytes.len() as u64 > LARGEST {
            return Err(Failure::usage(format!(
                "`{shown}` is too large to be settings"
            )));
        }
        Ok(Self {
            link: is_link.then(|| path.to_owned()),
            path: whole.clone(),
            bytes,
            name: name.as_bytes().to_vec(),
            attributes: attributes(&file).doing(doing())?,
            folder,
            meta,
        })
    }

    /// What its bytes are known by.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Whether it can be swapped for another, tried without writing to it.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn can_be_swapped(&self) -> Outcome {
        let name = temporary();
        let made = self.make(&name, b"");
        self.remove(&name);
        made.map(drop)
    }

    /// Swaps it for one with these bytes, under the same name, owner, mode and attributes, if it is still what was
    /// read. `temporary` is a name beside it, which is there only meanwhile.
    ///
    /// # Errors
    /// When it was changed since, or cannot be written. It is as it was then.
    pub(super) fn swap(&self, bytes: &[u8], temporary: &str) -> Outcome {
        let shown = self.path.display();
        let doing = || format!("cannot rewrite `{shown}`");
        self.remove(temporary);
        let done = self.make(temporary, bytes).and_then(|()| {
            if self.now().doing(doing())? != self.digest() {
                return Err(self.changed());
            }
            self.exchange(temporary)
        });
        self.remove(temporary);
        let synced = rustix::fs::fsync(&self.folder);
        done.and_then(|()| synced.doing(doing()))
    }

    /// Exchanges the names, and looks at what came out: whoever wrote in the last moment has it back.
    fn exchange(&self, temporary: &str) -> Outcome {
        let doing = || format!("cannot rewrite `{}`", self.path.display());
        let swap = || {
            let (folder, name) = (self.folder.as_fd(), self.name.as_slice());
            rustix::fs::renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE)
        };
        match swap() {
            Ok(()) => {}
            // Not every file system can exchange: then the moment between looking and renaming stays.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                let folder = self.folder.as_fd();
                return rustix::fs::renameat(folder, temporary, folder, self.name.as_slice())
                    .doing(doing());
            }
            Err(error) => return Err(error).doing(doing()),
        }
        let out = read(&self.folder, temporary.as_bytes()).map(|bytes| Digest::of(&bytes));
        if out.is_ok_and(|out| out == self.digest()) {
            return Ok(());
        }
        swap().doing(doing())?;
        Err(self.changed())
    }

    fn changed(&self) -> Failure {
        Failure::new(format!(
            "`{}` was changed meanwhile, and is left as it is",
            self.path.display()
        ))
        .hint("run the same command again")
    }

    /// Whether it holds what was read, for certain.
    pub(super) fn is_unchanged(&self) -> bool {
        self.now().is_ok_and(|now| now == self.digest())
    }

    /// What its bytes are known by now.
    fn now(&self) -> std::io::Result<Digest> {
        read(&self.folder, &self.name).map(|bytes| Digest::of(&bytes))
    }

    fn make(&self, name: &str, bytes: &[u8]) -> Outcome {
        let shown = self.path.display();
        let doing = || format!("cannot write beside `{shown}`");
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, name, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(file.doing(doing())?);
        let own = rustix::process::geteuid().as_raw();
        let made = file.metadata().doing(doing())?;
        if (made.uid(), made.gid()) != (self.meta.uid(), self.meta.gid()) {
            std::os::unix::fs::fchown(&file, Some(self.meta.uid()), Some(self.meta.gid()))
                .map_err(|e| {
                    Failure::new(format!(
                        "`{shown}` belongs to another user than {own}, and would not any more"
                    ))
                    .because(e)
                    .hint("run it as root, which may keep the owner")
                })?;
        }
        for (name, value) in &self.attributes {
            rustix::fs::fsetxattr(&file, name.as_slice(), value, XattrFlags::empty())
                .doing(format!("cannot keep the attributes of `{shown}`"))?;
        }
        // After the owner: changing that takes bits away.
        file.set_permissions(self.meta.permissions())
            .doing(doing())?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .doing(doing())
    }

    fn remove(&self, name: &str) {
        // Gone already is as good.
        let _ = rustix::fs::unlinkat(&self.folder, name, AtFlags::empty());
    }
}

/// A name for the moment of swapping, which nobody guesses.
pub(super) fn temporary() -> String {
    let random = backstop_store::SealKey::generate().map(|k| Digest::of(k.bytes()).short());
    format!(
        ".backstop-{}",
        random.unwrap_or_else(|_| std::process::id().to_string())
    )
}

/// Removes what a run that was cut short left beside `path`.
pub(super) fn clear(path: &Path, temporary: &str) {
    if temporary.starts_with(".backstop-") && !temporary.contains('/') {
        let _ = std::fs::remove_file(path.with_file_name(temporary));
    }
}

fn read(folder: &OwnedFd, name: &[u8]) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let mut bytes = vec![];
    File::from(file).take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is refused: what is no regular file, has a second name, or was reached by somebody else's link.
fn suitable(path: &Path, meta: &std::fs::Metadata, link: Option<&std::fs::Metadata>) -> Outcome {
    let shown = path.display();
    if !meta.is_file() {
        return Err(Failure::usage(format!("`{shown}` is no regular file")));
    }
    if meta.nlink() > 1 {
        return Err(
            Failure::usage(format!("`{shown}` has {} names", meta.nlink()))
                .because("under the others the credential would stay where it is")
                .hint("find them with `find -samefile`, and leave one"),
        );
    }
    if let Some(link) = link
        && link.uid() != meta.uid()
    {
        return Err(Failure::usage(format!(
            "`{shown}` is a link of one user's to a file of another's"
        ))
        .because("whoever made the link would choose what is rewritten")
        .hint("name the file itself"));
    }
    Ok(())
}

/// Access lists, labels and the like.
fn attributes(file: &File) -> std::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = Vec::with_capacity(4096);
    match rustix::fs::flistxattr(file, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => return Ok(vec![]),
        Err(error) => return Err(error.into()),
    }
    let mut all = vec![];
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        // The kernel keeps these itself, by who writes.
        if name.starts_with(b"security.") {
            continue;
        }
        let mut value = Vec::with_capacity(64 << 10);
        rustix::fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value))?;
        all.push((name.to_vec(), value));
    }
    Ok(all)
}
