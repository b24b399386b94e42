//! Whose address a request has.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Addresses that begin alike; a single one is a network of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    bits: u128,
    prefix_len: u32,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("{text} is no address or network, such as 10.0.0.0/8");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refuse())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(width), |length| length.parse().map_err(|_| refuse()))?;
        if length > width {
            return Err(refuse());
        }
        // IPv4 addresses are the last of IPv6's.
        Ok(Network { bits: bits(address), prefix_len: length + 128 - width })
    }
}

impl Network {
    pub(super) fn contains(self, address: IpAddr) -> bool {
        let differing = self.bits ^ bits(address);
        differing.leading_zeros() >= self.prefix_len
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The last address on the way here that is no trusted proxy; `forwarded` are the headers'
/// lists, in their order. Whoever has an IPv6 address has 2^64 of them: they count as one.
pub(super) fn client<'a>(
    peer: IpAddr,
    forwarded: impl Iterator<Item = &'a str>,
    trusted: &[Network],
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    if is_trusted(peer) {
        let hops: Vec<&str> = forwarded.flat_map(|list| list.split(',')).collect();
        for hop in hops.into_iter().rev() {
            // What a proxy could not name was not written by one.
            let Ok(address) = hop.trim().parse() else { break };
            client = address;
            if !is_trusted(address) {
                break;
            }
        }
    }
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_says_for_whom_it_asks() {
        let trusted: Vec<Network> =
            ["10.0.0.0/8", "192.0.2.1"].map(|text| text.parse().expect("a network")).into();
        let check = |peer: &str, forwarded: &[&str], expected: &str| {
            let peer = peer.parse().expect("an address");
            let found = client(peer, forwarded.iter().copied(), &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {forwarded:?}");
        };
        check("198.51.100.7", &[], "198.51.100.7");
        check("198.51.100.7", &["203.0.113.9"], "198.51.100.7");
        check("10.1.2.3", &["203.0.113.9"], "203.0.113.9");
        check("::ffff:10.1.2.3", &["203.0.113.9"], "203.0.113.9");
        // The first is what the client itself says.
        check("10.1.2.3", &["203.0.113.1, 203.0.113.9", "192.0.2.1"], "203.0.113.9");
        check("10.1.2.3", &["203.0.113.1, nonsense"], "10.1.2.3");
        check("10.1.2.3", &[], "10.1.2.3");
        check("2001:db8:1:2:3:4:5:6", &[], "2001:db8:1:2::");
    }

    #[test]
    fn a_network_is_an_address_and_a_length() {
        for text in ["10.0.0.0/33", "10.0.0/8", "host", "", "10.0.0.0/", "::/129"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert!("::/0".parse::<Network>().expect("all").contains(IpAddr::from([1, 2, 3, 4])));
    }
}
