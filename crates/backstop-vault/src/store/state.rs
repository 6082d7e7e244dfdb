//! What the index says, folded into memory: which objects there are, what space they take, what is to be
//! deleted. Pure: no files, no clock.
//!
//! An object costs about 120 bytes here.

use std::collections::{BTreeMap, HashMap};

use backstop_core::digest::Digest;

use super::{
    options::Options,
    record::{Event, Head, Object, Record},
};
use crate::{
    deletion::Request,
    error::{Refusal, Result, VaultError},
    label::{Class, Label, Stored},
};

/// What disks give out at least.
const BLOCK: u64 = 4096;

/// An object as it is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) stored: Stored,
    pub(crate) class: Class,
    pub(crate) until_ms: i64,
    lease: Option<u32>,
}

/// Everything that the records add up to.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) objects: HashMap<Digest, Entry>,
    pub(crate) requests: BTreeMap<String, Request>,
    pub(crate) frozen: Option<String>,
    pub(crate) logs: BTreeMap<String, String>,
    pub(crate) head: Option<Head>,
    /// What the newest deletion removed: a crash may have left its files.
    pub(crate) last_deleted: Vec<Digest>,
    /// When the oldest object was stored.
    oldest_ms: Option<i64>,
    lease_ids: HashMap<String, u32>,
    lease_used: Vec<u64>,
    used: BTreeMap<Class, u64>,
    /// Space promised to what has not been stored yet.
    promised: BTreeMap<Class, u64>,
    promised_lease: HashMap<String, u64>,
}

impl State {
    /// The end of the chain.
    pub(crate) fn head(&self) -> Head {
        self.head.unwrap_or(Head::START)
    }

    /// Takes in one record more.
    pub(crate) fn apply(&mut self, record: &Record, hash: Digest) {
        self.head = Some(Head::after(record, hash));
        match &record.event {
            Event::Stored(object) => self.add(record, object),
            Event::Extended { names, until_ms } => {
                for name in names {
                    if let Some(entry) = self.objects.get_mut(name) {
                        entry.until_ms = entry.until_ms.max(*until_ms);
                    }
                }
            }
            Event::Deleted { request, names } => {
                self.requests.remove(request);
                for name in names {
                    self.remove(name);
                }
                self.last_deleted.clone_from(names);
            }
            Event::Frozen { why } => self.frozen = Some(why.clone()),
            Event::Lifted { .. } => self.frozen = None,
            Event::LogKept { origin, key } => {
                self.logs.insert(origin.clone(), key.clone());
            }
            Event::DeletionCancelled { request, .. } => {
                self.requests.remove(request);
            }
            Event::DeletionAsked {
                request,
                names,
                shown,
                reason,
            } => {
                let asked = Request::new(request, names.clone(), *shown, reason, record.at_ms);
                self.requests.insert(request.clone(), asked);
            }
            Event::DeletionSigned { request, signature } => {
                if let Some(found) = self.requests.get_mut(request) {
                    found.signatures.push((**signature).clone());
                }
            }
            Event::DeletionDue { request, due_ms } => {
                if let Some(found) = self.requests.get_mut(request) {
                    found.due_ms = Some(*due_ms);
                }
            }
        }
    }

    fn add(&mut self, record: &Record, object: &Object) {
        let Some(stored) = record.stored() else {
            return;
        };
        let lease = object
            .label
            .lease
            .as_ref()
            .map(|lease| self.lease_id(lease));
        let entry = Entry {
            stored,
            class: object.label.class,
            until_ms: object.until_ms,
            lease,
        };
        self.charge(&entry, u64::saturating_add);
        // Stamps never go back, so that the first to come is the oldest.
        self.oldest_ms.get_or_insert(stored.at_ms);
        self.objects.insert(object.name, entry);
    }

