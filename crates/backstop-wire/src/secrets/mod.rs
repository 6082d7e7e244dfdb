//! What looks like a credential: published detection rules, and readers of Backstop's own for what they miss.
//!
//! It must not print, keep or send what it finds.
