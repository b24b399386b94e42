//! Goods received and not invoiced: what receipts put on the account and bills take off, so
//! that a line received and billed in whole leaves exactly nothing (domain rule P-4).

use kernel::money::{Currency, Percent, Rounding, UnitPrice, line_net_exact, round_div, to_minor};
use kernel::quantity::Quantity;

use crate::entities::goods_received;
use crate::service::totals::Overflow;

/// How amounts of a purchase order line are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pricing {
    pub unit_price: UnitPrice,
    pub currency: Currency,
    pub rounding: Rounding,
}

/// Takes goods in. Returns what this corrects of bills that came before the goods: they were
/// taken off at the price ordered, which may round otherwise than the receipts.
pub(crate) fn receive(
    goods: &mut goods_received::Model,
    quantity: Quantity,
    value_minor: i64,
    pricing: Option<Pricing>,
) -> Result<i64, Overflow> {
    goods.quantity = goods.quantity.checked_add(quantity).map_err(|_| Overflow)?;
    goods.value_minor = goods.value_minor.checked_add(value_minor).ok_or(Overflow)?;
    // The next bill settles the rest by itself; only when there may be none it is done here.
    match pricing {
        Some(pricing) if goods.billed >= goods.quantity => relieve(goods, pricing),
        _ => Ok(0),
    }
}

/// Bills goods. Returns what this takes off the account: the share of their value that has
/// been billed in all, less what was taken off before.
pub(crate) fn bill(
    goods: &mut goods_received::Model,
    quantity: Quantity,
    pricing: Pricing,
) -> Result<i64, Overflow> {
    goods.billed = goods.billed.checked_add(quantity).map_err(|_| Overflow)?;
    relieve(goods, pricing)
}

fn relieve(goods: &mut goods_received::Model, pricing: Pricing) -> Result<i64, Overflow> {
    let target = target(goods, pricing)?;
    let relief = target.checked_sub(goods.relieved_minor).ok_or(Overflow)?;
    goods.relieved_minor = target;
    Ok(relief)
}

/// What all bills so far take off: the billed share of what was received, and the price
/// ordered for what is billed before it is received.
fn target(goods: &goods_received::Model, pricing: Pricing) -> Result<i64, Overflow> {
    if goods.billed < goods.quantity {
        let share = i128::from(goods.value_minor) * i128::from(goods.billed.micros());
        let share = round_div(share, i128::from(goods.quantity.micros()), pricing.rounding);
        return i64::try_from(share).map_err(|_| Overflow);
    }
    let ahead = goods.billed.checked_sub(goods.quantity).map_err(|_| Overflow)?;
    let exact = line_net_exact(ahead, pricing.unit_price, Percent::ZERO).ok_or(Overflow)?;
    let ahead = to_minor(exact, pricing.currency, pricing.rounding).ok_or(Overflow)?;
    goods.value_minor.checked_add(ahead).ok_or(Overflow)
}

#[cfg(test)]
mod tests {
    use contracts::ids::PurchaseOrderLineId;
    use proptest::prelude::*;

    use super::*;

    fn goods() -> goods_received::Model {
        goods_received::Model {
            purchase_order_line_id: PurchaseOrderLineId::new(),
            quantity: Quantity::ZERO,
            value_minor: 0,
            billed: Quantity::ZERO,
            relieved_minor: 0,
        }
    }

    fn pricing(micros: i64) -> Pricing {
        let unit_price = UnitPrice::from_micros(micros);
        Pricing { unit_price, currency: Currency::EUR, rounding: Rounding::HalfUp }
    }

    fn units(units: i64) -> Quantity {
        Quantity::from_units(units).expect("small")
    }

    #[test]
    fn partial_bills_take_off_what_partial_receipts_put_on() {
        // 3 at 0.335 arrive one by one: 0.34 each by rounding, 1.02 in all.
        let mut line = goods();
        for _ in 0..3 {
            assert_eq!(receive(&mut line, units(1), 34, Some(pricing(335_000))), Ok(0));
        }
        assert_eq!(bill(&mut line, units(1), pricing(335_000)), Ok(34));
        assert_eq!(bill(&mut line, units(2), pricing(335_000)), Ok(68));
        assert_eq!(line.relieved_minor, line.value_minor);
    }

    #[test]
    fn goods_billed_before_they_come_are_squared_when_they_do() {
        let mut line = goods();
        assert_eq!(bill(&mut line, units(3), pricing(335_000)), Ok(101));
        assert_eq!(receive(&mut line, units(1), 34, Some(pricing(335_000))), Ok(0));
        assert_eq!(receive(&mut line, units(2), 67, Some(pricing(335_000))), Ok(0));
        assert_eq!((line.value_minor, line.relieved_minor), (101, 101));
        let mut line = goods();
        assert_eq!(bill(&mut line, units(3), pricing(335_000)), Ok(101));
        // One by one they are worth a cent more.
        for _ in 0..3 {
            receive(&mut line, units(1), 34, Some(pricing(335_000))).expect("small");
        }
        assert_eq!((line.value_minor, line.relieved_minor), (102, 102));
    }

    proptest! {
        #[test]
        fn received_and_billed_in_whole_nothing_is_left(
            steps in prop::collection::vec((any::<bool>(), 1_i64..2_000_000), 1..20),
            price in 0_i64..3_000_000,
        ) {
            let mut line = goods();
            let price = pricing(price);
            let mut account = 0;
            for (is_receipt, micros) in steps {
                let quantity = Quantity::from_micros(micros);
                if is_receipt {
                    let exact = line_net_exact(quantity, price.unit_price, Percent::ZERO)
                        .expect("small");
                    let value = to_minor(exact, Currency::EUR, Rounding::HalfUp).expect("small");
                    account += value;
                    account -= receive(&mut line, quantity, value, Some(price)).expect("small");
                } else {
                    account -= bill(&mut line, quantity, price).expect("small");
                }
                prop_assert_eq!(account, line.value_minor - line.relieved_minor);
            }
            // Whatever came before: the missing side, and the account is empty.
            let missing = line.quantity.micros() - line.billed.micros();
            let quantity = Quantity::from_micros(missing.abs());
            if missing > 0 {
                account -= bill(&mut line, quantity, price).expect("small");
            } else if missing < 0 {
                account += 1;
                account -= receive(&mut line, quantity, 1, Some(price)).expect("small");
            }
            prop_assert_eq!(account, 0);
        }
    }
}
