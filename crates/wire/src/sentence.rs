//! Errors as sentences, for people and for the other side: every part of the project says them the same way.

/// Returns an error with its causes, as one sentence. A cause that its error already repeats is left out.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !sentence.contains(&text) {
            sentence.push_str(": ");
            sentence.push_str(&text);
        }
        source = cause.source();
    }
    sentence
}
