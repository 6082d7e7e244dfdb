//! Calls: whose function a name can mean, and what that function does.
//! It must judge every candidate that PostgreSQL might choose; argument types are not worked out here.

use backstop_core::effect::{Bound, Effect, EffectKind, Verb};
use pg_query::protobuf::{FuncCall, Node, RangeVar};

use super::super::builtins::{self, Rule};
use super::super::catalog::{Function, Volatility};
use super::super::script::Setting;
use super::super::settings::{self, Class};
use super::super::{names, quote, reach};
use super::Walk;
use super::types::TRUSTED_EXTENSIONS;

/// Why `nextval` writes.
const ADVANCES: &str = "advances a sequence; numbers may be skipped, nothing is lost";

impl<'a> Walk<'a> {
    /// A query that may give many rows advances its sequences as often: a small one runs out.
    pub(crate) fn advances_without_bound(&mut self) {
        let advancing = |effect: &&mut Effect| effect.because.as_deref() == Some(ADVANCES);
        for effect in self.found.effects.iter_mut().filter(advancing) {
            effect.bound = Bound::Unbounded;
        }
    }

    pub(crate) fn call(&mut self, call: &FuncCall) {
        let before = (self.found.effects.len(), self.found.incomplete.len());
        self.call_of(call);
        if (self.found.effects.len(), self.found.incomplete.len()) != before {
            self.mark(call.location);
        }
    }

    fn call_of(&mut self, call: &FuncCall) {
        let Some((schema, name)) = names::schema_and_name(&call.funcname) else {
            self.found.incomplete("calls something without a name");
            return;
        };
        self.unasked_casts(false);
        let count = (!call.agg_within_group && !call.func_variadic).then_some(call.args.len());
        let candidates = self.candidates(schema, name, count);
        if candidates.is_empty() {
            self.no_candidate(schema, name, &call.args);
            return;
        }
        let own_system = candidates.iter().any(|f| f.is_system());
        let mut judged = false;
        for function in candidates {
            self.set_met |= function.returns_set;
            if function.is_system() {
                if !judged {
                    self.system_call(function, &call.args);
                    judged = true;
                }
                self.volatile_overload(function);
            } else {
                self.user_call(function, own_system && schema.is_none(), &call.args);
            }
        }
    }

