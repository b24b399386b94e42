//! The roles a trading company begins with. It may change them all.

/// A role and what it grants, as patterns: a grant of its own right (`*`, `sales.*`), or
/// a selection of the permissions known at the first start: `inventory.*:read`,
/// `orders.shipment:*`, `*:read`.
pub(crate) struct DefaultRole {
    pub name: &'static str,
    pub description: &'static str,
    pub grants: &'static [&'static str],
}

/// The role of the first user.
pub(crate) const ADMINISTRATOR: &str = "administrator";

pub(crate) const DEFAULT_ROLES: &[DefaultRole] = &[
    DefaultRole {
        name: ADMINISTRATOR,
        description: "May do everything, other users and roles included.",
        grants: &["*"],
    },
    DefaultRole {
        name: "sales",
        description: "Customers, prices, quotations and orders.",
        grants: &[
            "sales.*",
            "orders.*",
            "inventory.*:read",
            "inventory.backorder:promise",
            "billing.invoice:read",
            "billing.credit_note:read",
            "billing.payment:read",
            "billing.tax_rate:read",
            "billing.totals:read",
        ],
    },
    DefaultRole {
        name: "warehouse",
        description: "Stock, shipments, returns and receipts.",
        grants: &[
            "inventory.*",
            "orders.order:read",
            "orders.shipment:*",
            "orders.return:*",
            "purchasing.purchase_order:read",
            "purchasing.supplier:read",
            "purchasing.receipt:*",
        ],
    },
    DefaultRole {
        name: "purchasing",
        description: "Suppliers and purchase orders.",
        grants: &[
            "purchasing.*",
            "inventory.*:read",
            "billing.bill:read",
            "billing.tax_rate:read",
            "billing.totals:read",
        ],
    },
    DefaultRole {
        name: "accountant",
        description: "Invoices, bills, payments and the ledger.",
        grants: &[
            "billing.*",
            "sales.*:read",
            "orders.*:read",
            "purchasing.*:read",
            "inventory.*:read",
        ],
    },
    DefaultRole {
        name: "integration",
        description: "What a web shop or a data warehouse does: enters orders, reads the rest.",
        grants: &[
            "inventory.*:read",
            "sales.*:read",
            "sales.customer:create",
            "sales.quotation:*",
            "orders.*:read",
            "orders.order:create",
            "billing.invoice:read",
        ],
    },
    DefaultRole {
        name: "auditor",
        description: "May see everything and change nothing.",
        grants: &["*:read"],
    },
];

/// The grants a pattern stands for.
pub(crate) fn expand(pattern: &str, known: &[String]) -> Vec<String> {
    let is_grant = pattern == "*" || pattern.ends_with(".*") || !pattern.contains('*');
    if is_grant {
        return vec![pattern.to_owned()];
    }
    // Each pattern has one star, so it is a beginning and an end.
    let (begin, end) = pattern.split_once('*').unwrap_or((pattern, ""));
    known.iter().filter(|p| p.starts_with(begin) && p.ends_with(end)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_selects_among_what_is_known() {
        let known: Vec<_> =
            ["inventory.product:read", "orders.shipment:read", "orders.shipment:ship"]
                .map(str::to_owned)
                .into();
        let check = |pattern: &str, expected: &[&str]| {
            assert_eq!(expand(pattern, &known), expected, "{pattern}");
        };
        check("*", &["*"]);
        check("sales.*", &["sales.*"]);
        check("inventory.*:read", &["inventory.product:read"]);
        check("orders.shipment:*", &["orders.shipment:read", "orders.shipment:ship"]);
        check("*:read", &["inventory.product:read", "orders.shipment:read"]);
        check("billing.invoice:read", &["billing.invoice:read"]);
    }

    #[test]
    fn the_auditor_changes_nothing_and_only_the_administrator_may_everything() {
        for role in DEFAULT_ROLES {
            assert_eq!(role.grants.contains(&"*"), role.name == ADMINISTRATOR);
        }
        let auditor = DEFAULT_ROLES.iter().find(|role| role.name == "auditor").expect("listed");
        assert!(auditor.grants.iter().all(|grant| grant.ends_with(":read")));
    }
}
