//! Credentials within reach: where they lie and what kind they are.
