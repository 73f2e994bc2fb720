//! The commands of the windows: each takes the state, calls the host, and maps the error.

pub(crate) mod main;
pub(crate) mod prompt;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    /// What a capability allows, as the names of commands.
    fn allowed(capability: &str) -> BTreeSet<String> {
        let capability: Value = serde_json::from_str(capability).unwrap();
        let permissions = capability["permissions"].as_array().unwrap();
        permissions
            .iter()
            .map(|permission| permission.as_str().unwrap().strip_prefix("allow-").unwrap().replace('-', "_"))
            .collect()
    }

    /// The quoted words of a text that begin so.
    fn named(text: &str, before: &str, after: char) -> BTreeSet<String> {
        text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap().to_owned()).collect()
    }

    #[test]
    fn each_window_may_call_its_own_commands_and_nothing_else() {
        let main = allowed(include_str!("../capabilities/main.json"));
        let prompt = allowed(include_str!("../capabilities/prompt.json"));
        assert!(main.iter().all(|command| command.starts_with("main_")), "{main:?}");
        assert!(prompt.iter().all(|command| command.starts_with("prompt_")), "{prompt:?}");
        let all: BTreeSet<_> = main.union(&prompt).cloned().collect();
        // A command that the manifest does not know could be called by every window.
        let list = include_str!("../build.rs").split("];").next().unwrap();
        let manifest = named(list, "    \"", '"');
        assert_eq!(manifest, all);
        let handled: BTreeSet<_> = ["commands::main::", "commands::prompt::"]
            .into_iter()
            .flat_map(|before| named(include_str!("app.rs"), before, ','))
            .collect();
        assert_eq!(handled, all);
    }
}
