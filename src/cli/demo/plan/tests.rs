//! What the quarter must look like.

use super::*;
use crate::cli::demo::catalogue::{PRODUCTS, WAREHOUSES, articles};
use crate::cli::demo::walk::SOLD;

#[test]
fn a_quarter_has_a_few_hundred_documents_of_every_kind() {
    let articles = articles();
    assert_eq!(articles.len(), PRODUCTS);
    let plan = plan(&articles);
    let steps: Vec<SaleStep> =
        plan.sales.iter().flat_map(|sale| sale.steps.iter().map(|step| step.1)).collect();
    let count = |wanted: &[SaleStep]| steps.iter().filter(|step| wanted.contains(step)).count();
    let cases = [
        ("quotations", count(&[SaleStep::Quote]), 50..120),
        ("rejections", count(&[SaleStep::RejectQuotation]), 5..40),
        ("orders", count(&[SaleStep::Order, SaleStep::AcceptQuotation]), 80..160),
        ("cancellations", count(&[SaleStep::CancelOrder]), 3..20),
        ("partial shipments", count(&[SaleStep::Ship(Part::Half)]), 8..40),
        ("short closes", count(&[SaleStep::CloseShort]), 1..10),
        ("shipments", count(&[SaleStep::Ship(Part::Half), SaleStep::Ship(Part::Rest)]), 80..200),
        ("returns to stock", count(&[SaleStep::Return { restock: true }]), 3..20),
        ("scrapped returns", count(&[SaleStep::Return { restock: false }]), 1..10),
        ("partial payments", count(&[SaleStep::Pay(Part::Half)]), 5..40),
        ("payments", count(&[SaleStep::Pay(Part::Rest)]), 50..160),
        ("backorders", plan.sales.iter().filter(|sale| sale.allow_backorder).count(), 5..6),
        ("purchases", plan.purchases.len(), 30..70),
    ];
    for (what, count, expected) in cases {
        assert!(expected.contains(&count), "{count} {what}");
    }
}

#[test]
fn steps_follow_each_other() {
    let plan = plan(&articles());
    for sale in &plan.sales {
        assert!(sale.steps.is_sorted_by_key(|step| step.0), "{:?}", sale.steps);
    }
    for purchase in &plan.purchases {
        assert!(purchase.steps.is_sorted_by_key(|step| step.0), "{:?}", purchase.steps);
    }
}

/// Plays the days as the history does: receipts before orders.
#[test]
fn nothing_is_ordered_that_is_not_there() {
    let articles = articles();
    let plan = plan(&articles);
    let mut stock = vec![vec![0_i64; articles.len()]; WAREHOUSES.len()];
    for (warehouse, product, quantity) in &plan.opening {
        stock[*warehouse][*product] += i64::from(*quantity);
    }
    for day in 0..DAYS {
        for purchase in &plan.purchases {
            let received = (day, PurchaseStep::Receive(Part::Rest));
            for line in purchase.lines.iter().filter(|_| purchase.steps.contains(&received)) {
                stock[purchase.warehouse][line.product] += i64::from(line.quantity);
            }
        }
        for sale in &plan.sales {
            let ordered = [SaleStep::Order, SaleStep::AcceptQuotation]
                .iter()
                .any(|step| sale.steps.contains(&(day, *step)));
            for line in sale.lines.iter().filter(|_| ordered) {
                let left = &mut stock[sale.warehouse][line.product];
                *left -= i64::from(line.quantity);
                assert!(*left >= 0 || sale.allow_backorder, "product {}", line.product);
            }
        }
        for sale in plan.sales.iter().filter(|s| s.steps.contains(&(day, SaleStep::CancelOrder))) {
            for line in &sale.lines {
                stock[sale.warehouse][line.product] += i64::from(line.quantity);
            }
        }
    }
    for (product, quantity) in SOLD {
        assert!(stock[0][product] >= i64::from(quantity), "product {product} is left for the walk");
    }
}
