//! Doubles of what Backstop sends to: a web server that records requests, a mail
//! server that records mail, an S3 server that locks.
//!
//! They must not leave 127.0.0.1, and must not pass anything on.

mod answering;
mod http;
mod recorder;
mod s3;
mod smtp;

pub use answering::{AnsweringDouble, Raw, reply};
pub use http::{HttpDouble, RecordedRequest};
pub use s3::{S3Double, S3Front};
pub use smtp::{RecordedMail, SmtpDouble};
