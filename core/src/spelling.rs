//! How texts and numbers are spelled in names and messages. Nothing else in the crate spells.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use sha2::{Digest, Sha256};

/// Writes each byte outside `[A-Za-z0-9._-]` as `%` and two digits, so that it can stand in a name anywhere.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) { name.push(char::from(byte)) } else { name.push_str(&format!("%{byte:02x}")) }
    }
    name
}

/// The text that [`escaped`] wrote so; `None`: it never writes this.
pub(crate) fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The start of a text that somebody gave, short enough to be quoted in a message.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some(_) => text.chars().take(80).chain(['…']).collect(),
        None => text.to_string(),
    }
}

/// The first ten bytes of a text's SHA-256 in hexadecimal: a short name for a run id that is too long for a file name.
pub(crate) fn short_digest(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    hex(&digest[..10])
}

/// A number in lower-case hexadecimal, at least so many digits of it: what most of a name is, without the formatting
/// machinery, which is slower, and names are what the queue works on.
pub(crate) struct Hex<const DIGITS: usize>(pub(crate) u64);

impl<const DIGITS: usize> fmt::Display for Hex<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = (u64::BITS - self.0.leading_zeros()).div_ceil(4) as usize;
        let mut ascii = [0; 16];
        let mut rest = self.0;
        for digit in ascii.iter_mut().rev() {
            *digit = hex_digit(rest as u8 & 0xf);
            rest >>= 4;
        }
        let digits = ascii.get(16 - needed.max(DIGITS)..).unwrap_or_default();
        f.write_str(core::str::from_utf8(digits).unwrap_or_default())
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |place: usize| {
        let byte = bytes.get(place / 2).copied().unwrap_or(0);
        hex_digit(if place.is_multiple_of(2) { byte >> 4 } else { byte & 0xf })
    };
    // As many as are known beforehand, so that room is made once.
    String::from_utf8((0..2 * bytes.len()).map(digit).collect()).unwrap_or_default()
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' - 10 + value }
}

/// The value of a lower-case hexadecimal digit.
pub(crate) fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// True for a lower-case hexadecimal digit.
pub(crate) fn is_lower_hex(byte: u8) -> bool {
    hex_value(byte).is_some()
}

/// One directory level's share of a number.
pub(crate) struct Digit {
    /// How many of the number's bits.
    pub(crate) bits: u32,
}

impl Digit {
    fn width(&self) -> usize {
        self.bits.div_ceil(4) as usize
    }

    pub(crate) fn name(&self, value: u64) -> String {
        format!("{value:0width$x}", width = self.width())
    }

    pub(crate) fn parse(&self, name: &str) -> Option<u64> {
        let good = name.len() == self.width() && name.bytes().all(is_lower_hex);
        u64::from_str_radix(name, 16).ok().filter(|value| good && *value < 1 << self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_quoted_short() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"é".repeat(100)), alloc::format!("{}…", "é".repeat(80)));
    }
}
