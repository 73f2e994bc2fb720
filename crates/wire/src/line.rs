//! JSON-RPC messages as lines, for the transports where a line break ends a message (MCP's stdio transport).

use bytes::Bytes;

/// Returns the message without line breaks, its meaning unchanged.
///
/// JSON has line breaks between its tokens only, where a space means the same (RFC 8259, section 2): in strings they
/// are escaped. So each one becomes a space. A message without any is handed back as it is.
pub fn one_line(message: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &message).is_none() {
        return message;
    }
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
    message.iter().map(|byte| if breaks(byte) { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_become_spaces() {
        let message = Bytes::from_static(b"{\r\n\"a\": \"x\\ny\"\n}");
        assert_eq!(one_line(message), &b"{  \"a\": \"x\\ny\" }"[..]);
    }

    #[test]
    fn a_line_is_not_copied() {
        let message = Bytes::from_static(b"{\"a\":1}");
        assert_eq!(one_line(message.clone()).as_ptr(), message.as_ptr());
    }
}
