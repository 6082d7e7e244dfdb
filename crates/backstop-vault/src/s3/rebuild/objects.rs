//! The objects, each fetched, hashed, and put in its place only if it is the one of its name. Several at a time.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    sync::Arc,
};

use tokio::task::JoinSet;

use super::{Rebuilt, Work, missing};
use crate::{
    error::{Result, VaultError},
    s3::Bucket,
    seal::sha256,
    store::{
        dir::{Dir, is_missing},
        hashing::Hashing,
        record::Object,
    },
    verify::{FindingKind, records::Records},
};

/// Objects that are fetched at a time.
const AT_A_TIME: usize = 8;

/// What became of an object.
enum Brought {
    There,
    Fetched,
    Missing,
    Wrong,
}

/// Where objects go.
struct Place {
    bucket: Bucket,
    objects: Dir,
    sums: Dir,
    tmp: Dir,
}

impl Work<'_> {
    /// Brings every object that the records know.
    pub(super) async fn objects(&self, records: &Records, done: &mut Rebuilt) -> Result<()> {
        let place = Arc::new(Place {
            bucket: self.bucket.clone(),
            objects: self.dirs.objects.again()?,
            sums: self.dirs.sums.again()?,
            tmp: self.dirs.tmp.again()?,
        });
        // The newest recovery points first would be kinder; in the order of names a second run finds its place.
        let mut wanted: Vec<&Object> = records.objects.values().map(|one| &one.object).collect();
        wanted.sort_by_key(|object| object.name);
        let all: u64 = wanted.iter().map(|object| object.bytes).sum();
        let mut wanted = wanted.into_iter();
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < AT_A_TIME
                && let Some(object) = wanted.next()
            {
                let (place, object) = (Arc::clone(&place), object.clone());
                under_way.spawn(async move { (place.bring(&object).await, object) });
            }
            let Some(ended) = under_way.join_next().await else {
                return Ok(());
            };
            let (brought, object) = ended.map_err(|e| VaultError::protocol(e.to_string()))?;
            self.tell(brought?, &object, done);
            self.told
                .at("fetching objects, in bytes", done.report.bytes, Some(all));
        }
    }

    fn tell(&self, brought: Brought, object: &Object, done: &mut Rebuilt) {
        let report = &mut done.report;
        match brought {
            Brought::Missing => missing(
                report,
                object.name,
                FindingKind::Missing,
                "the bucket does not have this object",
            ),
            Brought::Wrong => missing(
                report,
                object.name,
                FindingKind::Changed,
                "no version of this object in the bucket is what was stored",
            ),
            Brought::There | Brought::Fetched => {
                done.fetched += u64::from(matches!(brought, Brought::Fetched));
                report.bytes += object.bytes;
                report.files += 1;
            }
        }
    }
}

impl Place {
    /// Brings one object, from whichever version is the one of its name.
    async fn bring(&self, object: &Object) -> Result<Brought> {
        if tokio::task::block_in_place(|| self.is_there(object))? {
            return Ok(Brought::There);
        }
        let key = format!("objects/{}", object.name.to_hex());
        let newest = self.fetch(&key, None, object).await?;
        if matches!(newest, Brought::Fetched) {
            return Ok(newest);
        }
        // Somebody put another on top, or a marker.
        let versions = self.bucket.versions(&key).await?;
        let mut found = Brought::Missing;
        for one in versions.iter().filter(|one| one.key == key) {
            match self.fetch(&key, Some(&one.version), object).await? {
                Brought::Fetched => return Ok(Brought::Fetched),
                Brought::Wrong => found = Brought::Wrong,
                _ => {}
            }
        }
        Ok(found)
    }

    /// Whether an earlier run has put it in its place, whole.
    fn is_there(&self, object: &Object) -> Result<bool> {
        let hex = object.name.to_hex();
        let folder = self.objects.subdir(hex.get(..2).unwrap_or_default())?;
        let mut file = match folder.read(&hex) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let (mut hashing, mut piece) = (Hashing::new(), vec![0; 1 << 18]);
        loop {
            let read = file
                .read(&mut piece)
                .map_err(|e| VaultError::io("read", folder.path().join(&hex), e))?;
            if read == 0 {
                break;
            }
            hashing.update(piece.get(..read).unwrap_or_default());
        }
        let (whole, sums) = hashing.end();
        if whole != object.name {
            folder.remove(&hex)?;
            return Ok(false);
        }
        self.keep_sums(object, &sums)?;
        Ok(true)
    }

    async fn fetch(&self, key: &str, version: Option<&str>, object: &Object) -> Result<Brought> {
        let hex = object.name.to_hex();
        self.tmp.remove(&hex)?;
        let mut coming = Coming {
            file: self.tmp.create(&hex, 0o400)?,
            hashing: Hashing::new(),
            left: object.bytes,
        };
        let fetched = self
            .bucket
            .fetch(key, version, &mut |piece| coming.take(piece))
            .await;
        match fetched {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Brought::Missing),
            Err(VaultError::Integrity { .. }) => return Ok(Brought::Wrong),
            Err(error) => return Err(error),
        }
        let (whole, sums) = coming.hashing.end();
        if whole != object.name {
            self.tmp.remove(&hex)?;
            return Ok(Brought::Wrong);
        }
        tokio::task::block_in_place(|| {
            self.keep_sums(object, &sums)?;
            let folder = self.objects.subdir(hex.get(..2).unwrap_or_default())?;
            self.tmp.rename(&hex, &folder, &hex)
        })?;
        Ok(Brought::Fetched)
    }

    fn keep_sums(&self, object: &Object, sums: &[u8]) -> Result<()> {
        let name = object.name.to_hex();
        match object.sums {
            None => Ok(()),
            Some(known) if known == sha256(sums) => self.sums.replace(&name, sums, 0o400),
            // The record was made of the same bytes, so this cannot be.
            Some(_) => Err(VaultError::integrity(
                format!("sums/{name}"),
                "the index has other hashes for the pieces of this object",
            )),
        }
    }
}

/// An object on its way.
struct Coming {
    file: File,
    hashing: Hashing,
    left: u64,
}

impl Coming {
    fn take(&mut self, piece: &[u8]) -> Result<()> {
        // Nobody fills the disk with what is longer than it was.
        self.left = self
            .left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| VaultError::integrity("objects", "it is longer than what was stored"))?;
        self.hashing.update(piece);
        self.file
            .write_all(piece)
            .map_err(|e| VaultError::io("write to", "tmp", e))
    }
}
