//! The vault's clock: its stamps never go back, and a jump of the system's time is noticed, not followed.
//!
//! Stamps grow with the monotonic clock. The wall clock may pull them along within the tolerance; a jump
//! beyond it, in either direction, while running or across a restart, freezes deletion until the operator
//! has looked. Retention can thus not be shortened by setting a clock.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::options::{Options, millis};

/// What the clock was when it was last written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The newest stamp given: Unix time in milliseconds.
    pub stamp_ms: i64,
    /// Time since boot when it was given, suspension included, in milliseconds.
    pub stamp_boot_ms: i64,
    /// The wall clock when it was last believed anew. It does not move with every stamp, so that many
    /// small jumps add up to the large one that they are.
    pub wall_ms: i64,
    /// Time since boot at that moment.
    pub boot_ms: i64,
    /// Which boot of the machine.
    pub boot_id: String,
}

/// What the machine's clocks say at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Unix time in milliseconds.
    pub wall_ms: i64,
    /// Time since boot in milliseconds.
    pub boot_ms: i64,
    /// Which boot.
    pub boot_id: String,
}

/// Where the time comes from.
pub trait Time: Send + Sync {
    /// What the clocks say.
    fn read(&self) -> Reading;
}

/// The machine's own clocks.
pub struct MachineTime {
    boot_id: String,
}

impl Default for MachineTime {
    fn default() -> Self {
        let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Self {
            boot_id: read.unwrap_or_default().trim().to_owned(),
        }
    }
}

impl Time for MachineTime {
    fn read(&self) -> Reading {
        let ms = |id| {
            let t = clock_gettime(id);
            t.tv_sec
                .saturating_mul(1000)
                .saturating_add(t.tv_nsec / 1_000_000)
        };
        Reading {
            wall_ms: ms(ClockId::Realtime),
            boot_ms: ms(ClockId::Boottime),
            boot_id: self.boot_id.clone(),
        }
    }
}

/// The clock as the store keeps it.
pub(crate) struct Clock {
    mark: Mark,
    tolerance_ms: i64,
    longest_off_ms: i64,
    trusted: bool,
}

impl Clock {
    /// Starts the clock from what was written down last; gives a jump since then, in words.
    pub(crate) fn start(
        last: Option<Mark>,
        newest_ms: i64,
        now: &Reading,
        options: &Options,
    ) -> (Self, Option<String>) {
        let mut clock = Self {
            mark: Mark {
                stamp_ms: newest_ms,
                stamp_boot_ms: now.boot_ms,
                wall_ms: now.wall_ms,
                boot_ms: now.boot_ms,
                boot_id: now.boot_id.clone(),
            },
            tolerance_ms: millis(options.clock_tolerance),
            longest_off_ms: millis(options.longest_off),
            trusted: true,
        };
        let jump = match last {
            Some(mark) => {
                clock.mark.stamp_ms = mark.stamp_ms.max(newest_ms);
                let jump = clock.jump_since(&mark, now);
                if mark.boot_id == now.boot_id && jump.is_none() {
                    (clock.mark.wall_ms, clock.mark.boot_ms) = (mark.wall_ms, mark.boot_ms);
                }
                jump
            }
            // Without a mark the records are all that is known of the past.
            None if newest_ms > now.wall_ms.saturating_add(clock.tolerance_ms) => {
                Some(jumped(now.wall_ms - newest_ms, "since the newest record"))
            }
            None => None,
        };
        clock.trusted = jump.is_none();
        if clock.trusted {
            clock.mark.stamp_ms = clock.mark.stamp_ms.max(now.wall_ms);
        }
        (clock, jump)
    }

    fn jump_since(&self, mark: &Mark, now: &Reading) -> Option<String> {
        if mark.boot_id == now.boot_id && now.boot_ms >= mark.boot_ms {
            let expected = mark.wall_ms.saturating_add(now.boot_ms - mark.boot_ms);
            let off = now.wall_ms.saturating_sub(expected);
            return (off.abs() > self.tolerance_ms)
                .then(|| jumped(off, "while the vault was down"));
        }
        let off = now.wall_ms.saturating_sub(mark.stamp_ms.max(mark.wall_ms));
        (off < -self.tolerance_ms || off > self.longest_off_ms)
            .then(|| jumped(off, "since the machine last ran"))
    }

    /// A stamp for what happens now, and a jump that was found, in words, the first time.
    pub(crate) fn stamp(&mut self, now: &Reading) -> (i64, Option<String>) {
        let passed = now.boot_ms.saturating_sub(self.mark.stamp_boot_ms).max(0);
        let since = now.boot_ms.saturating_sub(self.mark.boot_ms);
        let off = now
            .wall_ms
            .saturating_sub(self.mark.wall_ms.saturating_add(since));
        let aged = self.mark.stamp_ms.saturating_add(passed);
        let jump = (self.trusted && off.abs() > self.tolerance_ms)
            .then(|| jumped(off, "while the vault ran"));
        self.trusted &= jump.is_none();
        self.mark.stamp_ms = if self.trusted {
            aged.max(now.wall_ms)
        } else {
            aged
        };
        self.mark.stamp_boot_ms = now.boot_ms;
        (self.mark.stamp_ms, jump)
    }

    /// Believes the wall clock again.
    pub(crate) fn lift(&mut self, now: &Reading) {
        self.trusted = true;
        self.mark.stamp_ms = self.mark.stamp_ms.max(now.wall_ms);
        self.mark.stamp_boot_ms = now.boot_ms;
        self.mark.wall_ms = now.wall_ms;
        self.mark.boot_ms = now.boot_ms;
    }

    /// Doubts the wall clock, as a vault does that was frozen before it was stopped.
    pub(crate) fn doubt(&mut self) {
        self.trusted = false;
    }

    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }
}

fn jumped(off_ms: i64, when: &str) -> String {
    let (way, span) = if off_ms < 0 {
        ("back", Duration::from_millis(off_ms.unsigned_abs()))
    } else {
        ("forward", Duration::from_millis(off_ms.unsigned_abs()))
    };
    format!("the clock went {way} by {} s {when}", span.as_secs())
}
