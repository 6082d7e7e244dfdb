//! Words in names and paths that tell what lies behind them.

/// Words of a name: `volumeDelete`, `volume_delete` and `volume-delete` are two, in lower case.
pub fn words(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next_low = chars.peek().is_some_and(|n| n.is_lowercase());
        let hump = c.is_uppercase()
            && (before.is_lowercase()
                || before.is_ascii_digit()
                || (before.is_uppercase() && next_low));
        if !c.is_alphanumeric() || hump {
            out.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    out.push(word);
    out.retain(|w| !w.is_empty());
    out
}

/// Whether a name says that something is lost: it is asked of what changes things.
pub fn destroys(name: &str) -> bool {
    let stems = |w: &String| DESTROYING.iter().any(|stem| w.contains(stem));
    words(name).iter().any(stems)
}

/// Whether a name is an action: it is asked of what should only look.
pub fn acts(name: &str) -> bool {
    words(name).iter().any(|w| ACTING.contains(&w.as_str()))
}

/// Whether a name in a path is that of a credential.
pub fn is_credential(name: &str) -> bool {
    is_credential_field(name) || words(name).iter().any(|w| IN_PATHS.contains(&w.as_str()))
}

/// Whether a field's name is that of a credential.
pub fn is_credential_field(name: &str) -> bool {
    let all = words(name);
    let one = |w: &String| CREDENTIAL.contains(&w.as_str());
    let two = |pair: &[String]| CREDENTIAL_PAIRS.contains(&pair.concat().as_str());
    all.iter().any(one) || all.windows(2).any(two)
}

const DESTROYING: &[&str] = &[
    "clear",
    "delet",
    "destroy",
    "detach",
    "discard",
    "drop",
    "empty",
    "eras",
    "evict",
    "expir",
    "flush",
    "forget",
    "invalidat",
    "kill",
    "merge",
    "overwrit",
    "prune",
    "purge",
    "remov",
    "replac",
    "reset",
    "restor",
    "revert",
    "revok",
    "rollback",
    "rotat",
    "shred",
    "terminat",
    "trash",
    "truncat",
    "uninstall",
    "unset",
    "wipe",
];

const ACTING: &[&str] = &[
    "abort",
    "activate",
    "add",
    "apply",
    "approve",
    "archive",
    "authorize",
    "cancel",
    "cleanup",
    "clear",
    "commit",
    "confirm",
    "create",
    "deactivate",
    "delete",
    "deploy",
    "destroy",
    "disable",
    "do",
    "drop",
    "empty",
    "enable",
    "erase",
    "eval",
    "evict",
    "exec",
    "execute",
    "expire",
    "flush",
    "import",
    "insert",
    "install",
    "invalidate",
    "invoke",
    "kill",
    "logout",
    "merge",
    "migrate",
    "move",
    "patch",
    "pause",
    "promote",
    "publish",
    "purge",
    "push",
    "reboot",
    "redeploy",
    "regenerate",
    "reindex",
    "remove",
    "rename",
    "replace",
    "reset",
    "restart",
    "restore",
    "resume",
    "revert",
    "revoke",
    "rollback",
    "rotate",
    "run",
    "save",
    "send",
    "shutdown",
    "signout",
    "start",
    "stop",
    "submit",
    "subscribe",
    "suspend",
    "sync",
    "terminate",
    "transfer",
    "trigger",
    "truncate",
    "undo",
    "uninstall",
    "unsubscribe",
    "update",
    "upgrade",
    "wipe",
    "write",
];

/// Words that are a credential wherever they stand.
const CREDENTIAL: &[&str] = &[
    "apikey",
    "apikeys",
    "credential",
    "credentials",
    "creds",
    "dsn",
    "jwt",
    "jwts",
    "keypair",
    "keystore",
    "kubeconfig",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pem",
    "pwd",
    "secret",
    "secrets",
    "token",
    "tokens",
    "totp",
    "vault",
    "vaults",
];

/// Words that are one in a path, and often something else as a field.
const IN_PATHS: &[&str] = &[
    "certificate",
    "certificates",
    "env",
    "envs",
    "key",
    "keys",
    "pat",
    "pats",
    "session",
    "sessions",
    "variables",
];

const CREDENTIAL_PAIRS: &[&str] = &[
    "accesskey",
    "accesskeys",
    "apikey",
    "apikeys",
    "connectionstring",
    "connectionstrings",
    "connectionuri",
    "connectionurl",
    "databaseurl",
    "encryptionkey",
    "environmentvariables",
    "privatekey",
    "privatekeys",
    "recoverycodes",
    "signingkey",
    "signingkeys",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_names_into_words() {
        assert_eq!(words("volumeDelete"), ["volume", "delete"]);
        assert_eq!(words("HTTPServerID2"), ["http", "server", "id2"]);
        assert_eq!(words("api_keys-v1"), ["api", "keys", "v1"]);
        assert!(words("--").is_empty());
    }

    #[test]
    fn names_tell() {
        for name in [
            "volumeDelete",
            "bulkdelete",
            "tokenRevoke",
            "wipe_all",
            "DROP",
        ] {
            assert!(destroys(name), "{name}");
        }
        for name in ["projectCreate", "updateUser", "volumes"] {
            assert!(!destroys(name), "{name}");
        }
        for name in ["delete", "run-now", "userDelete"] {
            assert!(acts(name), "{name}");
        }
        for name in ["runs", "deleted", "address", "startups"] {
            assert!(!acts(name), "{name}");
        }
        for name in [
            "api_keys",
            "projectTokens",
            "connection_uri",
            "DATABASE_URL",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in ["keyboard", "monkeys", "tokenizer", "login"] {
            assert!(!is_credential(name), "{name}");
        }
        assert!(is_credential("keys") && !is_credential_field("keys"));
        assert!(is_credential_field("privateKey"));
    }
}
