//! Lines that are thrown away as they come: only the id is kept, wherever in the object it is, so that the refusal reaches
//! the request that it is for.

use rmcp::model::RequestId;

/// Ids are numbers or UUIDs; a longer one is answered as if there were none.
const ID_LIMIT: usize = 256;

/// Follows the structure of a JSON text without keeping it.
#[derive(Debug, Default)]
pub(super) struct Oversized {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The string that was read last in the outermost object, as far as it could be `id`.
    name: Vec<u8>,
    /// The value of `id`.
    value: Vec<u8>,
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Looking,
    InValue,
    Found,
}

impl Oversized {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.state == State::Found {
                return;
            }
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        let outermost = self.depth == 1;
        if self.state == State::InValue {
            let ends = !self.in_string && outermost && matches!(byte, b',' | b'}');
            if ends || self.value.len() >= ID_LIMIT {
                self.state = State::Found;
                return;
            }
            self.value.push(byte);
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            if self.in_string && outermost && self.name.len() <= 2 {
                self.name.push(byte);
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.name.clear();
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if outermost && self.name == b"id" && self.state == State::Looking => {
                self.state = State::InValue
            }
            _ => {}
        }
    }

    /// Returns the id, if a well-formed one has come by.
    pub(super) fn id(&self) -> Option<RequestId> {
        serde_json::from_slice(self.value.trim_ascii()).ok()
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::NumberOrString;

    use super::*;

    #[test]
    fn the_id_is_found_wherever_it_is() {
        let number = Some(NumberOrString::Number(7));
        let string = Some(NumberOrString::String("a,\"}".into()));
        for (text, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"x"}"#, number.clone()),
            (r#"{"params":{"id":8,"a":[{"id":9}],"s":"\"id\":10"},"id" : 7 }"#, number),
            (r#"{"method":"id","id":"a,\"}"}"#, string),
            (r#"{"idx":1,"params":{}}"#, None),
            (r#"{"id":null}"#, None),
            (r#"[{"id":7}]"#, None),
        ] {
            let mut whole = Oversized::default();
            whole.feed(text.as_bytes());
            assert_eq!(whole.id(), id, "{text}");
            let mut pieces = Oversized::default();
            for byte in text.as_bytes() {
                pieces.feed(&[*byte]);
            }
            assert_eq!(pieces.id(), id, "{text}");
        }
    }
}
