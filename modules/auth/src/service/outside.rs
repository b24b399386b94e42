//! Requests to addresses that somebody typed in: never to one of ours.
//!
//! A name is resolved once and the connection is made to what was checked, so a name that
//! changes its mind leads nowhere else. A redirect is an answer like any other and is not
//! followed. No proxy is used, which would do both for us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};

/// The most that is read of an answer.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// What goes out.
pub(crate) struct Outside {
    /// Whether addresses of ours may be asked, and without TLS.
    allow_private: bool,
    tls: OnceLock<TlsConnector>,
}

/// What came back.
pub(crate) struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// Why nothing came back, for whoever typed the address in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Address(&'static str),
    #[error("the name could not be resolved")]
    Name,
    #[error("the name leads to {0}, which is not a public address")]
    NotPublic(IpAddr),
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    #[error("HTTP: {0}")]
    Http(hyper::Error),
    #[error("the answer could not be read, or is too large")]
    Answer,
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
}

impl Outside {
    pub(crate) fn new(allow_private: bool) -> Self {
        Outside { allow_private, tls: OnceLock::new() }
    }

    /// Whether an address may be asked, as far as it tells itself: what its name leads to is
    /// looked at when it is.
    pub(crate) fn check(&self, url: &str) -> Result<Url, Failure> {
        let url = Url::parse(url).map_err(|_| Failure::Address("this is no URL"))?;
        if url.scheme() != "https" && !(self.allow_private && url.scheme() == "http") {
            return Err(Failure::Address("the URL must begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::Address("the URL must not contain a name or a password"));
        }
        if url.fragment().is_some() {
            return Err(Failure::Address("the URL must not have a fragment"));
        }
        let literal = match url.host() {
            None => return Err(Failure::Address("the URL names no host")),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        };
        match literal.filter(|address| !self.allow_private && !is_public(*address)) {
            Some(address) => Err(Failure::NotPublic(address)),
            None => Ok(url),
        }
    }

    /// Sends one request and reads the answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: impl Into<Bytes>,
        limit: Duration,
    ) -> Result<Answer, Failure> {
        let sent = self.send_unhurried(method, url, headers, body.into());
        tokio::time::timeout(limit, sent).await.map_err(|_| Failure::Late(limit))?
    }

    async fn send_unhurried(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let url = self.check(url)?;
        let host = url.host_str().ok_or(Failure::Name)?;
        let addresses = self.resolve(&url).await?;
        let stream = TcpStream::connect(&*addresses).await.map_err(Failure::Connect)?;
        let mut path = url.path().to_owned();
        if let Some(query) = url.query() {
            path = format!("{path}?{query}");
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| Failure::Address("this is no URL"))?;
        *request.headers_mut() = headers;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let authority =
            HeaderValue::from_str(&authority).map_err(|_| Failure::Address("this is no URL"))?;
        request.headers_mut().insert(HOST, authority);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("erp"));
        if url.scheme() != "https" {
            return exchange(stream, request).await;
        }
        // Without the brackets of an IPv6 address.
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|_| Failure::Name)?;
        let stream = self.tls().connect(name, stream).await.map_err(Failure::Tls)?;
        exchange(stream, request).await
    }

    /// Where the URL leads: nowhere, if one of its addresses is not public.
    async fn resolve(&self, url: &Url) -> Result<Vec<SocketAddr>, Failure> {
        let port = url.port_or_known_default().ok_or(Failure::Name)?;
        let addresses: Vec<SocketAddr> = match url.host().ok_or(Failure::Name)? {
            Host::Ipv4(address) => vec![(address, port).into()],
            Host::Ipv6(address) => vec![(address, port).into()],
            Host::Domain(name) => {
                lookup_host((name, port)).await.map_err(|_| Failure::Name)?.collect()
            }
        };
        let private = addresses.iter().map(SocketAddr::ip).find(|address| !is_public(*address));
        match private.filter(|_| !self.allow_private) {
            Some(address) => Err(Failure::NotPublic(address)),
            None if addresses.is_empty() => Err(Failure::Name),
            None => Ok(addresses),
        }
    }

    /// Trusts the authorities of the system (`SSL_CERT_FILE` names others); read when first
    /// needed.
    fn tls(&self) -> &TlsConnector {
        self.tls.get_or_init(|| {
            let config = kernel::tls::client(kernel::tls::system_roots());
            TlsConnector::from(Arc::new(config))
        })
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Failure> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Http)?;
    let asked = async move {
        let response = sender.send_request(request).await.map_err(Failure::Http)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        Ok(Answer { status, body: body.map_err(|_| Failure::Answer)?.to_bytes() })
    };
    tokio::pin!(connection);
    tokio::pin!(asked);
    tokio::select! {
        answer = &mut asked => answer,
        // It ended first; what was read of the answer by then counts.
        _ = &mut connection => asked.await,
    }
}

/// Whether an address is one of the internet at large, by the registries of IANA for special
/// purposes (RFC 6890), and none where a cloud answers its machines.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        // The metadata of clouds are at 169.254.169.254.
        || address.is_link_local()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        // Azure's host, public by its number alone.
        || address == Ipv4Addr::new(168, 63, 129, 16);
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [a, b, ..] = address.segments();
    // Global unicast; of that neither Teredo and its neighbours, nor documentation, nor 6to4,
    // which leads to any IPv4 address.
    (0x2000..0x4000).contains(&a)
        && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
        && a != 0x2002
        && a < 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        let check = |address: &str, expected: bool| {
            let parsed: IpAddr = address.parse().expect("an address");
            assert_eq!(is_public(parsed), expected, "{address}");
        };
        for public in ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "100.128.0.1"] {
            check(public, true);
        }
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(special, false);
        }
    }

    #[test]
    fn an_address_is_refused_before_it_is_asked() {
        let strict = Outside::new(false);
        for good in ["https://example.com/hook?a=b", "https://1.1.1.1:8443/"] {
            assert!(strict.check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "http://example.com/",
            "ftp://example.com/",
            "https://",
            "https://ada:secret@example.com/",
            "https://example.com/#there",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "file:///etc/passwd",
        ] {
            assert!(strict.check(bad).is_err(), "{bad}");
        }
        assert!(Outside::new(true).check("http://127.0.0.1:1234/").is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_followed() {
        let sent = Outside::new(false)
            .send(
                Method::GET,
                "https://localhost:1/",
                HeaderMap::new(),
                Bytes::new(),
                Duration::from_secs(5),
            )
            .await;
        assert!(matches!(sent, Err(Failure::NotPublic(_))));
    }
}
