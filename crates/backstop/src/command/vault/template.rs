//! What `vault init` writes: the vault's own configuration, and the part of the gate's that goes with it.

use std::path::Path;

/// A commented `vault.toml` that runs as it is.
pub(super) fn vault_toml(socket: &Path, users: &str, tcp: Option<&str>) -> String {
    let socket = quoted(&socket.display().to_string());
    let tcp = match tcp {
        Some(at) => format!(
            "# Over the network: both sides show certificates. Whoever has one of this authority's may create.\n\
             tcp = {}\ncertificate = \"keys/vault.pem\"\nkey = \"keys/vault-key.pem\"\ngates = \"keys/ca.pem\"\n",
            quoted(at)
        ),
        None => "# Over the network, with certificates on both sides; `vault init --listen` makes them.\n\
                 # tcp = \"0.0.0.0:7490\"\n# certificate = \"keys/vault.pem\"\n# key = \"keys/vault-key.pem\"\n\
                 # gates = \"keys/ca.pem\"\n"
            .to_owned(),
    };
    format!(
        r#"# A vault of Backstop's. `backstop vault serve --dir DIR` serves it, as a user of its own, which must be
# neither the gate's nor any agent's. A change takes effect at the next start.

[listen]
# The gate calls here, and the kernel says who it is: only these users are heard.
socket = {socket}
users = [{users}]
{tcp}
[space]
# What all objects together may take. A full vault refuses; it never drops what it has.
capacity = "100GiB"
# Parts of it that only old row images, and only recovery points, may take.
reserve_images = "5GiB"
reserve_points = "40GiB"
# What the objects of one lease may take.
per_lease = "10GiB"
# What stays free on this disk, whatever the capacity says.
keep_free = "1GiB"

[retention]
# How long objects are kept at least. Longer holds for what is stored from then on, and is never taken back.
images = "30d"
objects = "30d"
points = "90d"

[deletion]
# How many people must sign a deletion with their passkeys, and how long after that it can still be cancelled.
signatures = 2
delay = "72h"
# Who may sign: people with their passkeys, as `backstop vault people` prints them where the gate runs. Carry it here
# by hand, and look at the names. Without the file nothing is ever deleted.
people = "people.json"
# The console's origins, on which those passkeys were made.
origins = []

[clock]
# A clock that is off by more than this freezes deletion until somebody has looked.
tolerance = "60s"
# And so does a machine that was off for longer than this.
longest_off = "7d"

# A bucket with Object Lock that gets a copy of everything, locked in compliance mode. Its lock is tried at each
# start and once a day; a bucket that lets go is refused. Without the copy, beyond `behind`, nothing more is stored.
# `backstop vault rebuild` makes this directory anew from it. This file and keys/ are never there: keep a copy of both
# elsewhere, with the recovery key.
# [bucket]
# endpoint = "https://s3.eu-central-1.amazonaws.com"
# region = "eu-central-1"
# name = "backstop-vault"
# access_key = "AKIA…"
# secret_file = "keys/s3-secret"
# behind = "10m"
# probe = "24h"
"#
    )
}

/// The part of `backstop.toml` that goes with the vault.
pub(super) fn gate_snippet(
    socket: Option<&Path>,
    tcp: Option<(&str, &Path)>,
    recipients: &[String],
    drill_key: Option<&str>,
) -> String {
    let recipients: Vec<String> = recipients.iter().map(|one| quoted(one)).collect();
    let place = match (tcp, socket) {
        (Some((at, files)), _) => format!(
            "address = {}\nauthority = {}\ncertificate = {}\nkey = {}\n",
            quoted(at),
            quoted(&files.join("vault-ca.pem").display().to_string()),
            quoted(&files.join("gate.pem").display().to_string()),
            quoted(&files.join("gate-key.pem").display().to_string()),
        ),
        (None, Some(socket)) => format!("socket = {}\n", quoted(&socket.display().to_string())),
        (None, None) => String::new(),
    };
    let drill_key = drill_key.map_or_else(String::new, |key| {
        format!(
            "# Reports of drills are believed if the key beside the drill's identity signed them.\ndrill_key = {}\n",
            quoted(key)
        )
    });
    format!(
        "[vault]\n{place}# Public halves only: the gate seals to them and can open nothing.\nrecipients = [{}]\n{drill_key}",
        recipients.join(", ")
    )
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
