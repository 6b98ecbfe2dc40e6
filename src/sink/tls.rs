//! Certificates of HTTPS servers: pinned ones, and what to do about one that was not accepted.

use std::error::Error as StdError;
use std::sync::Arc;
use std::{fmt, io};

use data_encoding::HEXLOWER;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Returns a configuration that accepts servers with one of these certificates, by SHA-256. `login`
/// is the client's certificate chain and its key, in PEM.
///
/// # Errors
/// The chain or the key is not PEM, or they do not belong together.
pub(super) fn pinned(pins: &[[u8; 32]], login: Option<&str>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Arc::new(Pinned { pins: pins.to_vec(), algorithms });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some(pem) = login else { return Ok(config.with_no_client_auth()) };
    let not_pem = |error| Error::General(format!("{error}"));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(not_pem)?;
    config.with_client_auth_cert(chain.map_err(not_pem)?, key)
}

/// Accepts certificates by their SHA-256. The server still has to prove that it has their key.
#[derive(Debug)]
struct Pinned {
    pins: Vec<[u8; 32]>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A certificate that is not pinned.
#[derive(thiserror::Error)]
#[error("the server's certificate has the SHA-256 {}", HEXLOWER.encode(.0))]
struct NotPinned([u8; 32]);

/// What rustls prints of it.
impl fmt::Debug for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let hash: [u8; 32] = Sha256::digest(certificate).into();
        if self.pins.contains(&hash) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::Other(OtherError(Arc::new(NotPinned(hash)))).into())
    }

    // As rustls does it, but for certificates of version 1 too, which rustls does not read.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let (_, parsed) = parse(certificate)?;
        let key = &parsed.public_key().subject_public_key.data;
        let algorithms =
            self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let valid = algorithms
            .flat_map(|(_, algorithms)| *algorithms)
            .any(|algorithm| algorithm.verify_signature(key, message, signed.signature()).is_ok());
        if valid {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let (_, parsed) = parse(certificate)?;
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn parse<'c>(
    certificate: &'c CertificateDer<'_>,
) -> Result<(&'c [u8], X509Certificate<'c>), Error> {
    X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

/// Returns what to do if TLS failed because of a certificate, the server's or the client's.
pub(super) fn advice(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    match rustls_error(error)? {
        Error::InvalidCertificate(fault) => Some(match fault {
            CertificateError::UnknownIssuer => {
                "set tls.ca_file to the authority that issued the server's certificate"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate has no subject alternative name for this host: reissue \
                 it, or set tls.pin_sha256"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "renew the server's certificate"
            }
            CertificateError::Other(OtherError(cause)) if cause.is::<NotPinned>() => {
                "if its certificate was renewed, add it to tls.pin_sha256"
            }
            _ => {
                "certificates of version 1 and of authorities are not accepted as a server's: \
                 reissue it, or set tls.pin_sha256"
            }
        }),
        Error::NoCertificatesPresented | Error::AlertReceived(_) => {
            Some("see tls.ca_file and tls.cert_file")
        }
        _ => None,
    }
}

/// Returns the error of rustls among the causes; clients put it into an [`io::Error`], or into
/// several.
fn rustls_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref() {
            return Some(error);
        }
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}
