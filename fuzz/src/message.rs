//! The strict reading of JSON-RPC messages, against the lenient one and a full reading by serde_json.

use gatelodge_wire::{Json, MAX_DEPTH, Strictness, peek, read_message};
use serde_json::Value;

/// What is read strictly is what everybody else reads; and what is pointed at stands there.
pub fn message(data: &[u8]) {
    let strict = Strictness { max_bytes: 1 << 20, max_depth: MAX_DEPTH, unique_everywhere: true };
    let lax = read_message(data, Strictness { unique_everywhere: false, ..strict });
    let Ok(read) = read_message(data, strict) else {
        return;
    };
    let text = std::str::from_utf8(data).expect("read, so UTF-8");
    assert_eq!(lax.expect("less strict").envelope, read.envelope);
    let whole = Json::parse(text).expect("read, so JSON");
    // The full reading refuses some that are fine: numbers beyond a double, lone surrogates.
    let full = serde_json::from_str::<Value>(text).ok();
    if let Some(full) = &full {
        same(whole, full);
        assert_eq!(peek(data).expect("less strict"), read.envelope);
    }
    for member in &read.members {
        assert_eq!(Json::parse(&text[member.value.range()]).map(Json::text), Ok(member.value.text()));
        let body = read.body.expect("members are of a body");
        assert_eq!(body.member(&member.name), Some(member.value));
        if let Some(full) = &full {
            let body = full.get("params").or(full.get("result")).expect("members are of a body");
            assert_eq!(
                serde_json::from_str::<Value>(member.value.text()).ok().as_ref(),
                body.get(&*member.name)
            );
        }
    }
}

/// Members are as many as a full reading has, so that none stands there twice; and so are elements.
fn same(json: Json<'_>, full: &Value) {
    match full {
        Value::Object(members) => {
            assert_eq!(json.members().count(), members.len());
            json.members().for_each(|member| same(member.value, &members[&*member.name]));
        }
        Value::Array(elements) => {
            let found: Vec<_> = json.elements().expect("an array").collect();
            assert_eq!(found.len(), elements.len());
            found.into_iter().zip(elements).for_each(|(json, full)| same(json, full));
        }
        Value::String(text) => assert_eq!(json.string().as_deref(), Some(text.as_str())),
        _ => {}
    }
}
