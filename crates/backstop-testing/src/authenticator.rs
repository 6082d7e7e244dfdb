//! A passkey authenticator and its browser in software, for tests and the scripted
//! demo: it says yes without asking anybody.
//!
//! It must never be reachable from what guards a real target. `register` and `assert`
//! speak WebAuthn's JSON as `PublicKeyCredential.toJSON()` gives it; `forge` signs
//! client data that no browser would make, for tests that must be refused.

mod json;
mod wallet;

use std::future::Future;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};

use anyhow::{Context, Result, anyhow, bail, ensure};
use passkey::authenticator::Authenticator as Ctap;
use passkey::client::{Client, DefaultClientData};
use passkey::crypto::rust_crypto::RustCryptoBackend;
use passkey::types::ctap2::{Aaguid, get_assertion};
use passkey::types::webauthn::{
    AuthenticatedPublicKeyCredential, CreatedPublicKeyCredential, CredentialCreationOptions,
    CredentialRequestOptions, PublicKeyCredentialDescriptor, PublicKeyCredentialType,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use wallet::{Person, Wallet};

/// A software authenticator with the passkeys it made so far.
pub struct Authenticator {
    wallet: Wallet,
    person: Person,
}

/// A registration: what a browser hands to the page after `navigator.credentials.create`.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The credential's id.
    pub credential_id: Vec<u8>,
    /// The exact client data that the challenge stands in.
    pub client_data_json: Vec<u8>,
    /// CBOR: format `none`, authenticator data with the public key.
    pub attestation_object: Vec<u8>,
    /// The authenticator data, also contained in the attestation object.
    pub authenticator_data: Vec<u8>,
    /// The public key, DER SubjectPublicKeyInfo.
    pub public_key_spki: Vec<u8>,
}

/// An assertion: what a browser hands to the page after `navigator.credentials.get`.
#[derive(Debug, Clone)]
pub struct Assertion {
    /// The credential's id.
    pub credential_id: Vec<u8>,
    /// The exact client data whose hash was signed.
    pub client_data_json: Vec<u8>,
    /// RP ID hash, flags, counter.
    pub authenticator_data: Vec<u8>,
    /// Over `authenticator_data ‖ SHA-256(client_data_json)`, DER.
    pub signature: Vec<u8>,
    /// Whom the credential was made for.
    pub user_handle: Option<Vec<u8>>,
}

impl Default for Authenticator {
    fn default() -> Self {
        Self::new()
    }
}

impl Authenticator {
    /// An authenticator without passkeys whose person is present and verified.
    pub fn new() -> Self {
        Self {
            wallet: Wallet::default(),
            person: Person { verified: true },
        }
    }

    /// Whether it verifies its person from now on. Without, it signs with the flag UV
    /// unset even where verification was required: a server must refuse that.
    pub fn verify_person(&mut self, verifies: bool) {
        self.person.verified = verifies;
    }

    /// The ids of the passkeys it holds, oldest first.
    pub fn credential_ids(&self) -> Vec<Vec<u8>> {
        self.wallet.credential_ids()
    }

    /// Makes an ES256 passkey for an origin, its RP ID, a user and a challenge.
    ///
    /// # Errors
    /// When a browser would refuse: the RP ID does not belong to the origin, say.
    pub fn register(
        &mut self,
        origin: &str,
        rp_id: &str,
        user_handle: &[u8],
        user_name: &str,
        challenge: &[u8],
    ) -> Result<Registration> {
        let options = json!({
            "rp": { "id": rp_id, "name": rp_id },
            "user": { "id": json::encode(user_handle), "name": user_name, "displayName": user_name },
            "challenge": json::encode(challenge),
            "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
            "authenticatorSelection": { "residentKey": "required", "userVerification": "required" },
            "attestation": "none",
        });
        self.create(origin, options)
    }

    /// Signs a challenge with one of the `allowed` passkeys, or, where none is named, the newest of that RP ID.
    ///
    /// # Errors
    /// When it holds no such passkey, or a browser would refuse.
    pub fn assert(
        &mut self,
        origin: &str,
        rp_id: &str,
        challenge: &[u8],
        allowed: &[Vec<u8>],
    ) -> Result<Assertion> {
        let mut options = json!({
            "rpId": rp_id,
            "challenge": json::encode(challenge),
            "userVerification": "required",
        });
        if !allowed.is_empty() {
            let list: Vec<Value> = allowed
                .iter()
                .map(|id| json!({ "type": "public-key", "id": json::encode(id) }))
                .collect();
            insert(&mut options, "allowCredentials", Value::Array(list));
        }
        self.get(origin, options)
    }

    /// `navigator.credentials.create({ publicKey: options })`, options and result as WebAuthn's JSON.
    ///
    /// # Errors
    /// When the options are malformed or a browser would refuse.
    pub fn create_json(&mut self, origin: &str, options: &Value) -> Result<Value> {
        Ok(self.create(origin, unwrap_public_key(options))?.to_json())
    }

    /// `navigator.credentials.get({ publicKey: options })`, options and result as WebAuthn's JSON.
    ///
    /// # Errors
    /// When the options are malformed, no passkey fits, or a browser would refuse.
    pub fn get_json(&mut self, origin: &str, options: &Value) -> Result<Value> {
        Ok(self.get(origin, unwrap_public_key(options))?.to_json())
    }

