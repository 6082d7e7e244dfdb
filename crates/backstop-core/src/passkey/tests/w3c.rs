//! The test vectors of Web Authentication Level 3, section 16.
//!
//! They exercise more than Backstop accepts: where a vector lacks user verification or is cross-origin, the
//! signature is checked to hold and the verifier to refuse for exactly that reason.

use crate::passkey::authenticator_data::AuthenticatorData;
use crate::passkey::cose::PublicKey;
use crate::passkey::{
    Algorithm, Assertion, Expected, Passkey, PasskeyError, Registration, signed_bytes,
    verify_assertion, verify_registration,
};

struct Vector {
    create_challenge: &'static str,
    credential_id: &'static str,
    create_client_data: &'static str,
    attestation_object: &'static str,
    get_challenge: &'static str,
    authenticator_data: &'static str,
    get_client_data: &'static str,
    signature: &'static str,
}

/// Section 16.2, "ES256 Credential with No Attestation".
const NONE: Vector = Vector {
    create_challenge: "00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130",
    credential_id: "f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4",
    create_client_data: "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22414d4d507434557878475453746e63647134313759447742466938767049612d7077386f4f755657345441222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a20426b5165446a646354427258426941774a544c453551227d",
    attestation_object: "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
    get_challenge: "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408",
    authenticator_data: "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000",
    get_client_data: "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a224f63446e55685158756c5455506f334a5558543049393770767a7a59425039745a63685879617630314167222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73657d",
    signature: "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87",
};

/// Section 16.3, "ES256 Credential with Self Attestation".
const PACKED_SELF: Vector = Vector {
    create_challenge: "7869c2b772d4b58eba9378cf8f29e26cf935aa77df0da89fa99c0bdc0a76f7e5",
    credential_id: "455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58c",
    create_client_data: "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a2265476e4374334c55745936366b336a506a796e6962506b31716e666644616966715a774c33417032392d55222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a205539685458764b453255526b4d6e625f307859485667227d",
    attestation_object: "a363666d74667061636b65646761747453746d74a263616c672663736967584630440220067a20754ab925005dbf378097c92120031581c73228d1fb4f5b881bcd7da98302207fc7b147558c7c0eba3af18bd9d121fa3d3a26d17fe3f220272178f473b6006d68617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b55d00000000df850e09db6afbdfab51697791506cfc0020455ef34e2043a87db3d4afeb39bbcb6cc32df9347c789a865ecdca129cbef58ca5010203262001215820eb151c8176b225cc651559fecf07af450fd85802046656b34c18f6cf193843c5225820927b8aa427a2be1b8834d233a2d34f61f13bfd44119c325d5896e183fee484f2",
    get_challenge: "4478a10b1352348dd160c1353b0d469b5db19eb91c27f7dfa6fed39fe26af20b",
    authenticator_data: "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50900000000",
    get_client_data: "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a225248696843784e534e493352594d45314f7731476d3132786e726b634a5f6666707637546e2d4a71386773222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a206754623533727a36456853576f6d58477a696d433151227d",
    signature: "304402203310b9431903c401f1be2bdc8d23a4007682dbbddcf846994947b7f465daf84002204e94dd00047b316061b3b99772b7efd95994a83ef584b3b6b825ea3550251b66",
};

/// Section 16.4, "ES256 Credential with `crossOrigin: true` in clientDataJSON".
const CROSS_ORIGIN: Vector = Vector {
    create_challenge: "3be5aacd03537142472340ab5969f240f1d87716e20b6807ac230655fa4b3b49",
    credential_id: "6e1050c0d2ca2f07c755cb2c66a74c64fa43065c18f938354d9915db2bd5ce57",
    create_client_data: "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a224f2d57717a514e5463554a484930437257576e7951504859647862694332674872434d475666704c4f306b222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a747275652c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a207a5a7175457444523944577170573574425754467567227d",
    attestation_object: "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b54500000000883f4f6014f19c09d87aa38123be48d000206e1050c0d2ca2f07c755cb2c66a74c64fa43065c18f938354d9915db2bd5ce57a501020326200121582022200a473f90b11078851550d03b4e44a2279f8c4eca27b3153dedfe03e4e97d225820cbd0be95e746ad6f5a8191be11756e4c0420e72f65b466d39bc56b8b123a9c6e",
    get_challenge: "876aa517ba83fdee65fcffdbca4c84eeae5d54f8041a1fc85c991e5bbb273137",
    authenticator_data: "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50500000000",
    get_client_data: "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a226832716c463771445f65356c5f505f62796b7945377135645650674547685f49584a6b655737736e4d5463222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a747275652c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a2039327063545644304162792d713464746d6a36656667227d",
    signature: "3046022100eb12fcf23b12764c0f122e22371fab92e283879fd798f38ee1841c951b6e40e7022100c76237ff9db77b3c56f30837cda6a09acfa2e915544e609c0733b1184036d1cf",
};

