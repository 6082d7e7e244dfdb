//! What lives in an object of an API: deleting a volume deletes the database in it, and needs what a DROP of it would.

use backstop_core::effect::{Analysis, EffectKind};
use backstop_store::Store;
use hyper::StatusCode;

use super::config::Api;
use crate::http::Problem;
use crate::postgres::traffic::rfc3339;

/// What the ties of an API say of an action.
pub(super) struct Tied {
    /// What could be brought back, in one sentence.
    pub(super) recoverable: String,
    /// Why it cannot even be put before people.
    pub(super) refused: Option<Box<Problem>>,
}

/// Looks at what lives in the objects that an action destroys.
pub(super) fn tied(store: &Store, api: &Api, analysis: &Analysis) -> Tied {
    let destroyed = analysis
        .effects
        .iter()
        .filter(|effect| matches!(effect.kind, EffectKind::Destroy | EffectKind::Admin));
    let mut targets: Vec<(&str, &str)> = Vec::new();
    for effect in destroyed {
        let Some(object) = &effect.object else {
            continue;
        };
        for (held, target) in &api.lives {
            if plain(held) == plain(object) {
                targets.push((held, target));
            }
        }
    }
    let mut sentences = Vec::new();
    for (object, target) in targets {
        match drilled(store, target) {
            Some(point) => sentences.push(format!(
                "`{object}` holds the database of `{target}`; {point}"
            )),
            None => {
                return Tied {
                    recoverable: String::new(),
                    refused: Some(no_point(object, target)),
                };
            }
        }
    }
    Tied {
        recoverable: if sentences.is_empty() {
            "nothing of it can be brought back by Backstop".to_owned()
        } else {
            sentences.join("; ")
        },
        refused: None,
    }
}

/// The newest drilled recovery point of a database, in words.
fn drilled(store: &Store, target: &str) -> Option<String> {
    let state = store.state();
    let points = state.points.get(target)?;
    let point = points.newest_drilled()?;
    Some(format!(
        "its newest drilled recovery point is of {}",
        rfc3339(point.point.taken_ms)
    ))
}

fn no_point(object: &str, target: &str) -> Box<Problem> {
    Box::new(
        Problem::new(
            StatusCode::FORBIDDEN,
            "not-recoverable",
            "Nothing could bring this back",
            format!(
                "Nothing was sent: `{object}` holds the database of `{target}`, of which there is no drilled recovery \
                 point."
            ),
        )
        .decided(backstop_core::verdict::Decision::Deny, "not-recoverable")
        .hint("have a recovery point taken and drilled first: `backstop vault drill`"),
    )
}

/// An object without the quotes that names need.
fn plain(object: &str) -> String {
    object.replace('"', "")
}
