//! Connections: nodes behind edges, a page at a time.

use apollo_compiler::resolvers::ResolveInfo;
use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::schema::ExtendedType;

use super::{Entity, maybe, one, unknown};
use crate::railway::visit::{Found, Refusal, optional};

/// A page of a connection.
#[derive(Debug, Clone)]
pub(in crate::railway) struct List {
    /// Each connection of the schema is a type of its own.
    pub(super) type_name: String,
    edge: String,
    nodes: Vec<Entity>,
    before: bool,
    after: bool,
}

/// One node in its place.
#[derive(Debug, Clone)]
pub(in crate::railway) struct Edge {
    pub(super) type_name: String,
    node: Box<Entity>,
}

impl List {
    /// Cuts the page that `after`, `before`, `first` and `last` ask for.
    pub(super) fn page(mut nodes: Vec<Entity>, info: &ResolveInfo<'_>) -> Self {
        let arguments = info.arguments();
        let place = |nodes: &[Entity], name: &str| {
            let cursor = optional(arguments, name)?;
            nodes.iter().position(|node| node.id() == cursor)
        };
        let all = nodes.len();
        if let Some(at) = place(&nodes, "before") {
            nodes.truncate(at);
        }
        let mut after = nodes.len() < all;
        let mut before = false;
        if let Some(at) = place(&nodes, "after") {
            nodes.drain(..=at);
            before = true;
        }
        if let Some(first) = number(arguments, "first").filter(|first| *first < nodes.len()) {
            nodes.truncate(first);
            after = true;
        }
        if let Some(last) = number(arguments, "last").filter(|last| *last < nodes.len()) {
            nodes.drain(..nodes.len() - last);
            before = true;
        }
        let type_name = info.field_definition().ty.inner_named_type().to_string();
        let edge = edge_type(info, &type_name);
        Self {
            type_name,
            edge,
            nodes,
            before,
            after,
        }
    }

    pub(super) fn field(&self, field: &str) -> Result<Found, Refusal> {
        match field {
            "edges" => Ok(Found::Many(self.edges())),
            "pageInfo" => one(self.info()),
            other => unknown(&self.type_name, other),
        }
    }

    fn edges(&self) -> Vec<Entity> {
        let edge = |node: &Entity| {
            Entity::Edge(Edge {
                type_name: self.edge.clone(),
                node: Box::new(node.clone()),
            })
        };
        self.nodes.iter().map(edge).collect()
    }

    fn info(&self) -> Entity {
        let cursor = |node: Option<&Entity>| match node {
            Some(node) => JsonValue::from(node.id()),
            None => JsonValue::Null,
        };
        let mut fields = JsonMap::new();
        fields.insert("hasNextPage", self.after.into());
        fields.insert("hasPreviousPage", self.before.into());
        fields.insert("startCursor", cursor(self.nodes.first()));
        fields.insert("endCursor", cursor(self.nodes.last()));
        Entity::Plain {
            type_name: "PageInfo",
            fields,
        }
    }
}

impl Edge {
    pub(super) fn field(&self, field: &str) -> Result<Found, Refusal> {
        match field {
            "cursor" => maybe(Some(&self.node.id().to_owned())),
            "node" => one((*self.node).clone()),
            other => unknown(&self.type_name, other),
        }
    }
}

/// What the schema calls the edges of a connection.
fn edge_type(info: &ResolveInfo<'_>, connection: &str) -> String {
    let Some(ExtendedType::Object(object)) = info.schema().types.get(connection) else {
        return String::new();
    };
    let edges = object.fields.get("edges");
    edges.map_or_else(String::new, |field| field.ty.inner_named_type().to_string())
}

fn number(arguments: &JsonMap, name: &str) -> Option<usize> {
    usize::try_from(arguments.get(name)?.as_i64()?).ok()
}

/// A connection without nodes, of whatever type the schema says.
pub(super) fn empty() -> Result<Found, Refusal> {
    Ok(Found::Nodes(vec![]))
}

/// A list without items.
pub(super) fn none() -> Result<Found, Refusal> {
    Ok(Found::Many(vec![]))
}
