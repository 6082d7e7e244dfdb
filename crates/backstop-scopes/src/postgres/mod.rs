//! What a PostgreSQL role could destroy, and by which road.
