//! The vault's own authority, and one certificate for each side. Its key stays in the vault, so that more gates
//! can be let in; the gate's key goes to the gate and stays nowhere else.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::failure::{Context, Failure, Outcome};
use crate::home::write_private;

const YEARS: i64 = 10;

/// Makes authority and certificates for the vault in `keys`, and the gate's into `gate_files`, which must not
/// exist yet or be empty.
pub(super) fn make(keys: &Path, gate_files: &Path, name: &str) -> Outcome {
    if gate_files.starts_with(keys.parent().unwrap_or(keys)) {
        return Err(Failure::usage("the gate's files would lie in the vault")
            .hint("--gate-files names a directory outside of it"));
    }
    std::fs::create_dir_all(gate_files).doing(format!("cannot make `{}`", gate_files.display()))?;
    let what = "cannot make the vault's certificates";
    let mut params = base("Backstop vault authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority =
        CertifiedIssuer::self_signed(params, KeyPair::generate().doing(what)?).doing(what)?;
    let issue = |usage, title: &str| -> Outcome<(String, String)> {
        let key = KeyPair::generate().doing(what)?;
        let mut params = base(title);
        let names = CertificateParams::new(vec![name.to_owned()]).doing(what)?;
        params.subject_alt_names = names.subject_alt_names;
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(&key, &authority).doing(what)?;
        Ok((certificate.pem(), key.serialize_pem()))
    };
    let (vault, vault_key) = issue(ExtendedKeyUsagePurpose::ServerAuth, "Backstop vault")?;
    let (gate, gate_key) = issue(ExtendedKeyUsagePurpose::ClientAuth, "Backstop gate")?;
    for (folder, file, text) in [
        (keys, "ca.pem", authority.pem()),
        (keys, "ca-key.pem", authority.key().serialize_pem()),
        (keys, "vault.pem", vault),
        (keys, "vault-key.pem", vault_key),
        (gate_files, "vault-ca.pem", authority.pem()),
        (gate_files, "gate.pem", gate),
        (gate_files, "gate-key.pem", gate_key),
    ] {
        write_private(&folder.join(file), text.as_bytes())?;
    }
    Ok(())
}

fn base(title: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, title);
    let now = OffsetDateTime::now_utc();
    // An hour back, for a gate whose clock is a little behind.
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(365 * YEARS);
    params
}
