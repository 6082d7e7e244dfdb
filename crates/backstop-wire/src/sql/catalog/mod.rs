//! The target's catalogue as the analysis needs it: what the gate asks for, how the answers become a model,
//! and how names are looked up in it. It must not open a connection: the gate runs the queries.

mod load;
mod lookup;
mod model;
mod queries;
mod stock;

pub use load::{CatalogError, Rows};
pub use model::{
    Cast, Catalog, Event, Expression, ExpressionKind, ForeignKey, Function, Operator,
    ReferentialAction, Relation, RelationKind, Rule, Trigger, Type, Volatility,
};
pub use queries::{CatalogQuery, fingerprint_query};
