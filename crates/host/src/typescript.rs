//! The types that a user interface shares with the desktop, as TypeScript: what serde writes and reads, declared once, here.
//!
//! The interface keeps them in a file that is generated; a test of the tree compares it with what these types are now.

use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};

use ts_rs::{Config, TS, TypeVisitor};

use crate::approval::view::{PromptAnswer, PromptEvent};
use crate::front_gate::GateChange;
use crate::live::Live;
use crate::manage::{Reply, Request};
use crate::settings::Settings;
use crate::{HostEvent, KeychainState, LinkKind};

/// The longest line that a declaration is written in; longer ones are broken at their alternatives and members.
const LINE: usize = 120;

/// Returns the declarations, in the order of their names.
pub fn declarations() -> String {
    // No number of the desktop's is above 2^53, up to which JavaScript's numbers are exact.
    let mut declared = Declared {
        config: Config::default().with_large_int("number"),
        seen: HashSet::new(),
        declarations: BTreeMap::new(),
    };
    declared.visit::<Request>();
    declared.visit::<Reply>();
    declared.visit::<HostEvent>();
    declared.visit::<Live>();
    declared.visit::<GateChange>();
    declared.visit::<KeychainState>();
    declared.visit::<Settings>();
    declared.visit::<LinkKind>();
    declared.visit::<PromptEvent>();
    declared.visit::<PromptAnswer>();
    let mut text = "// Made of the desktop's Rust types by `make types`. Changes belong there.\n".to_owned();
    for declaration in declared.declarations.values() {
        text.push('\n');
        text.push_str(declaration);
    }
    text
}

struct Declared {
    config: Config,
    seen: HashSet<TypeId>,
    declarations: BTreeMap<String, String>,
}

impl TypeVisitor for Declared {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        // What has a file of its own, as the library sees it, has a declaration.
        if T::output_path().is_some() {
            let declaration = layout::broken(&format!("export {}", T::decl(&self.config)), LINE);
            let docs = T::docs().map_or_else(String::new, |docs| layout::first_sentence(&docs));
            let former = self.declarations.insert(T::ident(&self.config), format!("{docs}{declaration}\n"));
            assert!(
                former.is_none_or(|former| former.ends_with(&format!("{declaration}\n"))),
                "two types are called {}; give one of them another name there",
                T::ident(&self.config)
            );
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

mod layout;
