//! How names and numbers are looked up in a catalogue. It must not choose between candidates: callers get all.

use super::model::{Cast, Catalog, Function, Operator, Relation, Type};

impl Catalog {
    /// The relation of that name in that schema.
    #[must_use]
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Relation> {
        let oids = self.relation_names.get(name)?;
        oids.iter()
            .filter_map(|oid| self.relations.get(oid))
            .find(|relation| relation.schema == schema)
    }

    /// The relation of that oid.
    #[must_use]
    pub fn relation_by_oid(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(&oid)
    }

    /// The relations of that name, whatever their schema.
    pub fn relations_named(&self, name: &str) -> impl Iterator<Item = &Relation> {
        let oids = self.relation_names.get(name).map_or(&[][..], Vec::as_slice);
        oids.iter().filter_map(|oid| self.relations.get(oid))
    }

    /// Every relation.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values()
    }

    /// Every function of that name, whatever its schema.
    #[must_use]
    pub fn functions_named(&self, name: &str) -> &[Function] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// The function of that oid.
    #[must_use]
    pub fn function(&self, oid: u32) -> Option<&Function> {
        let (name, at) = self.function_oids.get(&oid)?;
        self.functions.get(name)?.get(*at)
    }

    /// Every function.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values().flatten()
    }

    /// Every overload of an operator of that name, whatever its schema.
    #[must_use]
    pub fn operators_named(&self, name: &str) -> &[Operator] {
        self.operators.get(name).map_or(&[], Vec::as_slice)
    }

    /// Every type of that name, whatever its schema.
    #[must_use]
    pub fn types_named(&self, name: &str) -> &[Type] {
        self.types.get(name).map_or(&[], Vec::as_slice)
    }

    /// The type of that oid.
    #[must_use]
    pub fn type_by_oid(&self, oid: u32) -> Option<&Type> {
        let (name, at) = self.type_oids.get(&oid)?;
        self.types.get(name)?.get(*at)
    }

    /// The casts that are not the system's own.
    #[must_use]
    pub fn casts(&self) -> &[Cast] {
        &self.casts
    }

    /// Whether any relation has a column of that name.
    #[must_use]
    pub fn has_column(&self, name: &str) -> bool {
        self.column_names.contains(name)
    }

    /// Every operator overload.
    pub fn all_operators(&self) -> impl Iterator<Item = &Operator> {
        self.operators.values().flatten()
    }
}
