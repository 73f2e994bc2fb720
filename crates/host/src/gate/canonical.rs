//! Canonical JSON by RFC 8785, for the pins of tool definitions.
//!
//! The ready-made serialisers take a `serde_json::Value`, in which a member that stood there twice has already
//! become one. Here the text itself is read, and refused where two readers could see two definitions. Numbers are
//! read to the nearest double (serde_json's feature `float_roundtrip`) and printed by `ryu-js`, which is what the
//! RFC's ECMAScript rules ask for.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::grant::ToolPin;

/// Returns the SHA-256 of the canonical form of a JSON text.
///
/// # Errors
///
/// See [`CanonicalError`].
pub fn pin_of(definition: &str) -> Result<ToolPin, CanonicalError> {
    Ok(ToolPin(Sha256::digest(canonical(definition)?.as_bytes()).into()))
}

/// Returns the canonical form of a JSON text, by RFC 8785: no white space, members sorted by the UTF-16 units of their
/// names, strings and numbers as ECMAScript prints them.
///
/// # Errors
///
/// See [`CanonicalError`].
pub fn canonical(json: &str) -> Result<String, CanonicalError> {
    let tree: Tree = serde_json::from_str(json).map_err(CanonicalError)?;
    let mut text = String::with_capacity(json.len());
    tree.write(&mut text);
    Ok(text)
}

/// Why a text has no canonical form: it is not JSON, or has a member twice, a lone surrogate, or a number beyond the
/// range of a double.
#[derive(Debug, Error)]
#[error("the JSON has no canonical form: {0}")]
pub struct CanonicalError(#[source] serde_json::Error);

enum Tree {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    fn write(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(true) => text.push_str("true"),
            Self::Bool(false) => text.push_str("false"),
            Self::Number(number) => text.push_str(ryu_js::Buffer::new().format_finite(*number)),
            Self::String(string) => write_string(string, text),
            Self::Array(elements) => {
                text.push('[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    element.write(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    write_string(name, text);
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }
}

/// serde_json escapes exactly what the RFC escapes, in the same way.
fn write_string(string: &str, text: &mut String) {
    text.push_str(&serde_json::Value::from(string).to_string());
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Tree;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(value))
            }

            // Numbers are doubles, as the RFC and JavaScript have it.
            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Number(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Number(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Number(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::String(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Tree, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    elements.push(element);
                }
                Ok(Tree::Array(elements))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut members: Vec<(String, Tree)> = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
                if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                    return Err(A::Error::custom("an object has a member twice"));
                }
                Ok(Tree::Object(members))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests;
