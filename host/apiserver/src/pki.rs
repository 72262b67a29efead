//! The cluster's own certificates: a CA made on first start, and what it signs. Everything lies in one directory
//! (`<data-dir>/tls`), keys with mode 0600, each file written whole or not at all.

mod files;
mod kubeconfig;

pub use kubeconfig::{kubeconfig, write_kubeconfig};

use files::{read, write};
use interfaces::authorize::{AUTHENTICATED, UserInfo};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The CA lives as long as clusters do; what it signs is renewed at a start within the last 90 days (k3s' habit).
const CA_YEARS: i32 = 10;
const RENEW_SECONDS: i64 = 90 * 24 * 3600;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{operation} {path}")]
    File { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error("cannot make a certificate for {name}")]
    Certificate { name: String, source: rcgen::Error },
    #[error("{path} is not PEM of a certificate or key")]
    Pem { path: PathBuf },
    #[error("certificate for {name}: more than two groups do not fit")]
    Groups { name: String },
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    #[error("cannot verify client certificates")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The CA and its directory.
pub struct Pki {
    dir: PathBuf,
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usage {
    Server,
    Client,
}

/// The only crypto there is, named explicitly so that no process-wide default need be installed.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Pki {
    /// Reads the CA in a directory, or makes one.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        files::make_dir(dir)?;
        let (cert_path, key_path) = (dir.join("ca.crt"), dir.join("ca.key"));
        let failed = |source| Error::Certificate { name: "the CA".to_owned(), source };
        if !cert_path.exists() || !key_path.exists() {
            let key = KeyPair::generate().map_err(failed)?;
            let mut params = CertificateParams::default();
            params.distinguished_name = subject(&format!("coracle-ca@{}", object::names::random()), &[]);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
            validity(&mut params, CA_YEARS);
            let cert = params.self_signed(&key).map_err(failed)?;
            // The key first: a certificate without its key would be kept for good.
            write(&key_path, &key.serialize_pem(), 0o600)?;
            write(&cert_path, &cert.pem(), 0o644)?;
        }
        let ca_pem = read(&cert_path)?;
        let key = KeyPair::from_pem(&read(&key_path)?).map_err(failed)?;
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, key).map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), ca_pem, issuer })
    }

    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// TLS of the API server: `server.crt`, made again when a name is missing or it expires soon. Client certificates of
    /// the CA are verified; clients without one are let in as anonymous.
    pub fn server_config(&self, names: &[String]) -> Result<ServerConfig, Error> {
        let (cert, key) = self.kept("server", "kube-apiserver", &[], names, Usage::Server)?;
        self.tls(&cert, &key, false)
    }

    /// TLS of the node agent's endpoint: `kubelet-<node>.crt`. Only clients with a certificate of the CA get in.
    pub fn kubelet_config(&self, node: &str, names: &[String]) -> Result<ServerConfig, Error> {
        let groups = ["system:nodes".to_owned()];
        let (cert, key) = self.kept(&format!("kubelet-{node}"), &format!("system:node:{node}"), &groups, names, Usage::Server)?;
        self.tls(&cert, &key, true)
    }

    fn tls(&self, cert: &str, key: &str, mandatory: bool) -> Result<ServerConfig, Error> {
        let roots = Arc::new(self.roots()?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let verifier = if mandatory { builder.build()? } else { builder.allow_unauthenticated().build()? };
        let (chain, key) = self.parsed(cert, key)?;
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        Ok(config.with_client_cert_verifier(verifier).with_single_cert(chain, key)?)
    }

    /// TLS of a client that shows a certificate of the CA and trusts only the CA.
    pub fn client_config(&self, name: &str, groups: &[&str]) -> Result<ClientConfig, Error> {
        let (cert, key) = self.issue_client(name, groups)?;
        let (chain, key) = self.parsed(&cert, &key)?;
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        Ok(config.with_root_certificates(self.roots()?).with_client_auth_cert(chain, key)?)
    }

    /// A client certificate and its key, PEM both: the name is the user, groups are the user's groups. Not kept.
    pub fn issue_client(&self, name: &str, groups: &[&str]) -> Result<(String, String), Error> {
        let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        self.issue(name, &groups, &[], Usage::Client)
    }

    /// The same, kept as `<file>.crt` and `<file>.key` and made again when it expires soon.
    pub fn client(&self, file: &str, name: &str, groups: &[&str]) -> Result<(String, String), Error> {
        let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        self.kept(file, name, &groups, &[], Usage::Client)
    }

    /// PEM of the key that signs service-account tokens (ECDSA P-256).
    pub fn service_account_key(&self) -> Result<String, Error> {
        let path = self.dir.join("service-account.key");
        if !path.exists() {
            let key = KeyPair::generate().map_err(|source| Error::Certificate { name: "service accounts".to_owned(), source })?;
            write(&path, &key.serialize_pem(), 0o600)?;
        }
        read(&path)
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate(&self.ca_pem, &self.dir.join("ca.crt"))?)?;
        Ok(roots)
    }

    fn certificate(&self, pem: &str, path: &Path) -> Result<CertificateDer<'static>, Error> {
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| Error::Pem { path: path.to_owned() })
    }

    fn parsed(&self, cert: &str, key: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
        let chain = vec![self.certificate(cert, &self.dir)?];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| Error::Pem { path: self.dir.clone() })?;
        Ok((chain, key))
    }

    fn kept(&self, file: &str, name: &str, groups: &[String], names: &[String], usage: Usage) -> Result<(String, String), Error> {
        let (cert_path, key_path) = (self.dir.join(format!("{file}.crt")), self.dir.join(format!("{file}.key")));
        if cert_path.exists() && key_path.exists() {
            let (cert, key) = (read(&cert_path)?, read(&key_path)?);
            if self.fits(&cert, names) && KeyPair::from_pem(&key).is_ok_and(|k| matches(&cert, &k)) {
                return Ok((cert, key));
            }
        }
        let (cert, key) = self.issue(name, groups, names, usage)?;
        write(&key_path, &key, 0o600)?;
        write(&cert_path, &cert, 0o644)?;
        Ok((cert, key))
    }

    /// Signed by this CA, has every name, and does not expire soon.
    fn fits(&self, cert: &str, names: &[String]) -> bool {
        let (Ok(der), Ok(ca)) = (CertificateDer::from_pem_slice(cert.as_bytes()), CertificateDer::from_pem_slice(self.ca_pem.as_bytes()))
        else {
            return false;
        };
        let (Ok((_, cert)), Ok((_, ca))) = (x509_parser::parse_x509_certificate(&der), x509_parser::parse_x509_certificate(&ca)) else {
            return false;
        };
        let left = cert.validity().time_to_expiration().map_or(0, |d| d.whole_seconds());
        if left < RENEW_SECONDS || cert.issuer() != ca.subject() {
            return false;
        }
        let has = san_names(&cert);
        names.iter().all(|name| has.contains(name))
    }

    fn issue(&self, name: &str, groups: &[String], names: &[String], usage: Usage) -> Result<(String, String), Error> {
        let failed = |source| Error::Certificate { name: name.to_owned(), source };
        if groups.len() > 2 {
            return Err(Error::Groups { name: name.to_owned() });
        }
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(name, groups);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        for san in names {
            params.subject_alt_names.push(match san.parse::<IpAddr>() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName(san.as_str().try_into().map_err(failed)?),
            });
        }
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, 1);
        let cert = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok((cert.pem(), key.serialize_pem()))
    }
}

