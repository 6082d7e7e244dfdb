//! From the parser's events to definitions. Every node is named here; any other is refused.

use apollo_parser::SyntaxKind as K;

use super::super::Refused;
use super::super::call::Kind;
use super::super::refuse::{PLAINER, VARIABLES, refused};
use super::events::Event;
use super::{
    Argument, Directive, Field, Fragment, Operation, Selection, Span, Type, Value, Variable, Wraps,
    slice, string,
};

/// The operations and fragments of a document, each in the order of the text.
pub(super) fn definitions(
    text: &str,
    events: &[Event],
) -> Result<(Vec<Operation>, Vec<Fragment>), Refused> {
    let mut build = Build {
        text,
        events,
        at: 0,
    };
    let (mut operations, mut fragments) = (Vec::new(), Vec::new());
    while let Some(event) = build.peek() {
        match event {
            Event::Open(k) if k == K::OPERATION_DEFINITION as u16 => {
                operations.push(build.operation()?);
            }
            Event::Open(k) if k == K::FRAGMENT_DEFINITION as u16 => {
                fragments.push(build.fragment()?);
            }
            Event::Open(_) => {
                return Err(refused(
                    "the document defines types",
                    "send operations and fragments only",
                ));
            }
            _ => return Err(odd()),
        }
    }
    Ok((operations, fragments))
}

struct Build<'e> {
    text: &'e str,
    events: &'e [Event],
    at: usize,
}

/// Arguments of one field, keys of one object, variables of one operation: a bound for comparing each with each.
const MOST: usize = 256;

fn many() -> Refused {
    refused(
        "the document has more than 256 arguments, keys or variables in one place",
        VARIABLES,
    )
}

fn odd() -> Refused {
    refused("the document is not complete GraphQL", PLAINER)
}

