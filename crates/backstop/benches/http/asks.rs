//! What is asked, of which API, in which version of HTTP.

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use serde_json::json;

/// The name in every certificate: all know its address without asking anybody.
pub const HOST_NAME: &str = "localhost";

/// The credential that the server takes, and that no agent holds.
pub const CREDENTIAL: &str = "bench_Zx81qPvQ2mLx8ZbN4rWk7";

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// An API of the server: one for each pack and version, each on a port of its own.
pub struct Api {
    /// Its name in the lease.
    pub name: &'static str,
    /// The pack that reads its requests.
    pub pack: &'static str,
    /// What it speaks.
    pub version: Version,
}

/// All of them.
pub const APIS: [Api; 4] = [
    Api {
        name: "rest-1",
        pack: "github",
        version: Version::Http1,
    },
    Api {
        name: "rest-2",
        pack: "github",
        version: Version::Http2,
    },
    Api {
        name: "graphql-1",
        pack: "railway",
        version: Version::Http1,
    },
    Api {
        name: "graphql-2",
        pack: "railway",
        version: Version::Http2,
    },
];

/// A request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// GET, answered with 1 KiB.
    Small,
    /// GET, answered with 1 MiB.
    Large,
    /// A GraphQL query of 1 KiB, answered with 1 KiB.
    GraphQl,
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    /// Its name in TLS.
    pub const fn protocol(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

impl Ask {
    /// The API that it is for, as a place in [`APIS`].
    pub const fn api(self, version: Version) -> usize {
        match (self, version) {
            (Self::Small | Self::Large, Version::Http1) => 0,
            (Self::Small | Self::Large, Version::Http2) => 1,
            (Self::GraphQl, Version::Http1) => 2,
            (Self::GraphQl, Version::Http2) => 3,
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "1 KiB",
            Self::Large => "1 MiB",
            Self::GraphQl => "GraphQL, 1 KiB",
        }
    }

    /// How many bytes its answer has.
    pub const fn answered(self) -> usize {
        match self {
            Self::Small | Self::GraphQl => 1024,
            Self::Large => 1024 * 1024,
        }
    }

    /// Path and query.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Small => "/repos/octo/hello/issues/7",
            Self::Large => "/repos/octo/hello/issues?per_page=100",
            Self::GraphQl => "/graphql/v2",
        }
    }

    /// The request, as it is sent with that credential to whoever is called that.
    pub fn request(
        self,
        version: Version,
        authority: &str,
        credential: &str,
    ) -> Result<Request<Full<Bytes>>> {
        let path = self.path();
        let request = match version {
            Version::Http1 => Request::builder().uri(path).header(HOST, authority),
            Version::Http2 => Request::builder().uri(format!("https://{authority}{path}")),
        };
        let request = request
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "backstop-bench/1")
            .header(AUTHORIZATION, format!("Bearer {credential}"));
        let request = match self {
            Self::Small | Self::Large => request.method(Method::GET).body(Full::default()),
            Self::GraphQl => request
                .method(Method::POST)
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(query("").into())),
        };
        Ok(request?)
    }

    /// What the server answers.
    pub fn answer(self) -> Bytes {
        let (before, after) = match self {
            Self::Small | Self::Large => ("[", "]"),
            Self::GraphQl => ("{\"data\":{\"project\":[", "]}}"),
        };
        const LINE: &str = "{\"id\":\"3f0c8b1e-7f4d\",\"title\":\"some words\\nand some more\"},\n";
        let mut text = String::with_capacity(self.answered());
        text.push_str(before);
        let last = "{}".len() + after.len();
        while text.len() + LINE.len() + last <= self.answered() {
            text.push_str(LINE);
        }
        text.push_str("{}");
        let rest = self.answered().saturating_sub(text.len() + after.len());
        text.extend(std::iter::repeat_n(' ', rest));
        text.push_str(after);
        text.into()
    }
}

/// A GraphQL query of 1 KiB as a body, with a remark that tells it from others.
pub fn query(remark: &str) -> String {
    let variables = json!({"id": "6fb5ff03-4a0c-4d38-8f0e-2c6b8a2f7b11", "first": 100});
    let query = format!("{PROJECT}{remark}");
    json!({"operationName": "Project", "query": query, "variables": variables}).to_string()
}

const PROJECT: &str = "query Project($id: String!, $first: Int) {
  project(id: $id) {
    id
    name
    createdAt
    updatedAt
    environments(first: $first) {
      edges {
        node {
          id
          name
          isEphemeral
          serviceInstances(first: $first) {
            edges {
              node {
                id
                serviceId
                serviceName
                startCommand
                latestDeployment { id status createdAt }
                source { repo image }
                domains { serviceDomains { id domain } customDomains { id domain } }
              }
            }
          }
          volumeInstances { edges { node { id mountPath sizeMB currentSizeMB state } } }
        }
      }
    }
    services { edges { node { id name icon } } }
  }
}";
