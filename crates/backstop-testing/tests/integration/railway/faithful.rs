//! The double is faithful: valid requests get valid answers, invalid ones errors, and nothing is said to be done that
//! was not.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use backstop_testing::railway::{RailwayDouble, SDL};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::writer::{Reader, Writer};
use super::{ask, data, error};

/// Root queries that the double answers.
const ANSWERED: [&str; 18] = [
    "apiToken",
    "apiTokens",
    "environment",
    "environments",
    "me",
    "project",
    "projects",
    "projectsByIds",
    "projectTokens",
    "service",
    "serviceInstance",
    "variables",
    "variablesForServiceDeployment",
    "volumeInstance",
    "volumeInstanceBackupList",
    "volumeInstanceBackupScheduleList",
    "workflowStatus",
    "workspace",
];

/// Mutations that it carries out.
const CARRIED_OUT: [&str; 21] = [
    "apiTokenCreate",
    "apiTokenDelete",
    "environmentDelete",
    "projectDelete",
    "projectScheduleDelete",
    "projectScheduleDeleteCancel",
    "projectScheduleDeleteForce",
    "projectTokenCreate",
    "projectTokenDelete",
    "serviceDelete",
    "variableCollectionUpsert",
    "variableDelete",
    "variableUpsert",
    "volumeCreate",
    "volumeDelete",
    "volumeInstanceBackupCreate",
    "volumeInstanceBackupDelete",
    "volumeInstanceBackupLock",
    "volumeInstanceBackupRestore",
    "volumeInstanceBackupScheduleUpdate",
    "volumeInstanceUpdate",
];

/// Fields of what it has that it lacks.
const LACKED: [(&str, &str); 20] = [
    ("Environment", "canvasGroupRefs"),
    ("Environment", "config"),
    ("Environment", "configEtag"),
    ("Project", "members"),
    ("Project", "projectPermissions"),
    ("Project", "subscriptionPlanLimit"),
    ("User", "apiTokenRateLimit"),
    ("User", "profile"),
    ("User", "projects"),
    ("User", "providerAuths"),
    ("Variable", "plugin"),
    ("Workspace", "adoptionLevel"),
    ("Workspace", "allowDeprecatedRegions"),
    ("Workspace", "apiTokenRateLimit"),
    ("Workspace", "customer"),
    ("Workspace", "members"),
    ("Workspace", "partnerProfile"),
    ("Workspace", "subscriptionModel"),
    ("Workspace", "subscriptionPlanLimit"),
    ("Workspace", "supportTierOverride"),
];

/// Errors that a field can have. What an engine says of a wrong resolver is none of them.
const SAID: [&str; 4] = [
    "Not Authorized",
    "not simulated by this double",
    "Problem processing request",
    " not found",
];

fn schema() -> &'static Valid<Schema> {
    static SCHEMA: OnceLock<Valid<Schema>> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::parse_and_validate(SDL, "railway.graphql").unwrap())
}

/// A double that has one of everything.
fn double() -> &'static RailwayDouble {
    static DOUBLE: OnceLock<RailwayDouble> = OnceLock::new();
    DOUBLE.get_or_init(|| {
        let double = RailwayDouble::start().unwrap();
        double.back_up().unwrap();
        double
    })
}

fn ids(double: &RailwayDouble) -> Vec<(&'static str, String)> {
    let ids = double.tenancy().clone();
    vec![
        ("workspace", ids.workspace),
        ("project", ids.project),
        ("environment", ids.staging),
        ("environment", ids.production),
        ("service", ids.app),
        ("service", ids.postgres),
        ("volume", ids.volume),
        ("volumeInstance", ids.staging_instance),
        ("volumeInstance", ids.production_instance),
    ]
}

