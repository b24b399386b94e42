//! Segregation of duties: pairs of permissions that nobody may have both of, such as entering an
//! order and approving it. Who may do everything (`*`) is not held to it: somebody has to be
//! able to let the others in.

use std::collections::BTreeMap;

use contracts::ids::{RoleId, UserId};
use kernel::Result;
use kernel::db::{Tx, query_all};
use kernel::token::Permissions;
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::error::Error;
use crate::routes::permissions::{Duties, DutiesHeld, SegregationReport};
use crate::service::Service;
use crate::service::grants::is_known;

#[derive(FromQueryResult)]
struct Granted {
    user_id: UserId,
    username: String,
    permission: String,
}

const SELECT: &str = "SELECT u.id AS user_id, u.username, p.permission FROM users u \
    JOIN user_roles r ON r.user_id = u.id JOIN role_permissions p ON p.role_id = r.role_id";

impl Service {
    /// Refuses a change after which this user would have duties to be kept apart.
    pub(super) async fn check_duties_of_user(&self, tx: &Tx, id: UserId) -> Result<()> {
        if self.config.segregation.is_empty() {
            return Ok(());
        }
        let sql = format!("{SELECT} WHERE u.id = $1");
        self.check_duties(query_all(&**tx, sql, vec![id.into()]).await?)
    }

    /// The same of everybody who has this role.
    pub(super) async fn check_duties_of_role(&self, tx: &Tx, id: RoleId) -> Result<()> {
        if self.config.segregation.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "{SELECT} WHERE EXISTS (SELECT 1 FROM user_roles o \
             WHERE o.user_id = u.id AND o.role_id = $1)"
        );
        self.check_duties(query_all(&**tx, sql, vec![id.into()]).await?)
    }

    fn check_duties(&self, granted: Vec<Granted>) -> Result<()> {
        match held_together(&self.config.segregation, granted).into_iter().next() {
            Some(held) if !held.is_administrator => {
                let DutiesHeld { username, one, other, .. } = held;
                Err(Error::DutiesConflict { username, one, other }.into())
            }
            _ => Ok(()),
        }
    }

    /// The rule, and who does not keep it: by roles they had before it was made, or as an
    /// administrator.
    pub(crate) async fn segregation(&self) -> Result<SegregationReport> {
        let pairs = &self.config.segregation;
        let granted = self.granted_to_active(self.db.read()).await?;
        let view =
            |(one, other): &(String, String)| Duties { one: one.clone(), other: other.clone() };
        Ok(SegregationReport {
            pairs: pairs.iter().map(view).collect(),
            held: held_together(pairs, granted),
        })
    }

    async fn granted_to_active(&self, conn: &impl ConnectionTrait) -> Result<Vec<Granted>> {
        if self.config.segregation.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("{SELECT} WHERE u.is_active ORDER BY u.username_key");
        Ok(query_all(conn, sql, vec![]).await?)
    }
}

/// Which of these nobody could be granted, and so keeps nobody from anything.
pub(crate) fn unknown_duty<'a>(
    pairs: &'a [(String, String)],
    known: &[String],
) -> Option<&'a String> {
    pairs.iter().flat_map(|(one, other)| [one, other]).find(|duty| !is_known(duty, known))
}

/// Those who have both of a pair; those without `*` first.
fn held_together(pairs: &[(String, String)], granted: Vec<Granted>) -> Vec<DutiesHeld> {
    let mut users: BTreeMap<UserId, (String, Vec<String>)> = BTreeMap::new();
    for row in granted {
        let user = users.entry(row.user_id).or_insert_with(|| (row.username, Vec::new()));
        user.1.push(row.permission);
    }
    let mut found = Vec::new();
    for (user_id, (username, grants)) in users {
        let is_administrator = grants.iter().any(|grant| grant == "*");
        let grants = Permissions::new(grants);
        for (one, other) in pairs {
            if grants.allow(one) && grants.allow(other) {
                found.push(DutiesHeld {
                    user_id,
                    username: username.clone(),
                    one: one.clone(),
                    other: other.clone(),
                    is_administrator,
                });
            }
        }
    }
    found.sort_by_key(|held| held.is_administrator);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_both_of_a_pair_is_found_however_they_were_granted() {
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        let pairs = [pair("p.order:create", "p.order:approve")];
        let check = |grants: &[&str], expected: Option<bool>| {
            let user_id = UserId::new();
            let granted = grants.iter().map(|grant| Granted {
                user_id,
                username: "ada".into(),
                permission: grant.to_string(),
            });
            let found = held_together(&pairs, granted.collect());
            assert_eq!(found.first().map(|held| held.is_administrator), expected, "{grants:?}");
        };
        check(&["p.order:create"], None);
        check(&["p.order:create", "p.order:read"], None);
        check(&["p.order:create", "p.order:approve"], Some(false));
        check(&["p.*"], Some(false));
        check(&["p.order:approve", "*"], Some(true));
        let known = ["p.order:create".to_owned(), "p.order:approve".to_owned()];
        assert_eq!(unknown_duty(&pairs, &known), None);
        assert_eq!(unknown_duty(&pairs, &known[..1]), Some(&known[1]));
    }
}
