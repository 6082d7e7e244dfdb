//! A provider's schema: which types there are, which fields they have, which arguments those take.
//!
//! It must not know what a field does; that is in the provider's pack.

mod read;
mod sdl;

use super::document::Wraps;

pub use read::SchemaError;

/// A place in [`Schema::types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TypeId(pub(super) u32);

/// A schema, read from the schema language without its descriptions. Borrows from the text.
#[derive(Debug)]
pub struct Schema<'a> {
    /// Sorted by name.
    pub(super) types: Vec<Type<'a>>,
    pub(super) query: TypeId,
    pub(super) mutation: Option<TypeId>,
    pub(super) subscription: Option<TypeId>,
    pub(super) string: TypeId,
    pub(super) boolean: TypeId,
}

#[derive(Debug)]
pub(super) struct Type<'a> {
    pub(super) name: &'a str,
    pub(super) kind: TypeKind,
    /// Of objects and interfaces; sorted by name.
    pub(super) fields: Vec<Field<'a>>,
    /// Of input objects; sorted by name.
    pub(super) inputs: Vec<Input<'a>>,
    /// Of enums; sorted.
    pub(super) values: Vec<&'a str>,
    /// The object types that a value can be of; sorted. The type itself for an object.
    pub(super) possible: Vec<TypeId>,
    /// The interfaces that it implements.
    pub(super) interfaces: Vec<TypeId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeKind {
    Scalar(Scalar),
    Enum,
    Object,
    Interface,
    Union,
    Input,
}

/// The five that the specification defines, and the others, which take any value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Int,
    Float,
    String,
    Boolean,
    Id,
    Custom,
}

/// A type with the lists and exclamation marks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeRef {
    pub(super) named: TypeId,
    pub(super) wraps: Wraps,
}

#[derive(Debug)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) of: TypeRef,
    /// Sorted by name.
    pub(super) arguments: Vec<Input<'a>>,
}

/// An argument, or a field of an input object.
#[derive(Debug)]
pub(super) struct Input<'a> {
    pub(super) name: &'a str,
    pub(super) of: TypeRef,
    pub(super) has_default: bool,
}

impl Input<'_> {
    pub(super) fn is_needed(&self) -> bool {
        self.of.wraps.is_required() && !self.has_default
    }
}

impl TypeRef {
    /// What an element of the outermost list is.
    pub(super) fn element(self) -> Option<Self> {
        let wraps = self.wraps.element()?;
        Some(Self { wraps, ..self })
    }

    pub(super) fn optional(self) -> Self {
        let wraps = self.wraps.optional();
        Self { wraps, ..self }
    }
}

impl<'a> Type<'a> {
    pub(super) fn field(&self, name: &str) -> Option<&Field<'a>> {
        find(&self.fields, name, |field| field.name)
    }

    pub(super) fn input(&self, name: &str) -> Option<&Input<'a>> {
        find(&self.inputs, name, |input| input.name)
    }

    pub(super) fn is_composite(&self) -> bool {
        use TypeKind::{Interface, Object, Union};
        matches!(self.kind, Object | Interface | Union)
    }

    pub(super) fn is_input(&self) -> bool {
        !self.is_composite()
    }
}

impl<'a> Field<'a> {
    pub(super) fn argument(&self, name: &str) -> Option<&Input<'a>> {
        find(&self.arguments, name, |input| input.name)
    }
}

impl<'a> Schema<'a> {
    pub(super) fn get(&self, id: TypeId) -> &Type<'a> {
        // Ids come from this schema alone, so the fallback is never taken.
        static NOTHING: Type<'static> = Type {
            name: "?",
            kind: TypeKind::Union,
            fields: Vec::new(),
            inputs: Vec::new(),
            values: Vec::new(),
            possible: Vec::new(),
            interfaces: Vec::new(),
        };
        self.types.get(id.0 as usize).unwrap_or(&NOTHING)
    }

    pub(super) fn named(&self, name: &str) -> Option<TypeId> {
        let at = self.types.binary_search_by(|t| t.name.cmp(name)).ok()?;
        u32::try_from(at).ok().map(TypeId)
    }

    /// Whether some object can be of both types.
    pub(super) fn overlap(&self, a: TypeId, b: TypeId) -> bool {
        let (a, b) = (&self.get(a).possible, &self.get(b).possible);
        a.iter().any(|id| b.binary_search(id).is_ok())
    }
}

fn find<'t, T>(sorted: &'t [T], name: &str, of: impl Fn(&T) -> &str) -> Option<&'t T> {
    let at = sorted.binary_search_by(|item| of(item).cmp(name)).ok()?;
    sorted.get(at)
}
