//! Taking ranges out of a message, so that everything else stays as it is, byte for byte.

use std::ops::Range;

use bytes::Bytes;

/// Changes to a message: ranges, and what comes in their place.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, &'static str)>);

impl Edits {
    /// Replaces a range. Nothing else may touch it.
    pub(super) fn replace(&mut self, range: Range<usize>, text: &'static str) {
        self.0.push((range, text));
    }

    /// Takes items out of an object or an array, each with one of the commas beside it. `items` are all that there
    /// are, in their order, each with whether it goes.
    pub(super) fn take_out(&mut self, items: &[(Range<usize>, bool)]) {
        let last_kept = items.iter().rposition(|(_, goes)| !goes);
        for (index, (range, goes)) in items.iter().enumerate() {
            // What goes after the last that stays goes in one piece, below.
            if *goes && last_kept.is_some_and(|last| index < last) {
                self.replace(range.start..items[index + 1].0.start, "");
            }
        }
        let from = match last_kept {
            Some(kept) if kept + 1 < items.len() => items[kept].0.end,
            None if !items.is_empty() => items[0].0.start,
            _ => return,
        };
        self.replace(from..items[items.len() - 1].0.end, "");
    }

    /// Returns the message with the changes: the same bytes, uncopied, if there are none.
    pub(super) fn apply(mut self, message: &Bytes) -> Bytes {
        if self.0.is_empty() {
            return message.clone();
        }
        self.0.sort_by_key(|(range, _)| range.start);
        let mut edited = Vec::with_capacity(message.len() + 16);
        let mut at = 0;
        for (range, text) in self.0 {
            edited.extend_from_slice(&message[at..range.start]);
            edited.extend_from_slice(text.as_bytes());
            at = range.end;
        }
        edited.extend_from_slice(&message[at..]);
        edited.into()
    }
}

#[cfg(test)]
mod tests {
    use gatelodge_wire::Json;
    use proptest::prelude::*;

    use super::*;

    fn without(text: &str, gone: &[usize]) -> String {
        let json = Json::parse(text).unwrap();
        let mut items: Vec<_> = json.members().map(|member| member.range()).collect();
        items.extend(json.elements().into_iter().flatten().map(Json::range));
        let items: Vec<_> =
            items.into_iter().enumerate().map(|(index, range)| (range, gone.contains(&index))).collect();
        let mut edits = Edits::default();
        edits.take_out(&items);
        let edited = edits.apply(&Bytes::copy_from_slice(text.as_bytes()));
        String::from_utf8(edited.to_vec()).unwrap()
    }

    #[test]
    fn items_go_with_one_comma_each() {
        let text = r#"{ "a" : 1 , "b":[2],"c":{} }"#;
        assert_eq!(without(text, &[0]), r#"{ "b":[2],"c":{} }"#);
        assert_eq!(without(text, &[1]), r#"{ "a" : 1 , "c":{} }"#);
        assert_eq!(without(text, &[2]), r#"{ "a" : 1 , "b":[2] }"#);
        assert_eq!(without(text, &[1, 2]), r#"{ "a" : 1 }"#);
        assert_eq!(without(text, &[0, 2]), r#"{ "b":[2] }"#);
        assert_eq!(without(text, &[0, 1, 2]), "{  }");
        assert_eq!(without("[1, 2 ,3]", &[0, 1]), "[3]");
        assert_eq!(without("[]", &[]), "[]");
    }

    proptest! {
        #[test]
        fn what_stays_stays_as_it_is(
            elements in proptest::collection::vec(("[ ]{0,2}[1-9][0-9]{0,2}[ ]{0,2}", any::<bool>()), 0..12),
        ) {
            let list: Vec<_> = elements.iter().map(|(text, _)| text.as_str()).collect();
            let text = format!("[{}]", list.join(","));
            let json = Json::parse(&text).unwrap();
            let ranges: Vec<_> = json.elements().unwrap().map(Json::range).collect();
            let gone: Vec<_> = elements.iter().enumerate().filter(|(_, e)| e.1).map(|(index, _)| index).collect();
            let edited = without(&text, &gone);
            let left: Vec<_> = Json::parse(&edited).unwrap().elements().unwrap().map(Json::text).collect();
            let stays: Vec<_> =
                (0..ranges.len()).filter(|index| !gone.contains(index)).map(|i| &text[ranges[i].clone()]).collect();
            prop_assert_eq!(left, stays);
            if gone.is_empty() {
                prop_assert_eq!(edited, text);
            }
        }
    }
}
