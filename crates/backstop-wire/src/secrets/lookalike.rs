//! What is shaped like a secret and is none: placeholders, references to where a secret really is, examples.

/// Whether `value` stands for a secret instead of being one.
#[must_use]
pub fn is_placeholder(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    let lower = text.trim().to_ascii_lowercase();
    lower.len() < 3
        || is_word(&lower)
        || is_reference(&lower)
        || has_marker(&lower)
        || is_pattern(lower.as_bytes())
}

/// A password that thousands of development databases have.
pub(crate) fn is_default_password(value: &[u8]) -> bool {
    matches!(
        value.to_ascii_lowercase().as_slice(),
        b"postgres"
            | b"root"
            | b"admin"
            | b"guest"
            | b"mysql"
            | b"redis"
            | b"minioadmin"
            | b"rabbitmq"
            | b"dev"
            | b"development"
            | b"local"
            | b"docker"
            | b"sa"
            | b"user"
            | b"test"
            | b"testing"
            | b"123456"
            | b"12345678"
    )
}

/// Whether `value` has the form 8-4-4-4-12 of hexadecimal digits.
pub(crate) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Words that stand where a secret would.
fn is_word(lower: &str) -> bool {
    matches!(
        lower,
        "password"
            | "passwd"
            | "pass"
            | "pwd"
            | "secret"
            | "token"
            | "key"
            | "apikey"
            | "api_key"
            | "api-key"
            | "string"
            | "str"
            | "text"
            | "true"
            | "false"
            | "null"
            | "none"
            | "nil"
            | "undefined"
            | "required"
            | "optional"
            | "hidden"
            | "empty"
            | "unset"
            | "default"
            | "value"
            | "bearer"
            | "basic"
            | "username"
            | "redacted"
            | "masked"
            | "passphrase"
            | "credentials"
            | "auto"
            | "generate"
            | "generated"
            | "random"
            | "mytoken"
            | "anytoken"
            | "access_token"
            | "refresh_token"
            | "inherit"
            | "prompt"
            | "asdf"
            | "qwerty"
            | "new-password"
            | "current-password"
            | "confirm_password"
            | "new_password"
            | "foo"
            | "bar"
            | "baz"
            | "p@ssw0rd"
            | "passw0rd"
            | "secret123"
            | "password123"
            | "s3cr3t"
            | "s3cret"
            | "password1"
            | "hunter2"
    )
}

/// A name of a variable, a vault's entry, a template's hole.
fn is_reference(lower: &str) -> bool {
    const STARTS: &[&str] = &[
        "$",
        "%(",
        "{{",
        "${",
        "<%",
        "<",
        "&",
        "env:",
        "env.",
        "env(",
        "vault:",
        "op://",
        "ssm:",
        "arn:aws:",
        "sops:",
        "enc[",
        "{cipher}",
        "!vault",
        "file:",
        "file://",
        "aws:",
        "secretsmanager",
        "projects/",
        "ref+",
        "keyring:",
        "process.env",
        "os.environ",
        "os.getenv",
        "getenv",
        "system.getenv",
        "secrets.",
        "var.",
        "local.",
        "data.",
        "module.",
        "random_password.",
        "config.",
        "settings.",
        "self.",
        "this.",
        "ctx.",
        "req.",
        "args.",
        "params.",
        "options.",
        "opts.",
        "import.meta",
        "@microsoft.keyvault",
        "akv:",
        "gcp:",
        "doppler:",
        "keychain:",
        "@{",
    ];
    let percent = lower.len() > 2 && lower.starts_with('%') && lower.ends_with('%');
    STARTS.iter().any(|start| lower.starts_with(start))
        || percent
        || (lower.starts_with('[') && lower.ends_with(']'))
}

/// Parts that no generated secret has but by great chance.
fn has_marker(lower: &str) -> bool {
    const MARKERS: &[&str] = &[
        "changeme",
        "change_me",
        "change-me",
        "changeit",
        "change_this",
        "change-this",
        "changethis",
        "example",
        "placeholder",
        "your_",
        "your-",
        "yourtoken",
        "yourpass",
        "yourkey",
        "yoursecret",
        "yourapi",
        "xxxxx",
        "****",
        "....",
        "replace",
        "insert",
        "redacted",
        "removed",
        "sample",
        "_here",
        "-here",
        "my-secret",
        "my_secret",
        "mysecret",
        "mypassword",
        "my-password",
        "my_password",
        "my-token",
        "my_token",
        "my-api",
        "my_api",
        "not-a-real",
        "notreal",
        "not_real",
        "foobar",
        "1234567890",
        "0123456789",
        "abcdefgh",
        "123456789",
        "abcd1234",
        "abc123",
        "deadbeef",
        "cafebabe",
        "supersecret",
        "super-secret",
        "super_secret",
        "topsecret",
        "secretpassword",
        "test-token",
        "test_token",
        "testtoken",
        "testpass",
        "test_pass",
        "test-pass",
        "test_secret",
        "test-secret",
        "${",
        "{{",
        "}}",
        "$(",
        "<your",
        "…",
        "token>",
        "key>",
        "secret>",
        "password>",
        "letmein",
        "sflkxwrjsmekkf2qt4fwpmejf36pok6yjv_adqssw5c",
        "00000000",
    ];
    // Short words are in long secrets by chance, and then not by themselves.
    const WORDS: &[&str] = &["todo", "fixme", "fake", "dummy", "bogus", "lorem"];
    lower.len() <= 128
        && (MARKERS.iter().any(|marker| lower.contains(marker))
            || lower
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| WORDS.contains(&word)))
}

/// One character over and over, or a short unit repeated, after whatever prefix tells the kind.
fn is_pattern(lower: &[u8]) -> bool {
    let body = match lower.iter().rposition(|byte| matches!(byte, b'_' | b'-')) {
        Some(at) if at < 12 && lower.len() - at > 8 => lower.get(at + 1..).unwrap_or(lower),
        _ => lower,
    };
    body.len() >= 6
        && (1..=4).any(|unit| body.iter().zip(body.iter().skip(unit)).all(|(a, b)| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_told_from_secrets() {
        for text in [
            "changeme",
            "${DB_PASSWORD}",
            "$DB_PASSWORD",
            "<token>",
            "xxxxxxxxxxxxxxxx",
            "your-api-key-here",
            "{{ .Values.x }}",
            "AKIAIOSFODNN7EXAMPLE",
            "************",
            "%(password)s",
            "op://vault/item/field",
            "aaaaaaaaaaaa",
            "abababababab",
            "process.env.TOKEN",
            "ghp_000000000000000000000000000000000000",
            "[REDACTED]",
        ] {
            assert!(is_placeholder(text.as_bytes()), "{text}");
        }
        for text in [
            "kT9#vQ2mLx8Z",
            "correcthorsebatterystaple",
            "k9Qtodo7fakeZ3xxXx2mL8vR",
            "9f8e7d6c5b4a39281706f5e4d3c2b1a0",
            "pa55-Wd!x",
        ] {
            assert!(!is_placeholder(text.as_bytes()), "{text}");
        }
    }
}
