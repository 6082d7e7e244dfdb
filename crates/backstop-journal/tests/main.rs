//! What a journal promises, each feature in a file of its own.

mod crash;
mod foreign;
mod full_disk;
mod journal;
mod support;
mod tamper;
mod texts;
