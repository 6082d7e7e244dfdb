//! The console: the pages that people decide at, their passkeys, live updates, and the notifications that
//! call them.
//!
//! It shows what the gates found out and takes people's answers to the store. It must not know gates or
//! vault internals, must not decide anything itself, and a session here never widens power: whatever does is
//! a hold that a passkey signs (invariants 5 and 9).

mod ask;
mod cookie;
mod deletions;
mod guard;
mod headers;
pub mod notify;
mod origin;
mod page;
mod presented;
mod rate;
mod refusal;
mod routes;
mod serve;
mod session;
mod show;
mod state;
mod timeline;
mod view;
mod visitor;
mod webauthn;
mod words;

pub use ask::{
    Kind as ParticularKind, Particular, own_ask, particulars, particulars_line,
    summary as ask_summary,
};
pub use deletions::{Deletions, DeletionsFuture};
pub use origin::{Origin, OriginError};
pub use presented::Presented;
pub use routes::router;
pub use serve::{ServeError, Tls, serve};
pub use state::{Alarm, Console, Limits, Notice, Notices, Options, Weight};
pub use timeline::{
    NoTimeline, Page as TimelinePage, Query as TimelineQuery, Row as TimelineRow, Timeline,
    TimelineFuture,
};
