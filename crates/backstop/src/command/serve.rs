//! `backstop serve`: runs the gate and the console until it is told to stop.

use std::path::Path;

use serde_json::json;

use super::runtime;
use crate::cli::Serve;
use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Paint, columns};
use crate::serve::{self, Run};
use crate::telemetry;

/// Serves.
///
/// # Errors
/// When it cannot start, or could not stop in order.
pub fn run(path: &Path, args: &Serve, output: Output) -> Outcome {
    let config = Config::load(path)?;
    if config.targets.is_empty() && config.apis.is_empty() {
        return Err(
            Failure::usage(format!("there is no target in `{}`", path.display()))
                .hint("add one with `backstop init --target NAME --dsn …`"),
        );
    }
    telemetry::begin(args.log_format, &output, "info");
    runtime(config.gate.worker_threads.max(2))?.block_on(async {
        let mut run = serve::run(config).await?;
        ready(&run, path, output);
        let ended = run.until_told().await;
        output.say(&format!(
            "stopping: no new connections; what runs may finish for {}, or until told again",
            args.grace
        ));
        run.stop(args.grace.0).await?;
        ended
    })
}

/// Says that it serves. The first person's link is told even to the quiet: it is nowhere else.
fn ready(run: &Run, path: &Path, output: Output) {
    let invitation = run.service.invitation();
    if output.json {
        // It serves, whether or not somebody reads that.
        let _ = output.value(&json!({
            "serving": true,
            "gate": run.service.gate_addresses(),
            "http": run.service.http_address(),
            "console": run.service.config().console.origin(),
            "invitation": invitation,
        }));
        return;
    }
    output.say(&banner(run, path, invitation.as_deref(), output.paint_err));
    if let Some(link) = invitation.filter(|_| output.quiet) {
        output.err(&format!(
            "nobody is enrolled yet; the link for the first person: {link}"
        ));
    }
}

/// One screen: where everything is, and what to do next.
fn banner(run: &Run, path: &Path, invitation: Option<&str>, paint: Paint) -> String {
    let config = run.service.config();
    let mut rows = vec![];
    let mut row = |name: &str, text: String| rows.push(vec![format!("  {name}"), text]);
    for address in run.service.gate_addresses() {
        row("agents connect to", address);
    }
    if let Some(address) = run.service.http_address() {
        row("agents' HTTP proxy", address);
    }
    row("people decide at", config.console.origin());
    for target in &config.targets {
        row(
            "target",
            format!("{} ({}) {}", target.name, target.environment, target.dsn),
        );
    }
    for api in &config.apis {
        row(
            "target",
            format!("{} ({}) {}", api.name, api.environment, api.url),
        );
    }
    row("data", config.data_dir.display().to_string());
    let vault = match &config.vault {
        None => serve::RECOVERABLE.to_owned(),
        Some(_) => {
            "old rows go there before they are changed; `backstop status` looks at it".to_owned()
        }
    };
    row("vault", vault);
    let next = match invitation {
        Some(link) => format!(
            "{} nobody is enrolled yet, so nothing can be approved. Open this, once, with your passkey at hand:\n  {}",
            paint.warn("next:"),
            paint.strong(link)
        ),
        None => {
            let first = config.targets.first().map_or("NAME", |t| t.name.as_str());
            format!(
                "{} give an agent access with\n  backstop lease create --config {} --target {first} --task \"…\" --ttl 1h --scope read",
                paint.hint("next:"),
                path.display(),
            )
        }
    };
    let only_here = config.console.origin.scheme() == "http";
    let here = if only_here {
        format!("\n{}", paint.dim("  the console is for this machine only; `init --origin https://…` sets one up for phones"))
    } else {
        String::new()
    };
    format!(
        "{} {}\n{}{here}\n\n{next}\n",
        paint.strong("backstop"),
        env!("CARGO_PKG_VERSION"),
        columns(&rows)
    )
}
