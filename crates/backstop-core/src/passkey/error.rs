//! Why a ceremony was refused. Lower-case, with a hint, and without any byte that the client sent.

/// Why a registration or an assertion was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// The response is not the JSON that browsers send.
    #[error(
        "the passkey response is not the JSON of a credential; hint: send `credential.toJSON()` unchanged"
    )]
    NotCredentialJson,
    /// A part is longer than any authenticator makes it.
    #[error("the {0} is longer than any authenticator makes it")]
    TooLong(&'static str),
    /// The server handed out a challenge too short to be unique.
    #[error("the challenge that was expected is shorter than 16 bytes")]
    WeakChallenge,
    /// clientDataJSON is not strict JSON of the right shape.
    #[error("clientDataJSON is not one JSON object with every key once")]
    ClientData,
    /// A member of clientDataJSON is missing or of the wrong type.
    #[error("clientDataJSON has no usable `{0}`")]
    ClientDataMember(&'static str),
    /// It is the answer to another kind of ceremony.
    #[error("the response is for another ceremony than `{0}`")]
    WrongType(&'static str),
    /// It answers another challenge.
    #[error("the challenge is not the one that was asked; hint: the page is old, load it again")]
    WrongChallenge,
    /// It was made on another origin.
    #[error(
        "the response comes from another origin; hint: open the console at the address it was set up with"
    )]
    WrongOrigin,
    /// It was made inside a page of another origin.
    #[error("the response was made inside another site's page; hint: open the console by itself")]
    CrossOrigin,
    /// The credential belongs to another relying party.
    #[error("the passkey is for another site")]
    WrongRelyingParty,
    /// A part is not the CBOR that authenticators write.
    #[error("the {0} is not canonical CBOR of the right shape")]
    Cbor(&'static str),
    /// Authenticator data breaks its format.
    #[error("the authenticator data is malformed: {0}")]
    AuthenticatorData(&'static str),
    /// Nobody touched the authenticator.
    #[error("the authenticator did not see a person")]
    UserNotPresent,
    /// The authenticator did not check who touched it.
    #[error("the authenticator did not verify the person; hint: set a PIN or a fingerprint on it")]
    UserNotVerified,
    /// Backup flags contradict each other or the registration.
    #[error("the passkey's backup flags contradict {0}")]
    BackupFlags(&'static str),
    /// The attestation is of a kind that was not asked for.
    #[error("the attestation is neither `none` nor by the passkey itself")]
    Attestation,
    /// The key is not one that Backstop accepts.
    #[error(
        "the passkey's public key is not accepted: {0}; hint: use one that signs ES256 or EdDSA"
    )]
    Key(&'static str),
    /// The stored passkey contradicts itself.
    #[error(
        "the stored passkey's key forms are not of one key; hint: rebuild the store from the journal"
    )]
    StoredKey,
    /// The client and the authenticator name different credentials, or another one than expected.
    #[error("the response is from another passkey")]
    WrongCredential,
    /// The signature does not verify.
    #[error("the signature does not match")]
    Signature,
    /// The counter did not grow: two authenticators may hold this key.
    #[error(
        "the passkey's signature counter went back; hint: it may have been copied, remove it and enrol another"
    )]
    CounterWentBack,
}
