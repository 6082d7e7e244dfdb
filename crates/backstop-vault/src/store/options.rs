//! What the operator decides about the store: space, retention, how deletion goes.

use std::time::Duration;

use crate::label::Class;

const GIB: u64 = 1 << 30;
const DAY: Duration = Duration::from_secs(86_400);

/// How much may be stored, for how long, and what it takes to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes that all objects together may take.
    pub capacity: u64,
    /// Bytes of those that only old row images may take.
    pub reserve_images: u64,
    /// Bytes of those that only recovery points may take.
    pub reserve_points: u64,
    /// Bytes that the objects of one lease may take.
    pub per_lease: u64,
    /// Bytes that stay free on the disk, whatever the capacity says.
    pub keep_free: u64,
    /// How long objects of each class are kept at least: images, objects, points.
    pub retention: [Duration; 3],
    /// How many people must sign a deletion.
    pub signatures: usize,
    /// How long after the last of them signed nothing happens yet.
    pub delay: Duration,
    /// How far the clock may be off from what has passed since it was last looked at.
    pub clock_tolerance: Duration,
    /// How long the machine may have been off before the time is doubted.
    pub longest_off: Duration,
    /// How long a small object may wait for a file of its own; it is durable before.
    pub settle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            capacity: 100 * GIB,
            reserve_images: 5 * GIB,
            reserve_points: 40 * GIB,
            per_lease: 10 * GIB,
            keep_free: GIB,
            retention: [30 * DAY, 30 * DAY, 90 * DAY],
            signatures: 2,
            delay: 3 * DAY,
            clock_tolerance: Duration::from_secs(60),
            longest_off: 7 * DAY,
            settle: Duration::from_secs(2),
        }
    }
}

impl Options {
    /// How long an object of this class is kept at least.
    pub(crate) fn retention_ms(&self, class: Class) -> i64 {
        let [images, objects, points] = self.retention;
        millis(match class {
            Class::Images => images,
            Class::Objects => objects,
            Class::Point => points,
        })
    }
}

/// A span in milliseconds.
pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
