//! `backstop init`: probes the database, writes configuration, keys and CA, and enrols the first person.
//!
//! Must not destroy: run again it completes what is missing, and refuses what would replace something else.

mod api;
pub(in crate::command) mod ask;
mod enrol;
pub(in crate::command) mod target;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

use serde_json::json;
use url::Url;

use super::runtime;
use crate::cli::Init;
use crate::config::{Config, template};
use crate::failure::{Failure, Outcome};
use crate::home::{Authority, Home, Keys, write_public};
use crate::output::Output;

/// Where agents connect, and where the console listens, unless somebody says otherwise.
const USUAL_GATE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7432));
const USUAL_CONSOLE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7480));

/// Sets Backstop up, or completes it.
///
/// # Errors
/// What could not be done; what was done before stays.
pub fn run(path: &Path, args: Init, output: Output) -> Outcome {
    let text = first_text(path, &args)?;
    let config = Config::parse(path, &text)?;
    same_as_asked(&config, &args)?;
    let home = Home::at(&config.data_dir);
    // Nothing is written before the target has answered.
    let found = match (&args.target, &args.dsn) {
        (Some(name), Some(dsn)) => {
            Some(runtime(1)?.block_on(target::find(&config, &home, name, dsn, &args, output))?)
        }
        _ => None,
    };
    let made = make(&config, &home, path, &text, output)?;
    if let Some(found) = found {
        found.keep(path, &home, output)?;
    }
    api::add(path, &config, &home, &args, output)?;
    let config = Config::load(path)?;
    summary(&config, made, output)?;
    if args.no_enrol {
        output.say("`backstop serve` prints the link by which the first person enrols");
        return Ok(());
    }
    enrol::first_person(&config, &home, output)
}

/// The configuration that is there, or the one to be written.
fn first_text(path: &Path, args: &Init) -> Outcome<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => new_text(path, args),
        Err(e) => Err(Failure::usage(format!(
            "cannot read the configuration `{}`",
            path.display()
        ))
        .because(e)),
    }
}

fn new_text(path: &Path, args: &Init) -> Outcome<String> {
    let data_dir = absolute(
        &args
            .data_dir
            .clone()
            .unwrap_or_else(|| usual_data_dir(path)),
    );
    let named = match &args.origin {
        None => None,
        Some(text) => Some(crate::config::origin(text).map_err(Failure::usage)?),
    };
    let console = args
        .console
        .unwrap_or_else(|| usual_console(named.as_ref(), args.certificate.is_some()));
    let origin = match &named {
        None => format!("http://localhost:{}", console.port()),
        Some(url) => url.origin().ascii_serialization(),
    };
    let identity = match (&args.certificate, &args.key) {
        (Some(certificate), Some(key)) => Some((absolute(certificate), absolute(key))),
        _ => None,
    };
    if let Some((certificate, key)) = &identity {
        backstop_console::Tls::from_files(certificate, key)
            .map_err(|e| Failure::usage("the console's certificate cannot be used").because(e))?;
    }
    Ok(template::file(&template::First {
        data_dir: &data_dir,
        gate: args.gate.unwrap_or(USUAL_GATE),
        console,
        origin: &origin,
        identity: identity.as_ref().map(|(c, k)| (c.as_path(), k.as_path())),
    }))
}

/// Where the origin's name leads: with a certificate of its own the console is what other machines reach,
/// otherwise a proxy on this machine or nobody but this machine is.
fn usual_console(origin: Option<&Url>, certificate: bool) -> SocketAddr {
    let port = origin.and_then(Url::port_or_known_default);
    match (origin.map(Url::scheme), port) {
        (Some("https"), Some(port)) if certificate => (Ipv4Addr::UNSPECIFIED, port).into(),
        (Some("http"), Some(port)) => (Ipv4Addr::LOCALHOST, port).into(),
        _ => USUAL_CONSOLE,
    }
}

