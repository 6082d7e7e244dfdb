//! `backstop approve` and `backstop deny`: open the hold's page. Nothing here signs (invariant 5).

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::running;
use crate::cli::Decide;
use crate::control::protocol::Request;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::serve::HoldRow;

/// Opens the page and prints its link.
///
/// # Errors
/// When there is no such hold, or it is decided already.
pub fn run(path: &Path, args: &Decide, verb: &str, output: Output) -> Outcome {
    let mut client = running(path, output)?;
    let row: HoldRow = client.ask(&Request::Hold {
        hold: args.hold.clone(),
    })?;
    if row.state != "waiting" {
        return Err(Failure::new(format!(
            "`{}` is {} and cannot be decided",
            row.hold, row.state
        )));
    }
    let opened = open(&row.link);
    output.say(&format!(
        "{verb} it there, with your passkey{}",
        if opened {
            " (the page is being opened)"
        } else {
            ""
        }
    ));
    output.either(
        &json!({ "hold": row.hold, "link": row.link, "opened": opened }),
        |_| row.link.clone(),
    )
}

/// Only where there is a screen to open it on.
fn open(link: &str) -> bool {
    let screen = ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|v| std::env::var_os(v).is_some_and(|v| !v.is_empty()));
    screen
        && Command::new("xdg-open")
            .arg(link)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .is_ok()
}