    fn lease_id(&mut self, lease: &str) -> u32 {
        if let Some(id) = self.lease_ids.get(lease) {
            return *id;
        }
        let id = u32::try_from(self.lease_used.len()).unwrap_or(u32::MAX);
        self.lease_ids.insert(lease.to_owned(), id);
        self.lease_used.push(0);
        id
    }

    fn remove(&mut self, name: &Digest) {
        if let Some(entry) = self.objects.remove(name) {
            self.charge(&entry, u64::saturating_sub);
            if self.oldest_ms == Some(entry.stored.at_ms) {
                let stamps = self.objects.values().map(|entry| entry.stored.at_ms);
                self.oldest_ms = stamps.min();
            }
        }
    }

    fn charge(&mut self, entry: &Entry, how: fn(u64, u64) -> u64) {
        let bytes = cost(entry.stored.bytes);
        let class = self.used.entry(entry.class).or_default();
        *class = how(*class, bytes);
        let lease = entry
            .lease
            .and_then(|id| self.lease_used.get_mut(id as usize));
        if let Some(used) = lease {
            *used = how(*used, bytes);
        }
    }

    /// When the oldest object was stored.
    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        self.oldest_ms
    }

    /// Bytes that objects of this class take, blocks counted whole.
    pub(crate) fn used(&self, class: Class) -> u64 {
        self.used.get(&class).copied().unwrap_or(0)
    }

    /// Bytes that a new object of this class could still take.
    pub(crate) fn room(&self, options: &Options, class: Class) -> u64 {
        let taken = |c: Class| self.used(c) + self.promised.get(&c).copied().unwrap_or(0);
        // What is kept for another class and not used by it yet is not to be had.
        let kept = |c: Class, reserve: u64| {
            if c == class {
                0
            } else {
                reserve.saturating_sub(taken(c))
            }
        };
        let all: u64 = Class::ALL.into_iter().map(taken).sum();
        options
            .capacity
            .saturating_sub(all)
            .saturating_sub(kept(Class::Images, options.reserve_images))
            .saturating_sub(kept(Class::Point, options.reserve_points))
    }

    /// Promises room for `bytes` more, or says why there is none.
    pub(crate) fn promise(&mut self, options: &Options, label: &Label, bytes: u64) -> Result<()> {
        if self.room(options, label.class) < bytes {
            return Err(VaultError::refused(
                Refusal::Full,
                format!("the vault is full for objects of class `{}`", label.class),
                "raise `capacity` in vault.toml, or let people delete what is past its retention; \
                 nothing old is dropped, and nothing is destroyed that cannot be stored",
            ));
        }
        if let Some(lease) = &label.lease {
            let stored = self
                .lease_ids
                .get(lease)
                .and_then(|id| self.lease_used.get(*id as usize));
            let promised = self.promised_lease.get(lease).copied().unwrap_or(0);
            let taken = stored.copied().unwrap_or(0).saturating_add(promised);
            if taken.saturating_add(bytes) > options.per_lease {
                return Err(VaultError::refused(
                    Refusal::LeaseFull,
                    format!("the lease `{lease}` has used up its part of the vault"),
                    "`per_lease` in vault.toml sets how much one lease may store; its writes wait \
                     for people until then",
                ));
            }
            *self.promised_lease.entry(lease.clone()).or_default() += bytes;
        }
        *self.promised.entry(label.class).or_default() += bytes;
        Ok(())
    }

    /// Takes a promise back: the object is there and counts itself, or it never came.
    pub(crate) fn release(&mut self, label: &Label, bytes: u64) {
        let class = self.promised.entry(label.class).or_default();
        *class = class.saturating_sub(bytes);
        if let Some(lease) = &label.lease
            && let Some(promised) = self.promised_lease.get_mut(lease)
        {
            *promised = promised.saturating_sub(bytes);
            if *promised == 0 {
                self.promised_lease.remove(lease);
            }
        }
    }
}

/// What an object takes on a disk, about.
pub(crate) fn cost(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK).saturating_mul(BLOCK).max(BLOCK)
}
