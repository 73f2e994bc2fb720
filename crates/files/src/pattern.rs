//! Glob patterns with the meaning that minimatch gives them (with `dot`): `*` stays in one directory, `**` does not,
//! hidden names match, `!` at the beginning turns a pattern round, `#` at the beginning matches nothing.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns of which any may match.
#[derive(Debug)]
pub(crate) struct Patterns {
    plain: GlobSet,
    turned: Vec<GlobSet>,
}

impl Patterns {
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut plain = GlobSetBuilder::new();
        let mut turned = Vec::new();
        for pattern in patterns {
            if pattern.starts_with('#') {
                continue;
            }
            let positive = pattern.trim_start_matches('!');
            if (pattern.len() - positive.len()) % 2 == 0 {
                plain.add(glob(positive));
            } else {
                turned.push(set(GlobSetBuilder::new().add(glob(positive))));
            }
        }
        Self { plain: set(&plain), turned }
    }

    /// Patterns that leave something out of a tree: one without `*` names an entry at any depth, and all in it.
    pub(crate) fn of_names(patterns: &[String]) -> Self {
        let all: Vec<String> = patterns
            .iter()
            .flat_map(|pattern| {
                let anywhere = if pattern.contains('*') {
                    Vec::new()
                } else {
                    vec![format!("**/{pattern}"), format!("**/{pattern}/**")]
                };
                std::iter::once(pattern.clone()).chain(anywhere)
            })
            .collect();
        Self::new(all.iter().map(String::as_str))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.turned.is_empty()
    }

    pub(crate) fn matches(&self, path: &Path) -> bool {
        self.plain.is_match(path) || self.turned.iter().any(|pattern| !pattern.is_match(path))
    }
}

/// A pattern that is not well formed means its own characters.
fn glob(pattern: &str) -> Glob {
    let build = |pattern: &str| {
        GlobBuilder::new(pattern)
            .literal_separator(true)
            .backslash_escape(true)
            .empty_alternates(true)
            .build()
    };
    build(pattern).or_else(|_| build(&globset::escape(pattern))).expect("an escaped pattern is well formed")
}

fn set(builder: &GlobSetBuilder) -> GlobSet {
    builder.build().unwrap_or_else(|_| GlobSet::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_what_minimatch_means() {
        for (pattern, path, matches) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("**/*.txt", "a.txt", true),
            ("**/*.txt", "d/e/a.txt", true),
            ("*", ".hidden", true),
            ("d/**", "d/a", true),
            ("d/**", "d", false),
            ("{a,b}.txt", "b.txt", true),
            ("[ab].txt", "c.txt", false),
            ("?.txt", "a.txt", true),
            ("!*.txt", "a.rs", true),
            ("!*.txt", "a.txt", false),
            ("#a", "#a", false),
            ("a[", "a[", true),
            ("A.txt", "a.txt", false),
        ] {
            assert_eq!(Patterns::new([pattern]).matches(Path::new(path)), matches, "{pattern} {path}");
        }
    }

    #[test]
    fn a_name_is_left_out_at_any_depth() {
        let patterns = Patterns::of_names(&["node_modules".to_owned(), "*.o".to_owned()]);
        for (path, matches) in [
            ("node_modules", true),
            ("a/node_modules", true),
            ("a/node_modules/b", true),
            ("a.o", true),
            ("a/a.o", false),
        ] {
            assert_eq!(patterns.matches(Path::new(path)), matches, "{path}");
        }
    }
}
