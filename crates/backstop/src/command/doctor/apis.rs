//! What can be found out of HTTP APIs by connecting to them as the gate does. No request is sent.

use std::path::Path;

use backstop_gates::http::gate::config::{Api, Placing};
use backstop_gates::http::{Problem, machine_roots, try_out, try_road};

use super::Finding;
use crate::config::{Config, Http};
use crate::home::{Home, Keys};
use crate::serve::api;

/// Looks at the HTTP gate's certificate authority and at every API.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let Some(http) = &config.http else {
        return vec![];
    };
    let mut all = vec![authority(http)];
    let home = Home::at(&config.data_dir);
    let Ok(key) = Keys::seal(&home) else {
        return all;
    };
    let machine = machine_roots();
    for configured in &config.apis {
        let name = &configured.name;
        let api = match api(configured, &home, &key, &machine) {
            Err(failure) => {
                all.push(Finding::failed(&failure));
                continue;
            }
            Ok(api) => api,
        };
        all.push(match tried(&api).await {
            Ok(()) => Finding::good(format!("target `{name}` can be reached at {}", api.site)),
            Err(problem) => Finding::bad(
                format!("target `{name}`: {}", problem.detail.trim_end_matches('.')),
                problem
                    .hint
                    .unwrap_or_else(|| "is it up, and is its `url` right?".into()),
            ),
        });
    }
    all
}

/// What it speaks in an opaque tunnel is its own.
async fn tried(api: &Api) -> Result<(), Box<Problem>> {
    match api.placing {
        Placing::Opaque => try_road(&api.target, &api.site).await,
        _ => try_out(&api.target, api.scheme, &api.site).await,
    }
}

/// Clients verify the proxy by it.
fn authority(http: &Http) -> Finding {
    let file: &Path = &http.ca_file;
    match std::fs::read_to_string(file) {
        Ok(text) if text.contains("BEGIN CERTIFICATE") => {
            Finding::good(format!("HTTP clients can trust `{}`", file.display()))
        }
        Ok(_) => Finding::bad(
            format!("`{}` holds no certificate", file.display()),
            "`backstop serve` writes it anew",
        ),
        Err(error) => Finding::warning(
            format!("HTTP clients cannot read `{}`: {error}", file.display()),
            "`backstop serve` writes it at its start",
        ),
    }
}
