//! What a service account signs, as the service checks it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::RSA;

pub(super) fn unix_now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Holds a JWT against RFC 7515 and against what the service wants in it.
pub(super) fn check_jwt(jwt: &str, audience: &str, before: u64) {
    use rustls::crypto::ring::sign::RsaSigningKey;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{PrivateKeyDer, alg_id};
    use rustls::sign::SigningKey;
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let read = |part: &str| serde_json::from_slice::<Value>(&decoded(part)).unwrap();
    assert_eq!(read(head), json!({"alg": "RS256", "typ": "JWT", "kid": "kid-1"}));
    let claims = read(claims);
    let issued = claims["iat"].as_u64().unwrap();
    assert!((before..=unix_now()).contains(&issued));
    assert_eq!(
        claims,
        json!({
            "iss": "pressel@my-device-7.iam.gserviceaccount.com", "aud": audience, "iat": issued, "exp": issued + 3600,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
        })
    );
    let key = RsaSigningKey::new(&PrivateKeyDer::from_pem_slice(RSA.as_bytes()).unwrap()).unwrap();
    let spki = key.public_key().unwrap();
    // SubjectPublicKeyInfo of a 2048-bit RSA key has 24 bytes before the key itself (RFC 3279, 2.3.1).
    let public = &spki.as_ref()[24..];
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let verifier = algorithms.all.iter().find(|a| {
        a.signature_alg_id() == alg_id::RSA_PKCS1_SHA256
            && a.verify_signature(public, signed.as_bytes(), &decoded(signature)).is_ok()
    });
    assert!(verifier.is_some(), "the signature is not one of this key");
}
