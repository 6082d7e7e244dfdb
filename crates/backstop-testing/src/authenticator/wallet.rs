//! The passkeys that the software authenticator keeps, and the person it stands for.
//!
//! It must not write keys anywhere: they end with the test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use passkey::authenticator::{
    CredentialStore, DiscoverabilitySupport, StoreInfo, UiHint, UserCheck, UserValidationMethod,
};
use passkey::types::Passkey;
use passkey::types::ctap2::make_credential::{
    Options, PublicKeyCredentialRpEntity, PublicKeyCredentialUserEntity,
};
use passkey::types::ctap2::{Ctap2Error, StatusCode};
use passkey::types::webauthn::PublicKeyCredentialDescriptor;

/// Passkeys, oldest first; clones share them.
#[derive(Clone, Default)]
pub(super) struct Wallet {
    passkeys: Arc<Mutex<Vec<Passkey>>>,
}

impl Wallet {
    pub(super) fn credential_ids(&self) -> Vec<Vec<u8>> {
        self.lock()
            .iter()
            .map(|passkey| passkey.credential_id.to_vec())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Passkey>> {
        self.passkeys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CredentialStore for Wallet {
    type PasskeyItem = Passkey;

    async fn find_credentials(
        &self,
        allowed: Option<&[PublicKeyCredentialDescriptor]>,
        rp_id: &str,
        user_handle: Option<&[u8]>,
    ) -> Result<Vec<Passkey>, StatusCode> {
        let fits = |passkey: &&Passkey| {
            passkey.rp_id == rp_id
                && allowed
                    .is_none_or(|list| list.iter().any(|entry| entry.id == passkey.credential_id))
                && user_handle.is_none_or(|handle| {
                    passkey
                        .user_handle
                        .as_deref()
                        .is_some_and(|own| own == handle)
                })
        };
        // Newest first: the authenticator signs with the first.
        let found: Vec<Passkey> = self.lock().iter().rev().filter(fits).cloned().collect();
        if found.is_empty() {
            Err(Ctap2Error::NoCredentials.into())
        } else {
            Ok(found)
        }
    }

    async fn save_credential(
        &mut self,
        passkey: Passkey,
        _user: PublicKeyCredentialUserEntity,
        _rp: PublicKeyCredentialRpEntity,
        _options: Options,
    ) -> Result<(), StatusCode> {
        self.lock().push(passkey);
        Ok(())
    }

    async fn update_credential(&mut self, passkey: &Passkey) -> Result<(), StatusCode> {
        if let Some(own) = self
            .lock()
            .iter_mut()
            .find(|own| own.credential_id == passkey.credential_id)
        {
            *own = passkey.clone();
        }
        Ok(())
    }

    async fn get_info(&self) -> StoreInfo {
        StoreInfo {
            discoverability: DiscoverabilitySupport::ForcedDiscoverable,
        }
    }
}

/// Somebody who is always there and, if `verified`, always recognised.
#[derive(Clone, Copy)]
pub(super) struct Person {
    pub(super) verified: bool,
}

#[async_trait]
impl UserValidationMethod for Person {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _hint: UiHint<'a, Passkey>,
        presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck {
            presence,
            verification: verification && self.verified,
        })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(self.verified)
    }
}