    /// Every function that the name can mean.
    fn candidates(
        &mut self,
        schema: Option<&str>,
        name: &str,
        count: Option<usize>,
    ) -> Vec<&'a Function> {
        if schema.is_none() {
            self.needs_path();
        }
        let catalog = self.catalog;
        let all = catalog.functions_named(name);
        let in_sight: Vec<&Function> = match schema {
            Some(schema) => all.iter().filter(|f| &*f.schema == schema).collect(),
            None => {
                let path = self.path();
                all.iter().filter(|f| path.contains(&&*f.schema)).collect()
            }
        };
        let Some(count) = count else { return in_sight };
        let fitting: Vec<&Function> = in_sight
            .iter()
            .copied()
            .filter(|f| f.takes(count))
            .collect();
        // No fit: the server refuses the call. To be sure of that, all are judged.
        if fitting.is_empty() {
            in_sight
        } else {
            fitting
        }
    }

    fn no_candidate(&mut self, schema: Option<&str>, name: &str, arguments: &[Node]) {
        let printed = schema.map_or_else(|| quote::ident(name), |s| quote::qualified(s, name));
        if arguments.len() == 1 && !self.catalog.types_named(name).is_empty() {
            self.type_called(schema, name);
            return;
        }
        if !self.catalog.assume_tables {
            self.found.unresolved(printed);
            return;
        }
        match builtins::extension_function(name) {
            Some(Rule::Harmless) => {}
            Some(rule) => self.rule(rule, &printed, arguments),
            None => {
                self.found
                    .incomplete(format!("calls {printed}, whose code the gate cannot see"));
                self.found.effect(
                    Effect::new(EffectKind::Read, Verb::Execute, printed)
                        .because("calls a function"),
                );
            }
        }
    }

    /// A system function: by the reviewed table; what is not in it must not be volatile.
    pub(crate) fn system_call(&mut self, function: &Function, arguments: &[Node]) {
        if let Some(rule) = builtins::rule(&function.name) {
            let printed = quote::qualified(&function.schema, &function.name);
            self.rule(rule, &printed, arguments);
        }
    }

    pub(crate) fn volatile_overload(&mut self, function: &Function) {
        if function.volatility == Volatility::Volatile && builtins::rule(&function.name).is_none() {
            self.found.incomplete(format!(
                "calls {}, which may do anything and is not reviewed",
                quote::qualified(&function.schema, &function.name)
            ));
        }
    }

    fn user_call(&mut self, function: &Function, shadows: bool, arguments: &[Node]) {
        let printed = quote::qualified(&function.schema, &function.name);
        if let Some(extension) = function.extension.as_deref() {
            if let Some(rule) = builtins::extension_function(&function.name) {
                self.rule(rule, &printed, arguments);
                return;
            }
            if TRUSTED_EXTENSIONS.contains(&extension)
                && function.volatility != Volatility::Volatile
            {
                return;
            }
        }
        let blind = reach::of_function(self.catalog, function);
        let why = if shadows {
            format!("`{}` could be captured by {printed}", function.name)
        } else {
            format!("calls {printed}, whose code the gate cannot see")
        };
        self.found.unproven_unless(why, blind.as_deref());
    }

    /// Whether a function that runs unasked (behind an operator, a cast) is known to look only.
    pub(crate) fn harmless_behind(&self, function: &Function) -> bool {
        if function.is_system() {
            return match builtins::rule(&function.name) {
                Some(rule) => matches!(rule, Rule::Harmless),
                None => function.volatility != Volatility::Volatile,
            };
        }
        function
            .extension
            .as_deref()
            .is_some_and(|e| TRUSTED_EXTENSIONS.contains(&e))
            && function.volatility != Volatility::Volatile
    }

    /// An operator: user ones of that name in sight may capture it.
    pub(crate) fn operator(&mut self, schema: Option<&str>, name: &str) {
        if schema == Some("pg_catalog") {
            return;
        }
        if schema.is_none() {
            self.needs_path();
        }
        let catalog = self.catalog;
        let all = catalog.operators_named(name);
        let mut seen = false;
        for operator in all {
            if &*operator.schema == "pg_catalog" {
                seen |= schema.is_none();
                continue;
            }
            let in_sight = match schema {
                Some(schema) => &*operator.schema == schema,
                None => self
                    .scope
                    .path
                    .as_ref()
                    .is_some_and(|p| p.iter().any(|s| **s == *operator.schema)),
            };
            if !in_sight {
                continue;
            }
            seen = true;
            let behind = catalog.function(operator.function);
            if !behind.is_some_and(|f| self.harmless_behind(f)) {
                let why = format!(
                    "`{name}` could be captured by the operator {}.{name}",
                    operator.schema
                );
                let blind = reach::of_oid(catalog, operator.function);
                self.found.unproven_unless(why, blind.as_deref());
            }
        }
        if !seen {
            self.no_operator(schema, name);
        }
    }

    fn no_operator(&mut self, schema: Option<&str>, name: &str) {
        if !self.catalog.assume_tables {
            self.found.unresolved(name.to_owned());
        } else if schema.is_some() || !builtins::extension_operator(name) {
            self.found.incomplete(format!(
                "uses the operator {name}, whose code the gate cannot see"
            ));
        }
    }

    /// What newer grammars read as a keyword and an older server as a call of a user's function.
    pub(crate) fn shadowed_keyword(&mut self, words: &[&str]) {
        if self.catalog.major >= 17 {
            return;
        }
        let path = self.path();
        let hidden = words
            .iter()
            .flat_map(|word| self.catalog.functions_named(word))
            .find(|f| !f.is_system() && path.contains(&&*f.schema));
        if let Some(function) = hidden {
            let printed = quote::qualified(&function.schema, &function.name);
            self.found.incomplete(format!(
                "could call {printed}, whose code the gate cannot see"
            ));
        }
    }

    fn rule(&mut self, rule: Rule, printed: &str, arguments: &[Node]) {
        // The planner evaluates nothing volatile.
        let runs_when_planned =
            matches!(rule, Rule::Opaque(_) | Rule::QueryText(_) | Rule::TableText);
        if self.planned_only && !runs_when_planned {
            return;
        }
        match rule {
            Rule::Harmless => {}
            Rule::Does(kind, verb, why) => {
                let mut effect = Effect::new(kind, verb, printed.to_owned()).because(why);
                effect.system = true;
                effect.reversible = kind == EffectKind::Define;
                self.found.effect(effect);
            }
            Rule::Sequence => self.sequence(arguments),
            Rule::SetSequence => self.set_sequence(arguments),
            Rule::SetConfig => self.set_config(arguments),
            Rule::CurrentSetting => {
                if let Some(name) = arguments.first().and_then(names::text_constant)
                    && settings::reveals(&name.to_ascii_lowercase())
                {
                    self.reveal(
                        name.to_ascii_lowercase(),
                        "a setting that holds a credential",
                    );
                }
            }
            Rule::QueryText(at) => match arguments.get(at).and_then(names::text_constant) {
                Some(sql) => {
                    let sql = sql.to_owned();
                    self.text(&sql, printed);
                }
                None => self.found.incomplete(format!(
                    "runs a text that is put together at run time, through {printed}"
                )),
            },
            Rule::TableText => self.table_text(arguments, printed),
            Rule::Opaque(why) => self.found.incomplete(format!("calls {printed}: {why}")),
        }
    }

    /// The relation that a constant of type regclass names.
    fn named_relation(&mut self, arguments: &[Node]) -> Option<super::Target<'a>> {
        let text = arguments.first().and_then(names::text_constant)?;
        let (schema, name) = split_name(text)?;
        Some(self.resolve_name(schema.as_deref(), &name))
    }

    fn sequence(&mut self, arguments: &[Node]) {
        let object = self.named_relation(arguments);
        let mut effect = match &object {
            Some(target) => target.effect(EffectKind::Write, Verb::Update),
            None => Effect::new(EffectKind::Write, Verb::Update, None),
        };
        effect = effect.bounded(Bound::Rows(1)).because(ADVANCES);
        effect.reversible = true;
        self.found.effect(effect);
    }

    fn set_sequence(&mut self, arguments: &[Node]) {
        let object = self.named_relation(arguments);
        let effect = match &object {
            Some(target) => target.effect(EffectKind::Destroy, Verb::Update),
            None => Effect::new(EffectKind::Destroy, Verb::Update, None),
        };
        self.found
            .effect(effect.because("sets a sequence, which ROLLBACK does not take back"));
    }

    fn set_config(&mut self, arguments: &[Node]) {
        let name = arguments
            .first()
            .and_then(names::text_constant)
            .map(str::to_ascii_lowercase);
        let Some(name) = name else {
            self.found
                .incomplete("changes a setting whose name is put together at run time");
            self.found.settings.push(Setting {
                name: None,
                values: None,
                local: false,
                class: Class::Held,
            });
            return;
        };
        let value = arguments
            .get(1)
            .and_then(names::text_constant)
            .map(str::to_owned);
        let local = arguments.get(2).is_none_or(|node| {
            names::setting_value(node).is_none_or(|v| settings::is_on(&v.to_ascii_lowercase()))
        });
        if value.is_none() && settings::depends_on_value(&name) {
            self.found.incomplete(format!(
                "changes the setting {name} to a value that is put together at run time"
            ));
        }
        let values = value.map(|v| {
            if name == "search_path" {
                split_list(&v)
            } else {
                vec![v]
            }
        });
        self.set(name, values, local);
    }

    /// A setting changes, by SET, RESET or `set_config`.
    pub(crate) fn set(&mut self, name: String, values: Option<Vec<String>>, local: bool) {
        let (mut class, mut why) = settings::classify(&name, values.as_deref());
        if class == Class::Harmless && name.contains('.') && self.catalog.policies_read_settings {
            (class, why) = (
                Class::Held,
                Some("a policy of row-level security may read this setting"),
            );
        }
        if class == Class::Held && self.is_own_identity(&name, values.as_deref()) {
            (class, why) = (Class::Harmless, None);
        }
        let writes = class == Class::Transaction && why.is_some();
        if matches!(class, Class::Held | Class::Refused) || writes {
            let mut effect = Effect::new(EffectKind::Admin, Verb::Other, name.clone());
            effect.because = why.map(str::to_owned);
            effect.system = true;
            self.found.effect(effect);
        }
        self.found.settings.push(Setting {
            name: Some(name),
            values,
            local,
            class,
        });
    }

    /// SET ROLE and SET SESSION AUTHORIZATION to who one already is.
    fn is_own_identity(&self, name: &str, values: Option<&[String]>) -> bool {
        matches!(name, "role" | "session_authorization")
            && values
                .and_then(<[String]>::first)
                .is_some_and(|v| self.scope.own_roles.contains(v))
    }

    fn table_text(&mut self, arguments: &[Node], printed: &str) {
        self.found.runs_text = true;
        match arguments
            .first()
            .and_then(names::text_constant)
            .and_then(split_name)
        {
            Some((schema, name)) => {
                let range = RangeVar {
                    schemaname: schema.unwrap_or_default(),
                    relname: name,
                    inh: true,
                    ..RangeVar::default()
                };
                let target = self.resolve(&range);
                self.read(&target, &range);
            }
            None => self.found.incomplete(format!(
                "reads a table that is named at run time, through {printed}"
            )),
        }
    }
}

/// `schema.name` as `regclass` reads it: folded to lower case unless quoted.
fn split_name(text: &str) -> Option<(Option<String>, String)> {
    let mut parts: Vec<String> = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    let mut chars = text.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                part.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            _ if quoted => part.push(c),
            _ => part.extend(c.to_lowercase()),
        }
    }
    parts.push(part);
    if quoted || parts.iter().any(String::is_empty) {
        return None;
    }
    let name = parts.pop()?;
    Some((parts.pop(), name))
}

/// The entries of a `search_path` as text.
fn split_list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && *part != "\"\"")
        .map(
            |part| match part.strip_prefix('"').and_then(|p| p.strip_suffix('"')) {
                Some(inner) => inner.replace("\"\"", "\""),
                None => part.to_lowercase(),
            },
        )
        .collect()
}
