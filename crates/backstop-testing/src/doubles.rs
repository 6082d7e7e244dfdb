//! Doubles of what Backstop sends to: a web server that records requests, a mail
//! server that records mail.
//!
//! They must not leave 127.0.0.1, and must not pass anything on.

mod http;
mod recorder;
mod smtp;

pub use http::{HttpDouble, RecordedRequest};
pub use smtp::{RecordedMail, SmtpDouble};
