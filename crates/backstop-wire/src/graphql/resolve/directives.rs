//! `@skip` and `@include`, the two directives that every server has. Any other is refused.

use serde_json::Value as Json;

use super::super::Refused;
use super::super::document::{Directive, Wraps};
use super::super::refuse::{refused, shown};
use super::super::schema::TypeRef;
use super::{Place, Walk};

impl<'d> Walk<'d, '_, '_> {
    /// Whether what carries the directives is there, given that what is around it is.
    pub(super) fn directives(
        &mut self,
        directives: &'d [Directive],
        place: Place,
    ) -> Result<bool, Refused> {
        let mut live = place.live;
        let mut seen = Vec::new();
        for directive in directives {
            let name = self.document.str(directive.name);
            if seen.contains(&name) {
                return Err(refused(
                    format!("the directive {} comes twice in one place", shown(name)),
                    "send it once",
                ));
            }
            seen.push(name);
            live &= match (name, self.condition(directive, place)?) {
                // Without a value, the operation does not run, and nothing is skipped.
                (_, None) => true,
                ("include", Some(yes)) => yes,
                (_, Some(yes)) => !yes,
            };
        }
        Ok(live)
    }

    fn condition(
        &mut self,
        directive: &'d Directive,
        place: Place,
    ) -> Result<Option<bool>, Refused> {
        let name = self.document.str(directive.name);
        if !matches!(name, "skip" | "include") {
            return Err(refused(
                format!("the directive {} is not known", shown(name)),
                "leave it out",
            ));
        }
        let wrong = || {
            refused(
                format!("the directive {} takes `if` with a Boolean", shown(name)),
                "write it so",
            )
        };
        let [argument] = directive.arguments.as_slice() else {
            return Err(wrong());
        };
        if self.document.str(argument.name) != "if" {
            return Err(wrong());
        }
        let of = self.schema.map(|schema| TypeRef {
            named: schema.boolean,
            wraps: Wraps::default().require(),
        });
        match self.value(&argument.value, of, false, place)? {
            Some(Json::Bool(yes)) => Ok(Some(yes)),
            None if !self.variables.runs() => Ok(None),
            _ => Err(wrong()),
        }
    }
}
