//! An address range as the operator writes it: `203.0.113.0/24`, `2001:db8::/32`, or one address.

use std::net::IpAddr;

/// A range of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `address/prefix` or a single address.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr =
            address.parse().map_err(|_| format!("{address:?} is not an IP address"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |prefix| {
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most);
            prefix.ok_or_else(|| format!("the prefix of {text:?} must be a number up to {most}"))
        })?;
        Ok(Self { address, prefix })
    }

    /// Whether `other` is in the range. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix);
                u64::from(own.to_bits()) >> shift == u64::from(other.to_bits()) >> shift
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix);
                let top = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                top(own.to_bits()) == top(other.to_bits())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_its_addresses_and_no_others() {
        for (range, inside, outside) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("203.0.113.0/24", "::ffff:203.0.113.9", "2001:db8::1"),
        ] {
            let network = Network::new(range).expect("a range");
            assert!(network.contains(inside.parse().expect("an address")), "{range} {inside}");
            assert!(!network.contains(outside.parse().expect("an address")), "{range} {outside}");
        }
        for everything in ["0.0.0.0/0", "::/0"] {
            let one = if everything.contains(':') { "2001:db8::1" } else { "203.0.113.1" };
            assert!(Network::new(everything).expect("a range").contains(one.parse().expect("one")));
        }
    }

    #[test]
    fn what_is_no_range_is_refused_in_words() {
        for text in ["", "203.0.113", "203.0.113.0/33", "2001:db8::/129", "203.0.113.0/x", "a/8"] {
            assert!(Network::new(text).is_err(), "{text}");
        }
    }
}
