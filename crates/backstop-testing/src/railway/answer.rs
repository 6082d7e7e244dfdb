//! A request's answer: parsed, held against the published schema, carried out, shaped by its selection.
//!
//! It must not answer what does not validate.

use std::sync::Arc;

use anyhow::Result;
use apollo_compiler::ast::Document;
use apollo_compiler::executable::{Operation, OperationType};
use apollo_compiler::introspection::check_max_depth;
use apollo_compiler::request::{RequestError, coerce_variable_values};
use apollo_compiler::resolvers::Execution;
use apollo_compiler::response::GraphQLError;
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, response::ExecutionResponse};
use serde_json::{Value, json};

use super::body::{Asked, Unread};
use super::ids::trace;
use super::objects::{Entity, Object};
use super::schema::{Published, published};
use super::visit::{NOT_SIMULATED, Visit};

/// A status and a body of JSON.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// A request that is valid for the schema.
pub(super) struct Prepared {
    published: &'static Published,
    document: Valid<ExecutableDocument>,
    asked: Asked,
}

impl Prepared {
    /// Parses and validates a request; what is wrong with it is its answer.
    pub(super) fn of(asked: Asked) -> Result<Self, Answer> {
        let published = published().map_err(|why| broken(&why.to_string()))?;
        let document = Document::parse(asked.query.as_str(), "request.graphql")
            .map_err(|errors| invalid("GRAPHQL_PARSE_FAILED", &errors.errors))?
            .to_executable_validate(&published.schema)
            .map_err(|errors| invalid("GRAPHQL_VALIDATION_FAILED", &errors.errors))?;
        let prepared = Self {
            published,
            document,
            asked,
        };
        let operation = prepared.operation()?;
        if operation.operation_type == OperationType::Subscription {
            return Err(refused(
                400,
                "BAD_REQUEST",
                "subscriptions need a WebSocket",
            ));
        }
        check_max_depth(&prepared.document, operation).map_err(|error| request(&error))?;
        Ok(prepared)
    }

    /// `query` or `mutation`.
    pub(super) fn kind(&self) -> &'static str {
        match self.operation() {
            Ok(operation) => operation.operation_type.name(),
            Err(_) => "unreadable",
        }
    }

    /// The fields at its root.
    pub(super) fn fields(&self) -> Vec<String> {
        let operation = self.operation().ok();
        operation
            .into_iter()
            .flat_map(|operation| operation.root_fields(&self.document))
            .map(|field| field.name.to_string())
            .collect()
    }

    /// Carries it out.
    pub(super) fn execute(&self, visit: Visit) -> Answer {
        match self.run(visit) {
            Ok(response) => told(&response),
            Err(answer) => answer,
        }
    }

    fn run(&self, visit: Visit) -> Result<ExecutionResponse, Answer> {
        let operation = self.operation()?;
        let schema = &self.published.schema;
        let variables = coerce_variable_values(schema, operation, &self.asked.variables)
            .map_err(|error| request(&error))?;
        let root = Object {
            visit: Arc::new(visit),
            entity: match operation.operation_type {
                OperationType::Mutation => Entity::Mutation,
                _ => Entity::Query,
            },
        };
        Execution::new(schema, &self.document)
            .operation(operation)
            .implementers_map(&self.published.implementers)
            .coerced_variable_values(&variables)
            .enable_schema_introspection(true)
            .execute_sync(&root)
            .map_err(|error| request(&error))
    }

    fn operation(&self) -> Result<&Operation, Answer> {
        let found = self
            .document
            .operations
            .get(self.asked.operation.as_deref());
        found.map(|node| &**node).map_err(|error| request(&error))
    }
}

/// The answer to a body that holds no request.
pub(super) fn unread(why: &Unread) -> Answer {
    refused(why.status, why.code, why.message)
}

/// The messages of an answer's errors.
pub(super) fn messages(answer: &Answer) -> Vec<String> {
    let errors = answer.body.get("errors").and_then(Value::as_array);
    let each = errors.into_iter().flatten();
    each.filter_map(|error| error.get("message").and_then(Value::as_str))
        .map(str::to_owned)
        .collect()
}

/// An answer of 200, with or without errors, as Railway gives them.
fn told(response: &ExecutionResponse) -> Answer {
    let errors: Vec<Value> = response.errors.iter().map(field_error).collect();
    let body = if errors.is_empty() {
        json!({ "data": response.data })
    } else {
        json!({ "data": response.data, "errors": errors })
    };
    Answer { status: 200, body }
}

/// The error of one field. Railway's own carry this code whatever happened, and a trace beside it.
fn field_error(error: &GraphQLError) -> Value {
    let message = error.message.trim_start_matches("resolver error: ");
    let code = if message.starts_with(NOT_SIMULATED) {
        "NOT_SIMULATED"
    } else {
        "INTERNAL_SERVER_ERROR"
    };
    json!({
        "message": message,
        "locations": error.locations,
        "path": error.path,
        "extensions": { "code": code },
        "traceId": trace(),
    })
}

fn invalid(code: &str, errors: &DiagnosticList) -> Answer {
    let errors: Vec<Value> = errors
        .iter()
        .map(|one| {
            let error = one.to_json();
            json!({
                "message": error.message,
                "locations": error.locations,
                "extensions": { "code": code },
            })
        })
        .collect();
    Answer {
        status: 400,
        body: json!({ "errors": errors }),
    }
}

fn request(error: &RequestError) -> Answer {
    refused(400, "BAD_USER_INPUT", &error.message().to_string())
}

fn broken(why: &str) -> Answer {
    refused(500, "INTERNAL_SERVER_ERROR", why)
}

fn refused(status: u16, code: &str, message: &str) -> Answer {
    Answer {
        status,
        body: json!({ "errors": [{ "message": message, "extensions": { "code": code } }] }),
    }
}
