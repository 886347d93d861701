//! Mutual TLS 1.3 in which the certificate itself is the name: who is not in the member list gets no connection, and who shows a member's
//! certificate has to prove that it holds the key.
//!
//! No authority, no names, no dates: members' clocks may be an hour apart, and the store says who is a member.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::credentials::Credentials;
use super::directory::Directory;
use super::fingerprint::Fingerprint;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// For asking: the other side has to be exactly the one with this fingerprint.
pub(super) fn client(own: &Credentials, expected: Fingerprint) -> Result<ClientConfig, Error> {
    let provider = provider();
    let verifier = Exactly {
        expected,
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(vec![own.certificate.clone()], own.key.clone_key())?;
    // A resumed session would rest on what was proved before the member list changed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// For answering: whoever is known.
pub(super) fn server(own: &Credentials, directory: Directory) -> Result<ServerConfig, Error> {
    let provider = provider();
    let verifier = Known {
        directory,
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(vec![own.certificate.clone()], own.key.clone_key())?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

const STRANGER: Error = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);

/// Of either side: that it holds the key of the certificate that it shows.
macro_rules! proves_its_key {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            // It is not offered.
            Err(Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, cert, dss, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

#[derive(Debug)]
struct Exactly {
    expected: Fingerprint,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Fingerprint::of(end_entity) == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(STRANGER)
        }
    }

    proves_its_key!();
}

#[derive(Debug)]
struct Known {
    directory: Directory,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Known {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.directory.who(&Fingerprint::of(end_entity)) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(STRANGER),
        }
    }

    proves_its_key!();
}