/// Names of the API server's certificate: localhost, the in-cluster names, and what the caller adds (node name, bind
/// address, first Service IP).
pub fn server_names(extra: &[String]) -> Vec<String> {
    let fixed =
        ["localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];
    let mut names: Vec<String> = fixed.iter().map(|n| (*n).to_owned()).collect();
    for name in extra {
        if !name.is_empty() && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Who a verified client certificate names: CN is the user, O are the groups (upstream's `x509.CommonNameUserConversion`).
pub fn identity(der: &CertificateDer<'_>) -> Option<UserInfo> {
    let (_, cert) = x509_parser::parse_x509_certificate(der).ok()?;
    let name = cert.subject().iter_common_name().next()?.as_str().ok()?.to_owned();
    if name.is_empty() {
        return None;
    }
    let mut groups: Vec<String> = cert.subject().iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned).collect();
    if !groups.iter().any(|g| g == AUTHENTICATED) {
        groups.push(AUTHENTICATED.to_owned());
    }
    Some(UserInfo { name, groups, ..UserInfo::default() })
}

fn matches(cert: &str, key: &KeyPair) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(cert.as_bytes()) else { return false };
    let Ok((_, cert)) = x509_parser::parse_x509_certificate(&der) else { return false };
    cert.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
}

fn san_names(cert: &x509_parser::certificate::X509Certificate<'_>) -> Vec<String> {
    use x509_parser::extensions::GeneralName;
    let Ok(Some(extension)) = cert.subject_alternative_name() else { return Vec::new() };
    let name = |general: &GeneralName| match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn subject(name: &str, groups: &[String]) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    // The name holds one value per type, so a second group goes into an O that is given by its number.
    for (group, ty) in groups.iter().zip([DnType::OrganizationName, DnType::CustomDnType(vec![2, 5, 4, 10])]) {
        subject.push(ty, group.as_str());
    }
    subject
}

/// From yesterday, as clocks differ, for some years.
fn validity(params: &mut CertificateParams, years: i32) {
    let now = object::time::now();
    let part = |range: std::ops::Range<usize>| now.get(range).and_then(|p| p.parse::<i32>().ok()).unwrap_or(1);
    let (year, month, day) = (part(0..4), u8::try_from(part(5..7)).unwrap_or(1), u8::try_from(part(8..10)).unwrap_or(1));
    // The 28th exists in every month.
    let day = day.min(28);
    params.not_before = rcgen::date_time_ymd(year - 1, month, day);
    params.not_after = rcgen::date_time_ymd(year + years, month, day);
}
