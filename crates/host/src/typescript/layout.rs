//! How declarations are written: without comments in between, and in lines that people can read.

/// Makes a one-line comment of a type's first paragraph.
pub(super) fn first_sentence(docs: &str) -> String {
    let lines = docs.lines().map(|line| line.trim().trim_start_matches("/**").trim_end_matches("*/"));
    let lines = lines.map(|line| line.trim_start_matches('*').trim());
    let paragraph: Vec<_> =
        lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |end| end + 1);
    // Links between Rust items lead nowhere here.
    let sentence = paragraph[..end].replace("[`", "`").replace("`]", "`");
    if sentence.is_empty() { String::new() } else { format!("/** {sentence} */\n") }
}

/// Takes comments out of a declaration, writes it with this language's usual quotes, and breaks it where it is long.
pub(super) fn broken(declaration: &str, line: usize) -> String {
    let plain = tidy(&without_comments(declaration));
    if plain.len() <= line {
        return plain;
    }
    let alternatives =
        split(plain.split_once(" = ").map_or("", |(_, body)| body.trim_end_matches(';')), " | ");
    let head = plain.split_once(" = ").map_or("", |(head, _)| head);
    if alternatives.len() > 1 {
        let lines = alternatives.iter().map(|one| format!("\n  | {}", members(one, line, "    ")));
        return format!("{head} ={};", lines.collect::<String>());
    }
    // What stands before the object is in the same line.
    let room = line.saturating_sub(head.len() + " = ;".len());
    format!("{head} = {};", members(alternatives.first().map_or("", String::as_str), room, ""))
}

/// Writes an object's members in a line each, if they don't fit into one.
fn members(object: &str, line: usize, indent: &str) -> String {
    let inner = object.strip_prefix("{ ").and_then(|inner| inner.strip_suffix(" }"));
    let (Some(inner), true) = (inner, object.len() + indent.len() > line) else { return object.to_owned() };
    // Several objects in one begin and end with a brace as well.
    if split(object, " & ").len() > 1 {
        return object.to_owned();
    }
    let lines = split(inner, "; ").iter().map(|member| format!("\n{indent}  {member};")).collect::<String>();
    format!("{{{lines}\n{indent}}}")
}

/// Splits where nothing is open.
fn split(text: &str, by: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted, mut from, mut at) = (Vec::new(), 0_i32, false, 0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if !quoted && depth == 0 && rest.starts_with(by) {
            parts.push(text[from..at].to_owned());
            at += by.len();
            from = at;
            continue;
        }
        let character = rest.chars().next().unwrap_or_default();
        match character {
            '\'' => quoted = !quoted,
            '{' | '[' | '(' | '<' if !quoted => depth += 1,
            '}' | ']' | ')' | '>' if !quoted => depth -= 1,
            _ => {}
        }
        at += character.len_utf8();
    }
    parts.push(text[from..].to_owned());
    parts
}

fn without_comments(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/**") {
        plain.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes what the library has its own way for as the rest of the interface does.
fn tidy(text: &str) -> String {
    let mut tidy = String::new();
    // Names of members need no quotes, since they are those of Rust.
    let mut parts = text.split('"');
    tidy.push_str(parts.next().unwrap_or_default());
    while let (Some(quoted), Some(after)) = (parts.next(), parts.next()) {
        let quote = if after.starts_with(':') || after.starts_with("?:") { "" } else { "'" };
        tidy.extend([quote, quoted, quote, after]);
    }
    let tidy = renamed(&tidy, "{ [key in string]: ", " }", |value| format!("Record<string, {value}>"));
    let tidy = renamed(&tidy, "Array<", ">", |item| format!("{item}[]"));
    separated(&tidy.replace(", }", " }"))
}

/// Replaces what stands between `begin` and `end`, with both.
fn renamed(text: &str, begin: &str, end: &str, rename: impl Fn(&str) -> String) -> String {
    let mut renamed_text = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(begin) {
        let (inner, after) = after.split_once(end).unwrap_or((after, ""));
        renamed_text.extend([before, &rename(inner)]);
        rest = after;
    }
    renamed_text + rest
}

/// Puts semicolons between the members of objects, where the library has commas as between those of tuples.
fn separated(text: &str) -> String {
    let mut open = Vec::new();
    let separate = |character: char| {
        match character {
            '{' | '[' | '(' | '<' => open.push(character),
            '}' | ']' | ')' | '>' => drop(open.pop()),
            ',' if open.last() == Some(&'{') => return ';',
            _ => {}
        }
        character
    };
    text.chars().map(separate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_broken_where_they_are_long() {
        let long = r#"export type A = { "a": "one", /** What. */ b: Array<[C, string]>, } | { "a": "two", m?: { [key in string]: D }, };"#;
        assert_eq!(
            broken(long, 40),
            "export type A =\n  | { a: 'one'; b: [C, string][] }\n  | { a: 'two'; m?: Record<string, D> };"
        );
        assert_eq!(broken("export type A = { a: B, b: C, };", 20), "export type A = {\n  a: B;\n  b: C;\n};");
        assert_eq!(broken(r#"export type A = "b" | "c";"#, 40), "export type A = 'b' | 'c';");
    }

    #[test]
    fn comments_are_one_sentence() {
        assert_eq!(first_sentence("/**\n * One [`Thing`]. More\n * of it.\n */"), "/** One `Thing`. */\n");
        assert_eq!(first_sentence("/**\n * One\n * line.\n *\n * Another.\n */"), "/** One line. */\n");
        assert_eq!(first_sentence(""), "");
    }
}
