//! The HTTP gate's own certificate authority: its key is sealed, its certificate is for agents to trust.

use std::time::SystemTime;

use backstop_gates::http::Authority;
use backstop_store::{SealKey, SealedFile};

use super::{Home, write_private};
use crate::failure::{Context, Outcome};

/// Opens it, or makes it.
///
/// # Errors
/// When it cannot be read, or not be written.
pub fn open(home: &Home, key: &SealKey, installation: &str) -> Outcome<Authority> {
    let certificate = home.keys().join("http-ca.pem");
    let sealed = SealedFile::at(&home.keys().join("http-ca-key"));
    if certificate.exists() {
        let doing = "cannot use the HTTP gate's certificate authority";
        let pem = std::fs::read_to_string(&certificate).doing(doing)?;
        let secret = sealed.read(key).doing(doing)?;
        return Authority::open(installation, &pem, &secret).doing(doing);
    }
    let made = Authority::generate(installation, &[], SystemTime::now())
        .doing("cannot make the HTTP gate's certificate authority")?;
    sealed
        .write(key, made.key().reveal())
        .doing("cannot seal the key of the HTTP gate's certificate authority")?;
    // Last: without its key it would be no authority.
    write_private(&certificate, made.certificate_pem().as_bytes())?;
    Ok(made)
}