/// Section 16.5, "ES256 Credential with `topOrigin` in clientDataJSON".
const TOP_ORIGIN: Vector = Vector {
    create_challenge: "4e1f4c6198699e33c14f192153f49d7e0e8e3577d5ac416c5f3adc92a41f27e5",
    credential_id: "b8ad59b996047ab18e2ceb57206c362da57458793481f4a8ebf101c7ca7cc0f1",
    create_client_data: "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a225468394d595a68706e6a504254786b68555f53646667364f4e58665672454673587a72636b7151664a2d55222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a747275652c22746f704f726967696e223a2268747470733a2f2f6578616d706c652e636f6d227d",
    attestation_object: "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b5410000000097586fd09799a76401c200455099ef2a0020b8ad59b996047ab18e2ceb57206c362da57458793481f4a8ebf101c7ca7cc0f1a5010203262001215820a1c47c1d82da4ebe82cd72207102b380670701993bc35398ae2e5726427fe01d22582086c1080d82987028c7f54ecb1b01185de243b359294a0ed210cd47480f0adc88",
    get_challenge: "d54a5c8ca4b62a8e3bb321e3b2bc73856f85a10150db2939ac195739eb1ea066",
    authenticator_data: "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50500000000",
    get_client_data: "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a22315570636a4b53324b6f34377379486a7372787a68572d466f51465132796b3572426c584f6573656f4759222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a747275652c22746f704f726967696e223a2268747470733a2f2f6578616d706c652e636f6d222c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a205569466f4a4d56525148444146574669347678557051227d",
    signature: "3045022100b5a70c81780d5fcc9a4f2ae9caae99058f8accaf58b91fb59329646c28ac6ffc022012e101c165db3c8e9957f0c54dd6ca9b56bc3bd2f280bd2faa6c1d02c6e5c171",
};

/// Section 16.11, "Packed Attestation with Ed25519 Credential": the credential and its assertion, without the
/// certificates of its attestation, which is of a kind that Backstop does not ask for.
const ED25519: Vector = Vector {
    create_challenge: "a8abf9dabdc6b0df63466b39bda9e8a34a34e185337a59f1c579990676d3b3bd",
    credential_id: "ce9f840ed96599580cd140fbc7bb3230633f50f61041aff73308ae71caa8a2bd",
    create_client_data: "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22714b763532723347734e396a526d733576616e6f6f306f303459557a656c6e7878586d5a426e6254733730222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73652c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077697468206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a20425f44543567375a445f2d394f544c59583549764551227d",
    attestation_object: "a363666d74646e6f6e656761747453746d74a0686175746844617461 5881bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b54100000000d5aa33581e8ca478e20fe713f5d32ff20020ce9f840ed96599580cd140fbc7bb3230633f50f61041aff73308ae71caa8a2bda401010327200621582044e06ddd331c36a8dc667bab52bcae63486c916aa5e339e6acebaa84934bf832",
    get_challenge: "895957e01c633a698348a2d8a31a54b7db27e8c1c43b2080d79ae2190267bfd2",
    authenticator_data: "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b50100000000",
    get_client_data: "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a2269566c583442786a4f6d6d44534b4c596f7870557439736e364d48454f7943413135726947514a6e763949222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a66616c73657d",
    signature: "f5c59c7e46c34f6f8cc197101ddf9934fa2595f68eb1913a637e8419eb9ba4cfdfc48f85393bc0d40b011f0d6fecb097d6607525713223a0dc0d453993dae00b",
};

fn bytes(hex_text: &str) -> Vec<u8> {
    hex::decode(hex_text.replace(' ', "")).unwrap()
}