/// Checks an answer whole; how many fields it had errors for.
fn check(query: &str, body: &Value) -> usize {
    let document = ExecutableDocument::parse_and_validate(schema(), query, "query").unwrap();
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    for error in &errors {
        let message = error["message"].as_str().unwrap();
        assert!(
            SAID.iter().any(|said| message.contains(said)),
            "{query}\n{error}"
        );
    }
    Reader::new(schema(), &document, body)
        .read(&body["data"])
        .unwrap_or_else(|why| panic!("{why}\n{query}\n{body}"));
    errors.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_queries_of_the_whole_schema_never_get_a_wrong_shape(seed in any::<u64>()) {
        let every: Vec<&str> = schema().get_object("Query").unwrap().fields.keys().map(|name| name.as_str()).collect();
        let query = Writer::new(schema(), ids(double()), seed).query(&every);
        let (status, body) = ask(double(), &query);
        prop_assert_eq!(status, 200, "{}: {}", query, body);
        check(&query, &body);
    }

    #[test]
    fn a_valid_query_made_invalid_is_refused_whole(seed in any::<u64>(), how in 0..5_usize) {
        let query = Writer::new(schema(), ids(double()), seed).query(&ANSWERED);
        let spoilt = match how {
            0 => query.replacen("{ ", "{ noSuchField ", 1),
            1 => query.replacen("{ ", "{ project ", 1),
            2 => query.replacen("{ ", "{ me { name { first } } ", 1),
            3 => query.replacen("{ ", "{ ...Nowhere ", 1),
            _ => query.replacen("{ ", "{ projects(first: \"two\") { __typename } ", 1),
        };
        let (status, body) = ask(double(), &spoilt);
        prop_assert_eq!(status, 400, "{}: {}", spoilt, body);
        prop_assert!(body.get("data").is_none());
        prop_assert_eq!(&body["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    }

    #[test]
    fn whatever_text_comes_there_is_an_answer(query in ".{0,200}") {
        let (status, body) = ask(double(), &query);
        prop_assert_eq!(status, 400, "{}", body);
        prop_assert!(!error(&body).is_empty());
    }
}

/// Without the fields that it lacks, most answers have no error at all, so that there is much to check.
#[test]
fn random_queries_get_answers_that_the_schema_allows() {
    let double = double();
    let (mut whole, mut bytes) = (0, 0);
    for seed in 1..=150_u64 {
        let mut writer = Writer::new(
            schema(),
            ids(double),
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        );
        writer.without = LACKED.to_vec();
        let query = writer.query(&ANSWERED);
        let (status, body) = ask(double, &query);
        assert_eq!(status, 200, "{query}: {body}");
        if check(&query, &body) == 0 {
            whole += 1;
            bytes += body.to_string().len();
        }
    }
    eprintln!("{whole} of 150 answers without an error, {bytes} bytes");
    assert!(whole > 90 && bytes > 20_000, "{whole}, {bytes}");
}

#[test]
fn invalid_requests_are_errors() {
    let double = double();
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ me { name } } }", "GRAPHQL_PARSE_FAILED"),
        ("mutation { volumeDelete }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "mutation { volumeDelete(volumeId: 1) }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation { volumeDelete(volumeId: null) }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation { volumeDelete(volumeId: \"x\", force: true) }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "mutation { volumeDelete(volumeId: \"x\") { id } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "query { volumeDelete(volumeId: \"x\") }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("{ me }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "{ me { name } } fragment F on User { id }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "{ me { ... on Project { id } } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "query($id: String) { project(id: $id) { id } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "query a { me { name } } query a { me { name } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "{ me { name } me { name: email } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("{ me @unknown { name } }", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let (status, body) = ask(double, query);
        assert_eq!(status, 400, "{query}: {body}");
        assert_eq!(
            body["errors"][0]["extensions"]["code"], code,
            "{query}: {body}"
        );
        assert!(body.get("data").is_none());
    }
    assert_eq!(double.left().volumes, 1);
}

#[test]
fn no_mutation_of_the_schema_is_a_success_that_did_nothing() {
    let double = RailwayDouble::start().unwrap();
    let before = double.left();
    let mutations = &schema().get_object("Mutation").unwrap().fields;
    assert_eq!(mutations.len(), 230, "as published");
    let mut refused = BTreeSet::new();
    for (name, definition) in mutations {
        // Ids that do not exist, so that nothing real is deleted.
        let arguments = Writer::new(schema(), vec![], 7).arguments(name, &definition.arguments);
        let leaf = !matches!(
            schema().types[definition.ty.inner_named_type()],
            ExtendedType::Object(_) | ExtendedType::Union(_) | ExtendedType::Interface(_)
        );
        let selection = if leaf { "" } else { " { __typename }" };
        let query = format!("mutation {{ {name}{arguments}{selection} }}");
        let (status, body) = ask(&double, &query);
        assert_eq!(status, 200, "{query}: {body}");
        if body["errors"][0]["extensions"]["code"] == "NOT_SIMULATED" {
            assert!(error(&body).ends_with(&format!("Mutation.{name}")));
            refused.insert(name.as_str());
        } else if name != "apiTokenCreate" {
            assert!(error(&body).ends_with(" not found"), "{query}: {body}");
        }
    }
    let carried_out: BTreeSet<&str> = CARRIED_OUT.into_iter().chain(["volumeUpdate"]).collect();
    let all: BTreeSet<&str> = mutations.keys().map(|name| name.as_str()).collect();
    assert_eq!(
        all.difference(&refused).copied().collect::<BTreeSet<_>>(),
        carried_out
    );
    assert_eq!(double.left(), before);
}

#[test]
fn every_field_of_what_it_has_is_there_or_says_that_it_is_not() {
    let double = double();
    let ids = double.tenancy();
    let environment = format!("environment(id: \"{}\")", ids.production);
    let project = format!("project(id: \"{}\")", ids.project);
    let instance = format!("volumeInstance(id: \"{}\")", ids.production_instance);
    let of_instance = format!("(volumeInstanceId: \"{}\")", ids.production_instance);
    for (type_name, road) in [
        ("User", "{ me { @ } }".to_owned()),
        ("Workspace", "{ me { workspaces { @ } } }".to_owned()),
        ("Project", format!("{{ {project} {{ @ }} }}")),
        ("Environment", format!("{{ {environment} {{ @ }} }}")),
        (
            "Service",
            format!("{{ service(id: \"{}\") {{ @ }} }}", ids.app),
        ),
        (
            "ServiceInstance",
            format!("{{ {environment} {{ serviceInstances {{ edges {{ node {{ @ }} }} }} }} }}"),
        ),
        (
            "Volume",
            format!("{{ {project} {{ volumes {{ edges {{ node {{ @ }} }} }} }} }}"),
        ),
        ("VolumeInstance", format!("{{ {instance} {{ @ }} }}")),
        (
            "VolumeInstanceBackup",
            format!("{{ volumeInstanceBackupList{of_instance} {{ @ }} }}"),
        ),
        (
            "VolumeInstanceBackupSchedule",
            format!("{{ volumeInstanceBackupScheduleList{of_instance} {{ @ }} }}"),
        ),
        (
            "Variable",
            format!("{{ {environment} {{ variables {{ edges {{ node {{ @ }} }} }} }} }}"),
        ),
        (
            "ApiToken",
            "{ apiTokens { edges { node { @ } } } }".to_owned(),
        ),
        (
            "ProjectToken",
            format!(
                "{{ projectTokens(projectId: \"{}\") {{ edges {{ node {{ @ }} }} }} }}",
                ids.project
            ),
        ),
        (
            "QueryApiTokensConnectionEdge",
            "{ apiTokens { edges { @ } } }".to_owned(),
        ),
        ("PageInfo", "{ projects { pageInfo { @ } } }".to_owned()),
        (
            "AllDomains",
            format!(
                "{{ {environment} {{ serviceInstances {{ edges {{ node {{ domains {{ @ }} }} }} }} }} }}"
            ),
        ),
    ] {
        let object = schema().get_object(type_name).unwrap();
        let (mut had, mut lacked) = (0, vec![]);
        let known = LACKED.iter().filter(|(of, _)| *of == type_name);
        let known: Vec<&str> = known.map(|(_, field)| *field).collect();
        for (name, definition) in &object.fields {
            let inner = &schema().types[definition.ty.inner_named_type()];
            let leaf = matches!(inner, ExtendedType::Scalar(_) | ExtendedType::Enum(_));
            let selection = if leaf { "" } else { " { __typename }" };
            let query = road.replace('@', &format!("{name}{selection}"));
            let (_, body) = ask(double, &query);
            if check(&query, &body) == 0 {
                had += 1;
            } else {
                assert!(error(&body).starts_with("not simulated"), "{query}: {body}");
                lacked.push(name.as_str());
            }
        }
        assert_eq!(lacked, known, "{type_name}");
        assert!(had > lacked.len(), "{type_name}");
    }
}

#[test]
fn introspection_shows_the_published_schema() {
    let double = double();
    let shown = data(
        double,
        "{ __schema { types { name } mutationType { fields { name } } } __type(name: \"VolumeInstance\") { fields { name } } }",
    );
    let names: BTreeSet<&str> = shown["__schema"]["types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 609, "as published");
    assert_eq!(
        shown["__schema"]["mutationType"]["fields"]
            .as_array()
            .unwrap()
            .len(),
        230
    );
    // Without a token, too; a loop of lists is refused.
    let query = json!({ "query": "{ __type(name: \"User\") { kind } }" }).to_string();
    let (_, body) = double.ask(&[], &query);
    assert_eq!(body["data"]["__type"]["kind"], "OBJECT");
    let fields = "fields { type { fields { type { fields { type { fields { name } } } } } } }";
    let (status, _) = ask(
        double,
        &format!("{{ __schema {{ types {{ {fields} }} }} }}"),
    );
    assert_eq!(status, 400);
}

#[test]
fn pages_follow_their_cursors() {
    let double = RailwayDouble::start().unwrap();
    let project = double.tenancy().project.clone();
    let page = |arguments: &str| {
        let query = format!(
            "{{ environments(projectId: \"{project}\"{arguments}) {{ edges {{ cursor node {{ name }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        data(&double, &query)["environments"].clone()
    };
    let names = |page: &Value| {
        let edges = page["edges"].as_array().unwrap();
        edges
            .iter()
            .map(|edge| edge["node"]["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = page(", first: 1");
    assert_eq!(names(&first), ["production"]);
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let cursor = &first["pageInfo"]["endCursor"];
    assert_eq!(cursor, &first["edges"][0]["cursor"]);
    let second = page(&format!(", after: {cursor}"));
    assert_eq!(names(&second), ["staging"]);
    assert_eq!(second["pageInfo"]["hasPreviousPage"], true);
    assert_eq!(second["pageInfo"]["hasNextPage"], false);
    let before = page(&format!(
        ", before: {}, last: 1",
        second["pageInfo"]["startCursor"]
    ));
    assert_eq!(names(&before), ["production"]);
    assert_eq!(names(&page(", last: 1")), ["staging"]);
    assert!(names(&page(", first: 0")).is_empty());
}

/// What the scope audit and Railway's own command line ask.
#[test]
fn the_queries_of_others_are_answered() {
    let double = double();
    let ids = double.tenancy();
    for query in [
        "query me { me { name email workspaces { id name } } }".to_owned(),
        "query projects { projects(first: 50) { edges { node { id name } } pageInfo { hasNextPage endCursor } } }".to_owned(),
        format!("query project {{ project(id: \"{}\") {{ id name environments(first: 50) {{ edges {{ node {{ id name }} }} pageInfo {{ hasNextPage }} }} }} }}", ids.project),
        format!("query environment {{ environment(id: \"{}\") {{ id name volumeInstances(first: 100) {{ edges {{ node {{ id mountPath currentSizeMB state volume {{ name }} }} }} pageInfo {{ hasNextPage }} }} }} }}", ids.production),
        format!("query backups {{ volumeInstanceBackupList(volumeInstanceId: \"{}\") {{ id createdAt expiresAt }} }}", ids.production_instance),
        format!("query projects {{ workspace(workspaceId: \"{}\") {{ projects {{ edges {{ node {{ name id services {{ edges {{ node {{ id name }} }} }} }} }} }} }} }}", ids.workspace),
    ] {
        data(double, &query);
    }
}
