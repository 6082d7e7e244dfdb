//! What looks like a credential: published detection rules, and readers of Backstop's own for what they miss.
//!
//! [`Engine::find`] looks through a text, [`describe`] says what one value is, and [`Known`] finds
//! secrets that are known. It must not open files, ask a clock,
//! print, keep or send what it finds.

mod assign;
mod class;
mod confidence;
mod decode;
mod describe;
mod dsn;
mod engine;
mod header;
mod hit;
mod keywords;
mod known;
mod lookalike;
mod name;
mod names;
mod pem;
mod provider;
mod rules;

pub use assign::variable;
pub use class::{Class, of as class_of};
pub use confidence::Confidence;
pub use describe::{Kind, describe};
pub use engine::{Engine, Found, Text};
pub use hit::{Hit, Rank, best};
pub use known::{Form, Known, Match, SHORTEST, Stream, TooMany};
pub use lookalike::is_placeholder;
pub use name::Name;
pub use names::{Meaning, Shape, meaning};
pub use provider::{kind_by_host, kind_of_rule};

pub(crate) use assign::looks_named;
pub(crate) use decode::{of_base64 as decoded_base64, once as decoded_once, unescaped};
pub(crate) use lookalike::is_uuid;
pub(crate) use rules::entropy;
