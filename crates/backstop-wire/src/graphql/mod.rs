//! GraphQL requests as the server would read them: which operation runs, and which fields of the schema it calls with
//! which arguments.
//!
//! It agrees with the server's parser or refuses (invariant 1); it must not decide what is allowed.
