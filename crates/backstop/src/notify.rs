//! Where people are called, as the configuration writes it.

use serde::Deserialize;

/// Nothing can be set yet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {}