impl Build<'_> {
    fn peek(&self) -> Option<Event> {
        self.events.get(self.at).copied()
    }

    fn next(&mut self) -> Result<Event, Refused> {
        let event = self.peek().ok_or_else(odd)?;
        self.at += 1;
        Ok(event)
    }

    fn is_open(&self, kind: K) -> bool {
        self.peek() == Some(Event::Open(kind as u16))
    }

    fn open(&mut self, kind: K) -> Result<(), Refused> {
        match self.next()? {
            Event::Open(k) if k == kind as u16 => Ok(()),
            _ => Err(odd()),
        }
    }

    fn close(&mut self) -> Result<(), Refused> {
        match self.next()? {
            Event::Close => Ok(()),
            _ => Err(odd()),
        }
    }

    fn token(&mut self, kind: K) -> Result<Span, Refused> {
        match self.next()? {
            Event::Token(k, span) if k == kind as u16 => Ok(span),
            _ => Err(odd()),
        }
    }

    fn is_token(&self, kind: K) -> bool {
        matches!(self.peek(), Some(Event::Token(k, _)) if k == kind as u16)
    }

    /// `open … close` around what `inner` reads.
    fn node<T>(
        &mut self,
        kind: K,
        inner: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.open(kind)?;
        let value = inner(self)?;
        self.close()?;
        Ok(value)
    }

    fn name(&mut self) -> Result<Span, Refused> {
        self.node(K::NAME, |b| b.token(K::IDENT))
    }

    fn operation(&mut self) -> Result<Operation, Refused> {
        self.node(K::OPERATION_DEFINITION, |b| {
            let kind = if b.is_open(K::OPERATION_TYPE) {
                b.node(K::OPERATION_TYPE, Self::operation_type)?
            } else {
                Kind::Query
            };
            let name = b.is_open(K::NAME).then(|| b.name()).transpose()?;
            let variables = b.variables()?;
            b.no_directives("an operation")?;
            Ok(Operation {
                kind,
                name,
                variables,
                selections: b.selection_set()?,
            })
        })
    }

    fn operation_type(&mut self) -> Result<Kind, Refused> {
        match self.next()? {
            Event::Token(k, _) if k == K::query_KW as u16 => Ok(Kind::Query),
            Event::Token(k, _) if k == K::mutation_KW as u16 => Ok(Kind::Mutation),
            Event::Token(k, _) if k == K::subscription_KW as u16 => Ok(Kind::Subscription),
            _ => Err(odd()),
        }
    }

    fn fragment(&mut self) -> Result<Fragment, Refused> {
        self.node(K::FRAGMENT_DEFINITION, |b| {
            b.token(K::fragment_KW)?;
            let name = b.node(K::FRAGMENT_NAME, Self::name)?;
            let on = b.type_condition()?;
            b.no_directives("a fragment")?;
            Ok(Fragment {
                name,
                on,
                selections: b.selection_set()?,
            })
        })
    }

    fn type_condition(&mut self) -> Result<Span, Refused> {
        self.node(K::TYPE_CONDITION, |b| {
            b.token(K::on_KW)?;
            b.node(K::NAMED_TYPE, Self::name)
        })
    }

    /// No directive is known that stands there; what one does to the whole operation nobody knows.
    fn no_directives(&mut self, place: &str) -> Result<(), Refused> {
        if self.is_open(K::DIRECTIVES) {
            return Err(refused(
                format!("the document has a directive on {place}"),
                "leave it out",
            ));
        }
        Ok(())
    }

    fn variables(&mut self) -> Result<Vec<Variable>, Refused> {
        let mut variables = Vec::new();
        if self.is_open(K::VARIABLE_DEFINITIONS) {
            self.open(K::VARIABLE_DEFINITIONS)?;
            self.token(K::L_PAREN)?;
            while self.is_open(K::VARIABLE_DEFINITION) {
                variables.push(self.node(K::VARIABLE_DEFINITION, Self::variable_definition)?);
            }
            if variables.len() > MOST {
                return Err(many());
            }
            self.token(K::R_PAREN)?;
            self.close()?;
        }
        Ok(variables)
    }

    fn variable_definition(&mut self) -> Result<Variable, Refused> {
        let name = self.variable()?;
        self.token(K::COLON)?;
        let of = self.type_reference()?;
        let default = if self.is_open(K::DEFAULT_VALUE) {
            Some(self.node(K::DEFAULT_VALUE, |b| {
                b.token(K::EQ)?;
                b.value()
            })?)
        } else {
            None
        };
        self.no_directives("a variable")?;
        Ok(Variable { name, of, default })
    }

    fn variable(&mut self) -> Result<Span, Refused> {
        self.node(K::VARIABLE, |b| {
            b.token(K::DOLLAR)?;
            b.name()
        })
    }

    fn type_reference(&mut self) -> Result<Type, Refused> {
        match self.peek() {
            Some(Event::Open(k)) if k == K::NON_NULL_TYPE as u16 => {
                self.node(K::NON_NULL_TYPE, |b| {
                    let mut of = b.type_reference()?;
                    b.token(K::BANG)?;
                    of.wraps = of.wraps.require();
                    Ok(of)
                })
            }
            Some(Event::Open(k)) if k == K::LIST_TYPE as u16 => self.node(K::LIST_TYPE, |b| {
                b.token(K::L_BRACK)?;
                let mut of = b.type_reference()?;
                b.token(K::R_BRACK)?;
                of.wraps = of.wraps.in_list().ok_or_else(odd)?;
                Ok(of)
            }),
            _ => Ok(Type {
                named: self.node(K::NAMED_TYPE, Self::name)?,
                wraps: Wraps::default(),
            }),
        }
    }

    fn selection_set(&mut self) -> Result<Vec<Selection>, Refused> {
        self.node(K::SELECTION_SET, |b| {
            b.token(K::L_CURLY)?;
            let mut selections = Vec::new();
            while !b.is_token(K::R_CURLY) {
                selections.push(b.selection()?);
            }
            b.token(K::R_CURLY)?;
            if selections.is_empty() {
                return Err(odd());
            }
            Ok(selections)
        })
    }

    fn selection(&mut self) -> Result<Selection, Refused> {
        if self.is_open(K::FIELD) {
            return Ok(Selection::Field(self.node(K::FIELD, Self::field)?));
        }
        if self.is_open(K::FRAGMENT_SPREAD) {
            return self.node(K::FRAGMENT_SPREAD, |b| {
                b.token(K::SPREAD)?;
                Ok(Selection::Spread {
                    name: b.node(K::FRAGMENT_NAME, Self::name)?,
                    directives: b.directives()?,
                })
            });
        }
        self.node(K::INLINE_FRAGMENT, |b| {
            b.token(K::SPREAD)?;
            let on = b.is_open(K::TYPE_CONDITION).then(|| b.type_condition());
            Ok(Selection::Inline {
                on: on.transpose()?,
                directives: b.directives()?,
                selections: b.selection_set()?,
            })
        })
    }

    fn field(&mut self) -> Result<Field, Refused> {
        let alias = if self.is_open(K::ALIAS) {
            Some(self.node(K::ALIAS, |b| {
                let name = b.name()?;
                b.token(K::COLON)?;
                Ok(name)
            })?)
        } else {
            None
        };
        Ok(Field {
            alias,
            name: self.name()?,
            arguments: self.arguments()?,
            directives: self.directives()?,
            selections: self
                .is_open(K::SELECTION_SET)
                .then(|| self.selection_set())
                .transpose()?,
        })
    }

    fn directives(&mut self) -> Result<Vec<Directive>, Refused> {
        let mut directives = Vec::new();
        if self.is_open(K::DIRECTIVES) {
            self.open(K::DIRECTIVES)?;
            while self.is_open(K::DIRECTIVE) {
                directives.push(self.node(K::DIRECTIVE, |b| {
                    b.token(K::AT)?;
                    Ok(Directive {
                        name: b.name()?,
                        arguments: b.arguments()?,
                    })
                })?);
            }
            self.close()?;
        }
        Ok(directives)
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, Refused> {
        let mut arguments = Vec::new();
        if self.is_open(K::ARGUMENTS) {
            self.open(K::ARGUMENTS)?;
            self.token(K::L_PAREN)?;
            while self.is_open(K::ARGUMENT) {
                let argument = self.node(K::ARGUMENT, Self::pair)?;
                self.add(&mut arguments, argument)?;
            }
            self.token(K::R_PAREN)?;
            self.close()?;
        }
        Ok(arguments)
    }

    fn pair(&mut self) -> Result<Argument, Refused> {
        let name = self.name()?;
        self.token(K::COLON)?;
        Ok(Argument {
            name,
            value: self.value()?,
        })
    }

    /// Of an argument or key that comes twice one server takes the first, another the last.
    fn add(&self, to: &mut Vec<Argument>, new: Argument) -> Result<(), Refused> {
        if to.len() >= MOST {
            return Err(many());
        }
        let name = slice(self.text, new.name);
        if to.iter().any(|known| slice(self.text, known.name) == name) {
            return Err(refused(
                "the document names an argument or key twice",
                "name it once",
            ));
        }
        to.push(new);
        Ok(())
    }

    fn value(&mut self) -> Result<Value, Refused> {
        if self.is_open(K::VARIABLE) {
            return Ok(Value::Variable(self.variable()?));
        }
        let Event::Open(kind) = self.next()? else {
            return Err(odd());
        };
        let value = match kind {
            k if k == K::INT_VALUE as u16 => Value::Int(self.token(K::INT)?),
            k if k == K::FLOAT_VALUE as u16 => Value::Float(self.token(K::FLOAT)?),
            k if k == K::STRING_VALUE as u16 => {
                let span = self.token(K::STRING)?;
                Value::String(string::decode(slice(self.text, span))?)
            }
            k if k == K::BOOLEAN_VALUE as u16 => {
                let yes = self.is_token(K::true_KW);
                self.token(if yes { K::true_KW } else { K::false_KW })?;
                Value::Boolean(yes)
            }
            k if k == K::NULL_VALUE as u16 => {
                self.token(K::null_KW)?;
                Value::Null
            }
            k if k == K::ENUM_VALUE as u16 => Value::Enum(self.name()?),
            k if k == K::LIST_VALUE as u16 => self.list()?,
            k if k == K::OBJECT_VALUE as u16 => self.object()?,
            _ => return Err(odd()),
        };
        self.close()?;
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, Refused> {
        self.token(K::L_BRACK)?;
        let mut values = Vec::new();
        while !self.is_token(K::R_BRACK) {
            values.push(self.value()?);
        }
        self.token(K::R_BRACK)?;
        Ok(Value::List(values))
    }

    fn object(&mut self) -> Result<Value, Refused> {
        self.token(K::L_CURLY)?;
        let mut fields = Vec::new();
        while self.is_open(K::OBJECT_FIELD) {
            let field = self.node(K::OBJECT_FIELD, Self::pair)?;
            self.add(&mut fields, field)?;
        }
        self.token(K::R_CURLY)?;
        Ok(Value::Object(fields))
    }
}
