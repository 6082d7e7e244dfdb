//! The whole catalogue, in one transaction of a few questions, each about all objects of a kind.

use tokio_postgres::Client;

use super::{Catalogue, code, relations, roles, server};
use crate::postgres::ask::Asking;
use crate::postgres::error::Error;

pub(crate) async fn load(client: &Client) -> Result<Catalogue, Error> {
    let asking = Asking::begin(client).await?;
    let mut catalogue = Catalogue::default();
    roles::load(&asking, &mut catalogue).await?;
    server::load(&asking, &mut catalogue).await?;
    relations::load(&asking, &mut catalogue).await?;
    code::load(&asking, &mut catalogue).await?;
    asking.end().await?;
    Ok(catalogue)
}
