//! What makes a password a bad one (NIST SP 800-63B, section 3.1.1.2): being short, being one
//! that everybody tries first, or hardly more than the name. Nothing is said of capitals and
//! digits.

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::service::users::name_key;

/// So many characters beside the user name are as good as none.
const BESIDE_NAME: usize = 3;

/// The 8354 passwords of eight characters and more among the twenty thousand most common in
/// breaches, as Django 5.2 ships them (`common-passwords.txt.gz`, BSD-3-Clause; compiled by
/// Royce Williams from Have I Been Pwned): of each, in lower case, the first five bytes of its
/// SHA-256, in order. A password that is none of them is taken for one once in 10^8.
static COMMON: &[u8] = include_bytes!("common_passwords.bin");
const PREFIX_BYTES: usize = 5;

/// Refuses a password that is easily guessed.
pub(crate) fn check(
    password: &str,
    username: &str,
    min: usize,
    pointer: &'static str,
) -> Result<(), Error> {
    let count = password.chars().count();
    if count < min {
        return Err(Error::PasswordTooShort { pointer, min });
    }
    let holds_name = name_key(password).contains(&name_key(username));
    if holds_name && count <= username.chars().count() + BESIDE_NAME {
        return Err(Error::PasswordIsUsername { pointer });
    }
    if is_common(password) || is_nothing(password) {
        return Err(Error::CommonPassword { pointer });
    }
    Ok(())
}

/// Whether it is of one character alone, or of what cannot be seen.
fn is_nothing(password: &str) -> bool {
    let mut chars = password.chars().flat_map(char::to_lowercase);
    let first = chars.next();
    chars.all(|c| Some(c) == first)
        || password.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// Characters that show nothing: controls, and of Unicode 16 the format characters (Cf) and
/// what is ignored by default.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Whether it is a common password, whatever its case, or one with digits and signs added at
/// the end.
fn is_common(password: &str) -> bool {
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

    #[test]
    fn what_is_nothing_but_a_name_or_a_character_is_refused() {
        let code = |password: &str| {
            let checked = super::check(password, "ada.lovelace", 8, "/password");
            checked.err().map(|error| kernel::Error::from(error).code().to_owned())
        };
        for name in
            ["ada.lovelace", "Ada.Lovelace", "ada.lovelace123", "1ada.lovelace!", "!!!ADA.LOVELACE"]
        {
            assert_eq!(code(name).as_deref(), Some("password_is_username"), "{name}");
        }
        for nothing in [
            "aaaaaaaaaa",
            "AaAaAaAa",
            "........",
            "        ",
            " \t \u{a0} \u{200b}  \n",
            "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}",
        ] {
            assert_eq!(code(nothing).as_deref(), Some("common_password"), "{nothing:?}");
        }
        assert_eq!(code("short").as_deref(), Some("password_too_short"));
        for fine in ["ada.lovelace1815", "six quiet lighthouses", "aaaaaaab", "ÄÖÜäöüß€"] {
            assert_eq!(code(fine), None, "{fine}");
        }
    }
}
