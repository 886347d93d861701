//! The key and the certificate that this member shows to others: made once, kept in the data directory.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::fingerprint::Fingerprint;

/// The file, in the data directory: key and certificate, PEM.
const FILE: &str = "peer.pem";
/// The name in the certificate. Nobody looks at it: a member is recognised by the certificate as a whole.
pub(super) const NAME: &str = "9volt-member";

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{path}: no key and certificate ({why}); move it away, and this member makes itself another one", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why. Says nothing of the content.
        why: &'static str,
    },
    /// No key could be made.
    #[error("cannot make a key for talking to other members: {0}")]
    Make(String),
}

/// A key and its certificate. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: Arc<PrivateKeyDer<'static>>,
    fingerprint: Fingerprint,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those of a data directory; made where there are none.
    ///
    /// # Errors
    /// The file cannot be read, written or understood.
    pub fn of(dir: &Path) -> Result<Self, CredentialsError> {
        let path = dir.join(FILE);
        let io = |source| CredentialsError::Io {
            path: path.clone(),
            source,
        };
        match std::fs::read(&path) {
            Ok(pem) => Self::read(&pem).map_err(|why| CredentialsError::Damaged {
                path: path.clone(),
                why,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let pem = make()?;
                let made = Self::read(pem.as_bytes()).map_err(|why| CredentialsError::Make(why.to_owned()))?;
                write(&path, pem.as_bytes()).map_err(io)?;
                Ok(made)
            }
            Err(source) => Err(io(source)),
        }
    }

    fn read(pem: &[u8]) -> Result<Self, &'static str> {
        let certificate = CertificateDer::from_pem_slice(pem).map_err(|_| "there is no certificate")?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "there is no key")?;
        // The pair is tried here, so that a file put together by hand fails with its name and not in a handshake.
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        rustls::sign::CertifiedKey::from_der(vec![certificate.clone()], key.clone_key(), &provider)
            .map_err(|_| "the key is not that of the certificate")?;
        Ok(Self {
            fingerprint: Fingerprint::of(&certificate),
            certificate,
            key: Arc::new(key),
        })
    }

    /// What others recognise this member by: goes into its member record.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

fn make() -> Result<String, CredentialsError> {
    let failed = |error: rcgen::Error| CredentialsError::Make(error.to_string());
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])
        .and_then(|params| params.self_signed(&key))
        .map_err(failed)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Written beside and moved into place: a crash leaves no file or a whole one.
fn write(path: &Path, pem: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("pem.new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(pem)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_kept_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let first = Credentials::of(dir.path()).unwrap();
        assert_eq!(Credentials::of(dir.path()).unwrap().fingerprint(), first.fingerprint());
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(
            Credentials::of(other.path()).unwrap().fingerprint(),
            first.fingerprint()
        );
    }

    #[test]
    fn a_file_that_is_not_ours_is_named_and_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (make().unwrap(), make().unwrap());
        let certificate = one.split("-----BEGIN PRIVATE KEY").next().unwrap();
        let key = &other[other.find("-----BEGIN PRIVATE KEY").unwrap()..];
        let mixed = format!("{certificate}{key}");
        for (content, why) in [
            ("", "no certificate"),
            (certificate, "no key"),
            (key, "no certificate"),
            (&mixed, "not that of the certificate"),
        ] {
            std::fs::write(dir.path().join(FILE), content).unwrap();
            let error = Credentials::of(dir.path()).unwrap_err().to_string();
            assert!(error.contains("peer.pem") && error.contains(why), "{error}");
            assert!(!error.contains("BEGIN"), "{error}");
        }
    }

    #[test]
    fn the_key_is_not_in_the_debug_form() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("{:?}", Credentials::of(dir.path()).unwrap());
        assert!(text.contains("fingerprint") && !text.contains("key"), "{text}");
    }
}
