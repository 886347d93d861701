//! Foreign bytes in messages: bounded, and harmless on a terminal and in a page.

use std::fmt::Write as _;

/// Characters of foreign text that a message quotes at most.
pub(crate) const EXCERPT_CHARS: usize = 200;

/// The beginning of foreign bytes as text: control characters escaped, what is cut off counted.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    // Four bytes make at most one character, so this much is enough whatever it holds.
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT_CHARS * 4)]);
    let mut out = String::with_capacity(head.len().min(EXCERPT_CHARS + 32));
    let mut used = 0;
    for (chars, c) in head.chars().enumerate() {
        if chars == EXCERPT_CHARS {
            let rest = bytes.len().saturating_sub(used);
            let _ = write!(out, "… ({rest} bytes more)"); // writing to a String cannot fail
            return out;
        }
        used += c.len_utf8();
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Bidirectional overrides turn text around on screen; they are no better than control characters.
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_are_escaped_and_length_is_bounded() {
        assert_eq!(excerpt(b"a\r\n\x1b[31mb\0"), "a\\r\\n\\u{1b}[31mb\\u{0}");
        let long = excerpt(&[b'x'; 1000]);
        assert_eq!(long, format!("{}… (800 bytes more)", "x".repeat(200)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_leak_control_characters(bytes: Vec<u8>) {
            let text = excerpt(&bytes);
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
