//! Text for people: status lines on standard error, with nothing in them that could steer a terminal.

/// Prints a status line. Standard output belongs to the protocol or to the answer that was asked for.
macro_rules! say {
    ($($argument:tt)*) => {
        eprintln!("gatelodge: {}", $crate::terminal::harmless(&format!($($argument)*)))
    };
}
pub(crate) use say;

/// Replaces what could steer a terminal or turn text around: control characters other than line breaks, and the
/// marks of bidirectional text. Names and reasons come from the other side.
pub(crate) fn harmless(text: &str) -> String {
    let steers = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|character| if steers(character) { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\u{7}\u{9b}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c");
        assert_eq!(harmless("abc\u{202e}txt.exe\u{feff}"), "abc\u{fffd}txt.exe\u{fffd}");
        assert_eq!(harmless("Grüße, 世界\nnext"), "Grüße, 世界\nnext");
    }
}
