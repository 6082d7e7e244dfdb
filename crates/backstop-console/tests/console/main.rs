//! The console as its users meet it: requests over a real socket, a software authenticator, and Chromium.

mod browser;
mod client;
mod notifications;
mod requests;
mod site;