impl Vector {
    fn register(&self) -> Result<Passkey, PasskeyError> {
        let origins = ["https://example.org".to_owned()];
        let challenge = bytes(self.create_challenge);
        let expected = Expected {
            rp_id: "example.org",
            origins: &origins,
            challenge: &challenge,
        };
        verify_registration(
            &expected,
            &Registration {
                credential_id: bytes(self.credential_id),
                client_data_json: bytes(self.create_client_data),
                attestation_object: bytes(self.attestation_object),
            },
        )
    }

    fn authenticator_data_of_registration(&self) -> Vec<u8> {
        let object: ciborium::Value =
            ciborium::from_reader(bytes(self.attestation_object).as_slice()).unwrap();
        let entries = object.into_map().unwrap();
        let (_, data) = entries
            .into_iter()
            .find(|(key, _)| key.as_text() == Some("authData"))
            .unwrap();
        data.into_bytes().unwrap()
    }

    /// The passkey as registered, also where the registration is one that Backstop refuses.
    fn passkey(&self) -> Passkey {
        let data = self.authenticator_data_of_registration();
        let data = AuthenticatorData::parse(&data).unwrap();
        let attested = data.attested.as_ref().unwrap();
        let key = PublicKey::from_value(&attested.key).unwrap();
        assert_eq!(attested.credential_id, bytes(self.credential_id));
        Passkey {
            credential_id: attested.credential_id.to_vec(),
            cose_key: attested.cose_key.to_vec(),
            spki: key.spki().unwrap(),
            algorithm: key.algorithm(),
            backup_eligible: data.backup_eligible(),
            sign_count: data.sign_count,
            rp_id: "example.org".into(),
            origin: "https://example.org".into(),
            created_ms: 0,
            label: String::new(),
        }
    }

    fn assertion(&self) -> Assertion {
        Assertion {
            credential_id: bytes(self.credential_id),
            client_data_json: bytes(self.get_client_data),
            authenticator_data: bytes(self.authenticator_data),
            signature: bytes(self.signature),
            user_handle: None,
        }
    }

    fn assert(&self) -> Result<(), PasskeyError> {
        let origins = ["https://example.org".to_owned()];
        let challenge = bytes(self.get_challenge);
        let expected = Expected {
            rp_id: "example.org",
            origins: &origins,
            challenge: &challenge,
        };
        verify_assertion(&expected, &self.passkey(), &self.assertion()).map(|_| ())
    }

    fn signature_holds(&self) -> bool {
        let assertion = self.assertion();
        let signed = signed_bytes(&assertion.authenticator_data, &assertion.client_data_json);
        let key = PublicKey::from_bytes(&self.passkey().cose_key).unwrap();
        let flipped = [&[signed[0] ^ 1], &signed[1..]].concat();
        key.verify(&signed, &assertion.signature).is_ok()
            && key.verify(&flipped, &assertion.signature).is_err()
    }
}

#[test]
fn every_signature_of_the_vectors_holds() {
    for vector in [NONE, PACKED_SELF, CROSS_ORIGIN, TOP_ORIGIN, ED25519] {
        assert!(vector.signature_holds());
    }
    assert_eq!(ED25519.passkey().algorithm, Algorithm::EdDSA);
}

#[test]
fn the_vector_with_a_verified_person_registers() {
    let passkey = PACKED_SELF.register().unwrap();
    assert_eq!(passkey, PACKED_SELF.passkey());
    assert!(passkey.backup_eligible);
}

#[test]
fn vectors_without_user_verification_are_refused_for_that() {
    for vector in [NONE, ED25519] {
        assert_eq!(vector.register(), Err(PasskeyError::UserNotVerified));
    }
    for vector in [NONE, PACKED_SELF, ED25519] {
        assert_eq!(vector.assert(), Err(PasskeyError::UserNotVerified));
    }
}

#[test]
fn vectors_from_inside_another_page_are_refused_for_that() {
    for vector in [CROSS_ORIGIN, TOP_ORIGIN] {
        assert_eq!(vector.register(), Err(PasskeyError::CrossOrigin));
        assert_eq!(vector.assert(), Err(PasskeyError::CrossOrigin));
    }
}
