//! Log lines on standard error. Must not carry statements, parameters or credentials: those who log take care,
//! and nothing here adds any.

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;
use crate::output::Output;

/// Begins logging; `RUST_LOG` chooses what, `info` and above if it does not.
pub fn begin(format: LogFormat, output: &Output, usual: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    let begun = match format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder
            .with_ansi(output.paint_err != crate::output::Paint::plain())
            .try_init(),
    };
    if begun.is_err() {
        output.warn("logging was begun already");
    }
}
