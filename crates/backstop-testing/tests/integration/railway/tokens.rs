//! Tokens without scope: what each reaches, and what a wrong one gets.

use serde_json::json;

use super::{ask_as, bearer, data, data_as, error, project_header};
use backstop_testing::railway::{Presented, RailwayDouble};

#[test]
fn a_wrong_token_gets_what_railway_answers() {
    let double = RailwayDouble::start().unwrap();
    let query = "query { me { name } }";
    let never = "3d2c42fb-0000-4000-8000-000000000000";
    for header in [
        bearer(never),
        bearer(double.stale_token()),
        bearer(double.staging_token()),
        project_header(double.account_token()),
        project_header(never),
        ("Authorization", double.account_token().to_owned()),
        ("Authorization", format!("Basic {}", double.account_token())),
        ("X-Token", double.account_token().to_owned()),
    ] {
        let (status, body) = ask_as(&double, &header, query);
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["data"], json!(null));
        let first = &body["errors"][0];
        assert_eq!(first["message"], "Not Authorized");
        assert_eq!(first["path"], json!(["me"]));
        assert_eq!(first["locations"], json!([{ "line": 1, "column": 9 }]));
        assert_eq!(first["extensions"]["code"], "INTERNAL_SERVER_ERROR");
        assert!(first["traceId"].is_string());
    }
    assert_eq!(double.received().last().unwrap().token, Presented::Nothing);
}

