//! TLS over a connection, and what its failures mean.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pressel_live::event::Cause;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, Error as TlsError};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::DialError;
use super::clock::Clock;

const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a failed handshake means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) cause: Cause,
    /// Somebody else may have answered for the server.
    pub(super) impostor: bool,
    why: String,
}

/// Shakes hands.
///
/// # Errors
/// The error, and whether somebody else may have answered.
pub(super) async fn tls(
    host: &str,
    tcp: TcpStream,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, (DialError, bool)> {
    let step = format!("TLS with {host}");
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| (DialError::new(Cause::Tls, &step, error), false))?;
    let connecting = TlsConnector::from(config.clone()).connect(name, tcp);
    let meaning = match timeout(HANDSHAKE, connecting).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(error)) => meaning(&error, Clock::read()),
        Err(_) => Meaning {
            cause: Cause::Cut,
            impostor: true,
            why: format!("no answer in {} s", HANDSHAKE.as_secs()),
        },
    };
    Err((DialError::new(meaning.cause, step, meaning.why), meaning.impostor))
}

/// Shakes hands, for whoever only wants to know why it fails.
///
/// # Errors
/// A sentence.
pub(crate) async fn shake(
    host: &str,
    tcp: TcpStream,
    config: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, String> {
    tls(host, tcp, config).await.map_err(|(error, _)| error.reason)
}

fn meaning(error: &io::Error, clock: Clock) -> Meaning {
    let tls = |impostor, why: String| Meaning { cause: Cause::Tls, impostor, why };
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) else {
        // The connection broke; a portal that resets what it cannot read does that as well.
        return Meaning { cause: Cause::Cut, impostor: true, why: error.to_string() };
    };
    match inner {
        TlsError::InvalidCertificate(why) => certificate(why, clock),
        // A portal's web server answers in plain HTTP.
        TlsError::InvalidMessage(_) => tls(
            true,
            format!("what answers there does not speak TLS ({inner}); does the network want a log-in?"),
        ),
        _ => tls(false, inner.to_string()),
    }
}

fn certificate(error: &CertificateError, clock: Clock) -> Meaning {
    use CertificateError as Bad;
    let date = clock.date();
    let tls = |impostor, why: String| Meaning { cause: Cause::Tls, impostor, why };
    match error {
        Bad::NotValidYet | Bad::NotValidYetContext { .. } | Bad::Expired | Bad::ExpiredContext { .. }
            if clock.may_be_wrong() && (!clock.is_set() || is_not_yet(error)) =>
        {
            let why = format!(
                "the certificate does not fit this device's clock, which says {date} and is not set yet; it goes on \
                 when the clock is right"
            );
            Meaning { cause: Cause::Clock, impostor: false, why }
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            tls(false, format!("the certificate is not valid yet (today is {date}); is the clock right?"))
        }
        Bad::Expired | Bad::ExpiredContext { .. } => {
            tls(false, format!("the certificate has expired (today is {date}); is the clock right?"))
        }
        Bad::UnknownIssuer => tls(
            true,
            "nobody trusted vouches for the certificate; behind a proxy that looks into TLS, name its authority in \
             [live] ca_file"
                .to_owned(),
        ),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
            tls(true, "the certificate is somebody else's; does the network want a log-in?".to_owned())
        }
        other => tls(false, format!("the certificate is not accepted: {other}")),
    }
}

fn is_not_yet(error: &CertificateError) -> bool {
    matches!(error, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn clock(day: u64, synchronized: Option<bool>) -> Clock {
        Clock { now: Duration::from_secs(day * DAY), synchronized }
    }

    /// 1970-01-02, 2026-11-20 and 2099-01-01.
    const UNSET: u64 = 1;
    const TODAY: u64 = 20_777;
    const BEYOND: u64 = 47_117;

    fn of(error: TlsError, clock: Clock) -> (Cause, bool) {
        let meaning = meaning(&io::Error::new(io::ErrorKind::InvalidData, error), clock);
        (meaning.cause, meaning.impostor)
    }

    #[test]
    fn a_certificate_of_the_future_is_the_clock_s_fault_unless_the_clock_is_right() {
        let check = |error: &CertificateError, clock, cause| {
            assert_eq!(of(error.clone().into(), clock), (cause, false), "{error:?} {clock:?}");
        };
        let (early, late) = (CertificateError::NotValidYet, CertificateError::Expired);
        check(&early, clock(UNSET, Some(false)), Cause::Clock);
        check(&early, clock(UNSET, None), Cause::Clock);
        check(&early, clock(TODAY, Some(false)), Cause::Clock);
        check(&early, clock(TODAY, None), Cause::Tls);
        check(&early, clock(TODAY, Some(true)), Cause::Tls);
        check(&late, clock(UNSET, Some(false)), Cause::Clock);
        check(&late, clock(BEYOND, Some(false)), Cause::Clock);
        check(&late, clock(TODAY, Some(false)), Cause::Tls);
        check(&late, clock(TODAY, Some(true)), Cause::Tls);
    }

    #[test]
    fn somebody_else_s_answer_is_suspected_and_our_own_trouble_is_not() {
        let today = clock(TODAY, Some(true));
        assert_eq!(of(CertificateError::UnknownIssuer.into(), today), (Cause::Tls, true));
        assert_eq!(of(CertificateError::NotValidForName.into(), today), (Cause::Tls, true));
        let garbage = TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert_eq!(of(garbage, today), (Cause::Tls, true));
        assert_eq!(of(CertificateError::Revoked.into(), today), (Cause::Tls, false));
        assert_eq!(of(TlsError::HandshakeNotComplete, today), (Cause::Tls, false));
        let reset = meaning(&io::ErrorKind::ConnectionReset.into(), today);
        assert_eq!((reset.cause, reset.impostor), (Cause::Cut, true));
    }
}
