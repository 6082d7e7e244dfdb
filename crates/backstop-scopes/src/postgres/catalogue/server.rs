//! Settings that were granted, and subscriptions.

use super::roles::acl;
use super::{Catalogue, Subscription};
use crate::postgres::ask::Asking;
use crate::postgres::error::Error;

/// From 16 on a worker writes as each table's owner, unless the subscription says otherwise.
const RUNS_AS_OWNER: u32 = 16;

const PARAMETERS: &str = "\
select p.parname, (select string_agg(a.grantee || ':' || replace(a.privilege_type, ' ', '_'), ' ') from aclexplode(p.paracl) a) \
from pg_catalog.pg_parameter_acl p order by 1";

pub(super) async fn load(asking: &Asking<'_>, to: &mut Catalogue) -> Result<(), Error> {
    for row in asking.rows("granted settings", PARAMETERS).await? {
        let grants = acl(&row, 1).unwrap_or_default();
        to.parameters.push((row.text(0)?, grants));
    }
    let as_owner = if to.major >= RUNS_AS_OWNER {
        "s.subrunasowner"
    } else {
        "true"
    };
    let subscriptions = format!(
        "select s.subname, s.subowner, {as_owner}, \
           (select string_agg(r.srrelid::text, ' ') from pg_catalog.pg_subscription_rel r where r.srsubid = s.oid) \
         from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid \
         where d.datname = current_database() order by 1"
    );
    for row in asking.rows("subscriptions", &subscriptions).await? {
        to.subscriptions.push(Subscription {
            name: row.text(0)?,
            owner: row.value(1)?,
            as_owner: row.flag(2),
            tables: row.values(3),
        });
    }
    Ok(())
}