fn usual_data_dir(path: &Path) -> PathBuf {
    let dir = path.parent().unwrap_or(Path::new(""));
    if dir == Path::new("/etc/backstop") {
        PathBuf::from("/var/lib/backstop")
    } else {
        dir.join("backstop-data")
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What a configuration that is there already says must be what is asked for.
fn same_as_asked(config: &Config, args: &Init) -> Outcome {
    let differs = |what: &str, have: String, want: String| {
        Err(Failure::usage(format!(
            "`{}` has another {what} already: {have}, not {want}",
            config.path.display()
        ))
        .hint("edit the configuration, or give another one with --config"))
    };
    if let Some(dir) = args
        .data_dir
        .as_deref()
        .map(absolute)
        .filter(|d| *d != config.data_dir)
    {
        return differs(
            "data_dir",
            config.data_dir.display().to_string(),
            dir.display().to_string(),
        );
    }
    if let Some(wanted) = &args.origin {
        let url = crate::config::origin(wanted).map_err(Failure::usage)?;
        let wanted = url.origin().ascii_serialization();
        if wanted != config.console.origin() {
            return differs("origin", config.console.origin(), wanted);
        }
    }
    if let Some(gate) = args.gate.filter(|gate| !config.gate.listen.contains(gate)) {
        let have: Vec<String> = config.gate.listen.iter().map(ToString::to_string).collect();
        return differs("address of the gate", have.join(" "), gate.to_string());
    }
    if let Some(console) = args.console.filter(|c| *c != config.console.listen) {
        return differs(
            "address of the console",
            config.console.listen.to_string(),
            console.to_string(),
        );
    }
    if let (Some(certificate), Some(key)) = (&args.certificate, &args.key) {
        let wanted = (absolute(certificate), absolute(key));
        if config.console.identity.as_ref() != Some(&wanted) {
            let have = config.console.identity.as_ref();
            return differs(
                "certificate",
                have.map_or_else(|| "none".to_owned(), |(c, _)| c.display().to_string()),
                wanted.0.display().to_string(),
            );
        }
    }
    Ok(())
}

/// Makes directories, keys, CA and configuration, as far as they are missing.
fn make(config: &Config, home: &Home, path: &Path, text: &str, output: Output) -> Outcome<bool> {
    home.make()?;
    let keys = Keys::make(home)?;
    let authority = Authority::make(home)?;
    crate::serve::publish_ca(config, &Authority::load(home)?)?;
    let written = !path.exists();
    if written {
        write_public(path, text.as_bytes())?;
    }
    for (done, what) in [
        (written, format!("wrote {}", path.display())),
        (keys, format!("made keys in {}", home.keys().display())),
        (
            authority,
            format!(
                "made a local CA; agents trust {}",
                config.gate.ca_file.display()
            ),
        ),
    ] {
        if done {
            output.say(&what);
        }
    }
    Ok(written || keys || authority)
}

fn summary(config: &Config, made: bool, output: Output) -> Outcome {
    if output.json {
        let targets: Vec<_> = config
            .targets
            .iter()
            .map(|t| json!({ "name": t.name, "environment": t.environment }))
            .collect();
        let apis: Vec<_> = config
            .apis
            .iter()
            .map(|a| json!({ "name": a.name, "environment": a.environment }))
            .collect();
        output.value(&json!({
            "config": config.path,
            "data_dir": config.data_dir,
            "console": config.console.origin(),
            "gate": config.gate.listen,
            "ca_file": config.gate.ca_file,
            "targets": targets,
            "apis": apis,
            "changed": made,
        }))?;
    }
    if config.targets.is_empty() && config.apis.is_empty() {
        output.say(&format!(
            "{} add a database with `backstop init --target NAME --dsn …`, an API with `--url …`",
            output.paint_err.hint("hint:")
        ));
    }
    if config.console.origin.scheme() == "http" {
        output.say("the console is for this machine only (localhost); `--origin https://…` at the first init makes one for phones");
    } else {
        output.say(&for_phones(&config.console));
    }
    Ok(())
}

/// What must be so for the console's name to lead to where it listens.
fn for_phones(console: &crate::config::Console) -> String {
    let (origin, listen) = (console.origin(), console.listen);
    if console.identity.is_none() {
        return format!(
            "the console speaks plain HTTP at {listen}: let the proxy on this machine that has the certificate of {origin} pass on to it"
        );
    }
    let port = console.origin.port_or_known_default();
    if port != Some(listen.port()) || listen.ip().is_loopback() {
        return format!("the console listens at {listen}: make {origin} lead there");
    }
    format!("the console listens at {listen}, for whoever reaches this machine by {origin}")
}
