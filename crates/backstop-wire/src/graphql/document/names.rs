//! Names within a document: each defined once.

use std::collections::HashSet;

use super::super::Refused;
use super::super::refuse::{refused, shown};
use super::Document;

impl Document {
    /// # Errors
    ///
    /// If there is no operation, an operation, fragment or variable is defined twice, or one of several operations has
    /// no name.
    pub(super) fn check_names(&mut self) -> Result<(), Refused> {
        if self.operations.is_empty() {
            return Err(refused("the document has no operation", "send one"));
        }
        let mut seen = HashSet::new();
        for operation in &self.operations {
            match operation.name {
                Some(name) if !seen.insert(self.str(name)) => {
                    return Err(twice("operation", self.str(name)));
                }
                None if self.operations.len() > 1 => {
                    return Err(refused(
                        "one of several operations has no name",
                        "name each of them",
                    ));
                }
                _ => {}
            }
            let mut variables = Vec::with_capacity(operation.variables.len());
            for variable in &operation.variables {
                let name = self.str(variable.name);
                if variables.contains(&name) {
                    return Err(twice("variable", name));
                }
                variables.push(name);
            }
        }
        let mut by_name: Vec<usize> = (0..self.fragments.len()).collect();
        by_name.sort_by_key(|&at| self.fragment_name(at));
        for (&a, &b) in by_name.iter().zip(by_name.iter().skip(1)) {
            if self.fragment_name(a) == self.fragment_name(b) {
                return Err(twice("fragment", self.fragment_name(a)));
            }
        }
        self.by_name = by_name;
        Ok(())
    }
}

fn twice(what: &str, name: &str) -> Refused {
    refused(
        format!("the {what} {} is defined twice", shown(name)),
        "define it once",
    )
}