    /// Signs client data as given, whatever it says: another origin, another type, a replayed challenge.
    ///
    /// # Errors
    /// When it holds no such passkey.
    pub fn forge(
        &mut self,
        rp_id: &str,
        credential_id: &[u8],
        client_data_json: &[u8],
    ) -> Result<Assertion> {
        let request = get_assertion::Request {
            rp_id: rp_id.to_owned(),
            client_data_hash: Sha256::digest(client_data_json).to_vec().into(),
            allow_list: Some(vec![PublicKeyCredentialDescriptor {
                ty: PublicKeyCredentialType::PublicKey,
                id: credential_id.to_vec().into(),
                transports: None,
            }]),
            extensions: None,
            options: get_assertion::Options {
                up: true,
                uv: self.person.verified,
            },
            pin_auth: None,
            pin_protocol: None,
        };
        let mut ctap = self.ctap();
        let response = now(ctap.get_assertion(request))?
            .map_err(|error| anyhow!("no assertion: {error:?}"))?;
        Ok(Assertion {
            credential_id: credential_id.to_vec(),
            client_data_json: client_data_json.to_vec(),
            authenticator_data: response.auth_data.to_vec(),
            signature: response.signature.to_vec(),
            user_handle: response.user.map(|user| user.id.to_vec()),
        })
    }

    fn create(&mut self, origin: &str, mut options: Value) -> Result<Registration> {
        if !self.person.verified {
            let mut selection = options
                .get("authenticatorSelection")
                .cloned()
                .unwrap_or_else(|| json!({}));
            insert(&mut selection, "userVerification", json!("discouraged"));
            insert(&mut options, "authenticatorSelection", selection);
        }
        let rp_id = text(options.pointer("/rp/id"));
        let request: CredentialCreationOptions =
            serde_json::from_value(json!({ "publicKey": options }))
                .context("reading the creation options")?;
        let origin = read_origin(origin, rp_id.as_deref())?;
        let mut client = Client::new(self.ctap()).allows_insecure_localhost(true);
        let credential = now(client.register(&origin, request, DefaultClientData))?
            .map_err(|error| anyhow!("no passkey was made: {error:?}"))?;
        Ok(registration(credential))
    }

    fn get(&mut self, origin: &str, mut options: Value) -> Result<Assertion> {
        if !self.person.verified {
            insert(&mut options, "userVerification", json!("discouraged"));
        }
        let rp_id = text(options.get("rpId"));
        let request: CredentialRequestOptions =
            serde_json::from_value(json!({ "publicKey": options }))
                .context("reading the request options")?;
        let origin = read_origin(origin, rp_id.as_deref())?;
        let mut client = Client::new(self.ctap()).allows_insecure_localhost(true);
        let credential = now(client.authenticate(&origin, request, DefaultClientData))?
            .map_err(|error| anyhow!("no assertion: {error:?}"))?;
        Ok(assertion(credential))
    }

    fn ctap(&self) -> Ctap<Wallet, Person, RustCryptoBackend> {
        Ctap::new(
            Aaguid::new_empty(),
            self.wallet.clone(),
            self.person,
            RustCryptoBackend,
        )
    }
}

/// The options themselves, whether or not they come wrapped as `{ "publicKey": … }`.
fn unwrap_public_key(options: &Value) -> Value {
    options.get("publicKey").unwrap_or(options).clone()
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

/// `passkey-client` lets any origin use the RP ID `localhost`; a browser does not.
fn read_origin(origin: &str, rp_id: Option<&str>) -> Result<Url> {
    let url = Url::parse(origin).with_context(|| format!("reading the origin `{origin}`"))?;
    let host = url
        .domain()
        .with_context(|| format!("the origin `{origin}` has no domain name"))?;
    if let Some(rp_id) = rp_id {
        let belongs = host == rp_id
            || host
                .strip_suffix(rp_id)
                .is_some_and(|rest| rest.ends_with('.'));
        ensure!(
            belongs,
            "the RP ID `{rp_id}` does not belong to the origin `{origin}`"
        );
    }
    Ok(url)
}

fn registration(credential: CreatedPublicKeyCredential) -> Registration {
    let response = credential.response;
    Registration {
        credential_id: credential.raw_id.to_vec(),
        client_data_json: response.client_data_json.to_vec(),
        attestation_object: response.attestation_object.to_vec(),
        authenticator_data: response.authenticator_data.to_vec(),
        public_key_spki: response
            .public_key
            .map(|key| key.to_vec())
            .unwrap_or_default(),
    }
}

fn assertion(credential: AuthenticatedPublicKeyCredential) -> Assertion {
    let response = credential.response;
    Assertion {
        credential_id: credential.raw_id.to_vec(),
        client_data_json: response.client_data_json.to_vec(),
        authenticator_data: response.authenticator_data.to_vec(),
        signature: response.signature.to_vec(),
        user_handle: response.user_handle.map(|handle| handle.to_vec()),
    }
}

/// Everything is in memory, so that no future here ever waits.
fn now<F: Future>(future: F) -> Result<F::Output> {
    match pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => bail!("the software authenticator waited for something"),
    }
}
