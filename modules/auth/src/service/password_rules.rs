//! What makes a password a bad one (NIST SP 800-63B, section 3.1.1.2): being short, being one
//! that everybody tries first, or being the name. Nothing is said of capitals and digits.

use sha2::{Digest, Sha256};

/// The 8354 passwords of eight characters and more among the twenty thousand most common in
/// breaches, as Django 5.2 ships them (`common-passwords.txt.gz`, BSD-3-Clause; compiled by
/// Royce Williams from Have I Been Pwned): of each, in lower case, the first five bytes of its
/// SHA-256, in order. A password that is none of them is taken for one once in 10^8.
static COMMON: &[u8] = include_bytes!("common_passwords.bin");
const PREFIX_BYTES: usize = 5;

/// Whether it is a common password, whatever its case, or one with digits and signs added at
/// the end.
pub(crate) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    let stem = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    is_listed(&lower) || is_listed(stem)
}

fn is_listed(text: &str) -> bool {
    let digest = Sha256::digest(text);
    let (mut from, mut to) = (0, COMMON.len() / PREFIX_BYTES);
    while from < to {
        let middle = from.midpoint(to);
        let at = middle * PREFIX_BYTES;
        match COMMON[at..at + PREFIX_BYTES].cmp(&digest[..PREFIX_BYTES]) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => from = middle + 1,
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_first_is_known() {
        for common in
            ["password", "PassWord", "12345678", "qwertyuiop", "password1", "Password2026!"]
        {
            assert!(is_common(common), "{common}");
        }
        for fine in ["six quiet lighthouses", "correct horse battery staple", "", "Ümläüte"] {
            assert!(!is_common(fine), "{fine}");
        }
        assert!(COMMON.chunks_exact(PREFIX_BYTES).is_sorted());
    }
}
