//! What may be granted, by whom, and what several roles come to: decisions about plain
//! values.

use std::collections::BTreeSet;

use kernel::token::{Permissions, covers};

/// Whether `grant` names something: a known permission, a whole module, or everything.
pub(crate) fn is_known(grant: &str, known: &[String]) -> bool {
    match grant.strip_suffix(".*") {
        Some(module) => known.iter().any(|p| p.split('.').next() == Some(module)),
        None => grant == "*" || known.iter().any(|p| p == grant),
    }
}

/// Whether somebody with `own` may give `grant` away. A module or everything can be given
/// only by those who were given it as such: it includes what is yet to come. What counts in a
/// warehouse, those may give away who have it there.
pub(crate) fn may_grant(own: &Permissions, grant: &str) -> bool {
    let Some((grant, there)) = grant.split_once('@') else { return own.allow(grant) };
    let is_there = |given: &String| {
        given.split_once('@').is_some_and(|(given, at)| at == there && covers(given, grant))
    };
    own.allow(grant) || own.grants().iter().any(is_there)
}

/// Several roles' grants as one set, without those that another includes.
pub(crate) fn union(grants: impl IntoIterator<Item = String>) -> Vec<String> {
    let grants: BTreeSet<String> = grants.into_iter().collect();
    if grants.contains("*") {
        return vec!["*".to_owned()];
    }
    let includes_module = |grant: &str| {
        grant
            .split_once('.')
            .is_some_and(|(module, rest)| rest != "*" && grants.contains(&format!("{module}.*")))
    };
    grants.iter().filter(|grant| !includes_module(grant)).cloned().collect()
}

/// What both allow: somebody's grants, and the scopes of their key, which are for all records.
pub(crate) fn intersect(grants: Vec<String>, scopes: Vec<String>) -> Vec<String> {
    let both = |grant: &str, scope: &str| match (covers(scope, grant), covers(grant, scope)) {
        (true, _) => Some(grant.to_owned()),
        (_, true) => Some(scope.to_owned()),
        _ => None,
    };
    union(grants.iter().flat_map(|grant| {
        scopes.iter().filter_map(move |scope| match grant.split_once('@') {
            Some((grant, id)) => both(grant, scope).map(|both| format!("{both}@{id}")),
            None => both(grant, scope),
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_exists_can_be_granted() {
        let known = strings(&["orders.order:read", "orders.order:confirm", "sales.customer:read"]);
        let check = |grant: &str, expected: bool| {
            assert_eq!(is_known(grant, &known), expected, "{grant:?}");
        };
        check("*", true);
        check("orders.*", true);
        check("orders.order:read", true);
        check("order.*", false);
        check("orders.order:*", false);
        check("orders.order:delete", false);
        check("orders", false);
        check(".*", false);
        check("", false);
    }

    #[test]
    fn nobody_grants_more_than_they_were_given() {
        let check = |own: &[&str], grant: &str, expected: bool| {
            assert_eq!(
                may_grant(&Permissions::new(strings(own)), grant),
                expected,
                "{own:?} {grant}"
            );
        };
        check(&["*"], "*", true);
        check(&["*"], "orders.*", true);
        check(&["orders.*"], "orders.*", true);
        check(&["orders.*"], "orders.order:read", true);
        check(&["orders.*"], "*", false);
        check(&["orders.*"], "ordersx.*", false);
        check(&["orders.order:read"], "orders.*", false);
        check(&["orders.order:read"], "orders.order:confirm", false);
        check(&[], "orders.order:read", false);
        check(&["orders.*"], "orders.order:read@w", true);
        check(&["orders.order:read"], "orders.order:read@w", true);
        check(&["orders.*@w"], "orders.*@w", true);
        check(&["orders.*@w"], "orders.order:read@w", true);
        check(&["orders.*@w"], "orders.*@v", false);
        check(&["orders.*@w"], "orders.order:read@v", false);
        check(&["orders.order:read@w"], "orders.*@w", false);
        check(&["orders.*@w"], "orders.order:read", false);
    }

    #[test]
    fn an_intersection_is_what_both_allow() {
        let check = |one: &[&str], other: &[&str], expected: &[&str]| {
            assert_eq!(intersect(strings(one), strings(other)), strings(expected));
        };
        check(&["orders.*@w"], &["orders.*"], &["orders.*@w"]);
        check(&["orders.*@w"], &["orders.a:read", "sales.*"], &["orders.a:read@w"]);
        check(
            &["orders.a:read@w", "orders.a:read@v"],
            &["*"],
            &["orders.a:read@v", "orders.a:read@w"],
        );
        check(&["sales.a:read"], &["sales.*"], &["sales.a:read"]);
        check(&["*"], &["orders.*", "sales.a:read"], &["orders.*", "sales.a:read"]);
        check(&["orders.*"], &["orders.a:read", "sales.a:read"], &["orders.a:read"]);
        check(&["orders.*", "sales.a:read"], &["sales.*"], &["sales.a:read"]);
        check(&["orders.*"], &["ordersx.a:read"], &[]);
        check(&["*"], &["*"], &["*"]);
        check(&[], &["*"], &[]);
    }

    #[test]
    fn a_union_leaves_out_what_is_included() {
        let check = |grants: &[&str], expected: &[&str]| {
            assert_eq!(union(strings(grants)), strings(expected));
        };
        check(&["sales.a:read", "*", "orders.*"], &["*"]);
        check(&["sales.a:read", "sales.*", "orders.b:read"], &["orders.b:read", "sales.*"]);
        check(&["sales.a:read", "sales.a:read"], &["sales.a:read"]);
        check(&["sales.*@w", "sales.a:read@w", "sales.*"], &["sales.*"]);
        check(&[], &[]);
    }
}
