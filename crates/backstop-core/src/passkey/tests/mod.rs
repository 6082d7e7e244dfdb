//! Tests of the verifier: the specification's own vectors, every rule broken once, every byte flipped, and
//! what other people's verifiers say of the same bytes.

mod authenticator;
mod mutations;
mod others;
mod refusals;
mod w3c;