#[test]
fn an_accounts_token_reaches_everything_whatever_it_was_made_for() {
    let double = RailwayDouble::start().unwrap();
    let ids = double.tenancy();
    assert_eq!(
        data(&double, "{ me { email } }")["me"]["email"],
        "ada@rental.example"
    );
    let seen = data(
        &double,
        "{ projects { edges { node { name environments { edges { node { name volumeInstances { edges { node { volume { id } environment { name } } } } } } } } } } }",
    );
    let project = &seen["projects"]["edges"][0]["node"];
    assert_eq!(project["name"], "rental");
    let environments: Vec<&str> = project["environments"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| edge["node"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(environments, ["production", "staging"]);
    // One id for the volume in both: deleting "staging's" deletes production's.
    for edge in project["environments"]["edges"].as_array().unwrap() {
        let volume = &edge["node"]["volumeInstances"]["edges"][0]["node"];
        assert_eq!(volume["volume"]["id"], ids.volume.as_str());
        assert_eq!(volume["environment"]["name"], edge["node"]["name"]);
    }
    let revealed = data(
        &double,
        &format!(
            "{{ variables(projectId: \"{}\", environmentId: \"{}\", serviceId: \"{}\") }}",
            ids.project, ids.production, ids.app
        ),
    );
    assert_eq!(revealed["variables"]["APP_ENV"], "production");
    data(
        &double,
        "{ apiTokens { edges { node { name displayToken } } } apiToken { workspaces { name } } }",
    );
}

#[test]
fn a_projects_token_reaches_its_environment_by_its_own_header_alone() {
    let double = RailwayDouble::start().unwrap();
    let ids = double.tenancy();
    let own = project_header(double.staging_token());
    let token = data_as(
        &double,
        &own,
        "{ projectToken { name projectId environmentId project { name } environment { name } } }",
    );
    assert_eq!(token["projectToken"]["environment"]["name"], "staging");
    let variables = |environment: &str| {
        format!(
            "{{ variables(projectId: \"{}\", environmentId: \"{environment}\", serviceId: \"{}\") }}",
            ids.project, ids.app
        )
    };
    let seen = data_as(&double, &own, &variables(&ids.staging));
    assert_eq!(seen["variables"]["APP_ENV"], "staging");
    let project = data_as(
        &double,
        &own,
        &format!(
            "{{ project(id: \"{}\") {{ name environments {{ edges {{ node {{ name }} }} }} }} }}",
            ids.project
        ),
    );
    let edges = project["project"]["environments"]["edges"]
        .as_array()
        .unwrap();
    assert_eq!(edges.len(), 1, "only its own");

    for refused in [
        variables(&ids.production),
        "{ me { name } }".to_owned(),
        "{ projects { edges { node { id } } } }".to_owned(),
        "{ apiTokens { edges { node { id } } } }".to_owned(),
        format!("{{ environment(id: \"{}\") {{ name }} }}", ids.production),
        format!("{{ service(id: \"{}\") {{ name }} }}", ids.app),
        format!(
            "{{ volumeInstance(id: \"{}\") {{ id }} }}",
            ids.production_instance
        ),
        // What does not exist looks like what is not its own.
        "{ environment(id: \"none\") { name } }".to_owned(),
        format!("mutation {{ volumeDelete(volumeId: \"{}\") }}", ids.volume),
        format!("mutation {{ projectDelete(id: \"{}\") }}", ids.project),
        format!("mutation {{ environmentDelete(id: \"{}\") }}", ids.staging),
        "mutation { apiTokenCreate(input: { name: \"more\" }) }".to_owned(),
        format!(
            "mutation {{ projectTokenCreate(input: {{ name: \"more\", projectId: \"{}\", environmentId: \"{}\" }}) }}",
            ids.project, ids.production
        ),
    ] {
        let (status, body) = ask_as(&double, &own, &refused);
        assert_eq!((status, error(&body)), (200, "Not Authorized"), "{refused}");
    }
    assert_eq!(double.left().volumes, 1);
}

#[test]
fn a_workspaces_token_is_nobodys() {
    let double = RailwayDouble::start().unwrap();
    let own = bearer(double.workspace_token());
    let (_, body) = ask_as(&double, &own, "{ me { name } }");
    assert_eq!(error(&body), "Not Authorized");
    let seen = data_as(&double, &own, "{ projects { edges { node { name } } } }");
    assert_eq!(seen["projects"]["edges"][0]["node"]["name"], "rental");
}

#[test]
fn a_token_is_shown_once_works_and_can_be_taken_back() {
    let double = RailwayDouble::start().unwrap();
    let ids = double.tenancy();
    let minted = data(
        &double,
        "mutation { apiTokenCreate(input: { name: \"second\" }) }",
    );
    let secret = minted["apiTokenCreate"].as_str().unwrap().to_owned();
    let second = bearer(&secret);
    data_as(&double, &second, "{ me { name } }");
    assert_eq!(
        double.received().last().unwrap().token,
        Presented::Known("second".to_owned())
    );
    let listed = data_as(
        &double,
        &second,
        "{ apiTokens { edges { node { id name displayToken } } } }",
    );
    assert!(!listed.to_string().contains(&secret));
    let edges = listed["apiTokens"]["edges"].as_array().unwrap().clone();
    let node = edges
        .iter()
        .find(|edge| edge["node"]["name"] == "second")
        .unwrap();
    let id = node["node"]["id"].as_str().unwrap();
    data(
        &double,
        &format!("mutation {{ apiTokenDelete(id: \"{id}\") }}"),
    );
    let (_, body) = ask_as(&double, &second, "{ me { name } }");
    assert_eq!(error(&body), "Not Authorized");

    let minted = data(
        &double,
        &format!(
            "mutation {{ projectTokenCreate(input: {{ name: \"ci\", projectId: \"{}\", environmentId: \"{}\" }}) }}",
            ids.project, ids.staging
        ),
    );
    let own = project_header(minted["projectTokenCreate"].as_str().unwrap());
    data_as(&double, &own, "{ projectToken { name } }");
}

#[test]
fn deleting_an_environment_takes_its_tokens_volumes_and_variables() {
    let double = RailwayDouble::start().unwrap();
    let ids = double.tenancy();
    let mutation = format!("mutation {{ environmentDelete(id: \"{}\") }}", ids.staging);
    assert_eq!(data(&double, &mutation)["environmentDelete"], true);
    let left = double.left();
    // The volume lies in production, too.
    assert_eq!((left.environments, left.volumes), (1, 1));
    let (_, body) = ask_as(
        &double,
        &project_header(double.staging_token()),
        "{ projectToken { name } }",
    );
    assert_eq!(error(&body), "Not Authorized");
    let mutation = format!("mutation {{ projectDelete(id: \"{}\") }}", ids.project);
    data(&double, &mutation);
    let left = double.left();
    assert_eq!((left.projects, left.environments, left.volumes), (0, 0, 0));
    let (_, body) = super::ask(&double, &mutation);
    assert_eq!(error(&body), "Project not found");
}

#[test]
fn services_and_variables_change_where_they_are_told_to() {
    let double = RailwayDouble::start().unwrap();
    let ids = double.tenancy();
    let own = project_header(double.staging_token());
    let place = format!(
        "projectId: \"{}\", environmentId: \"{}\", serviceId: \"{}\"",
        ids.project, ids.staging, ids.app
    );
    data_as(
        &double,
        &own,
        &format!("mutation {{ variableUpsert(input: {{ {place}, name: \"A\", value: \"1\" }}) }}"),
    );
    data_as(
        &double,
        &own,
        &format!("mutation {{ variableDelete(input: {{ {place}, name: \"APP_ENV\" }}) }}"),
    );
    data_as(
        &double,
        &own,
        &format!(
            "mutation {{ variableCollectionUpsert(input: {{ {place}, variables: {{ B: \"2\" }} }}) }}"
        ),
    );
    let seen = data_as(&double, &own, &format!("{{ variables({place}) }}"));
    assert_eq!(
        (&seen["variables"]["A"], &seen["variables"]["B"]),
        (&json!("1"), &json!("2"))
    );
    assert!(seen["variables"].get("APP_ENV").is_none());
    data_as(
        &double,
        &own,
        &format!(
            "mutation {{ variableCollectionUpsert(input: {{ {place}, replace: true, variables: {{ C: \"3\" }} }}) }}"
        ),
    );
    let seen = data_as(&double, &own, &format!("{{ variables({place}) }}"));
    assert_eq!(seen["variables"], json!({ "C": "3" }));

    data(
        &double,
        &format!(
            "mutation {{ serviceDelete(id: \"{}\", environmentId: \"{}\") }}",
            ids.postgres, ids.staging
        ),
    );
    let volumes = data(
        &double,
        &format!(
            "{{ a: volumeInstance(id: \"{}\") {{ serviceId }} b: volumeInstance(id: \"{}\") {{ serviceId }} }}",
            ids.staging_instance, ids.production_instance
        ),
    );
    assert_eq!(volumes["a"]["serviceId"], json!(null));
    assert_eq!(volumes["b"]["serviceId"], ids.postgres.as_str());
    data(
        &double,
        &format!("mutation {{ serviceDelete(id: \"{}\") }}", ids.postgres),
    );
    let (_, body) = super::ask(
        &double,
        &format!("{{ service(id: \"{}\") {{ id }} }}", ids.postgres),
    );
    assert_eq!(error(&body), "Service not found");
}
