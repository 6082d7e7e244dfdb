"""Verifies assertions that Backstop kept with Python fido2 and Python webauthn, from the stored JSON alone.

Reads one JSON object on standard input ({passkey, assertion, rp_id, origin, challenge}; bytes as base64url)
and prints one word for each library: `yes` or `no`. It must not import or contact anything of Backstop's.
"""

import json
import sys

from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    PublicKeyCredentialRpEntity,
    UserVerificationRequirement,
    websafe_decode,
)
import fido2.cbor
import webauthn


def by_fido2(case):
    passkey, assertion = case["passkey"], case["assertion"]
    credential = AttestedCredentialData.create(
        bytes(16),
        websafe_decode(passkey["credential_id"]),
        CoseKey.parse(fido2.cbor.decode(websafe_decode(passkey["cose_key"]))),
    )
    server = Fido2Server(
        PublicKeyCredentialRpEntity(name="console", id=case["rp_id"]),
        verify_origin=lambda origin: origin == case["origin"],
    )
    state = {
        "challenge": case["challenge"],
        "user_verification": UserVerificationRequirement.REQUIRED,
    }
    server.authenticate_complete(state, [credential], in_webauthn_json(assertion))


def by_webauthn(case):
    passkey, assertion = case["passkey"], case["assertion"]
    webauthn.verify_authentication_response(
        credential=in_webauthn_json(assertion),
        expected_challenge=websafe_decode(case["challenge"]),
        expected_rp_id=case["rp_id"],
        expected_origin=case["origin"],
        credential_public_key=websafe_decode(passkey["cose_key"]),
        credential_current_sign_count=passkey["sign_count"],
        require_user_verification=True,
    )


def in_webauthn_json(assertion):
    return {
        "id": assertion["credential_id"],
        "rawId": assertion["credential_id"],
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": assertion["client_data_json"],
            "authenticatorData": assertion["authenticator_data"],
            "signature": assertion["signature"],
            "userHandle": assertion.get("user_handle"),
        },
    }


def says_yes(verify, case):
    try:
        verify(case)
    except Exception as why:  # any refusal is a no; which one is the library's business
        print(f"{verify.__name__}: {why!r}", file=sys.stderr)
        return "no"
    return "yes"


case = json.load(sys.stdin)
print(says_yes(by_fido2, case), says_yes(by_webauthn, case))
