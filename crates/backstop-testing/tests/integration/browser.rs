//! The browser drives pages and makes passkeys.
