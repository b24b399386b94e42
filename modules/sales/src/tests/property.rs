//! Random histories of a customer's credit against a model of a few lines.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::OrderCancelled;
use contracts::ids::{CustomerId, OrderId};
use contracts::sales::{ReleaseCredit, Sales};
use proptest::prelude::*;

use super::receivables::{cancelled_of, confirmed_of, credit_note, invoice_of, payment};
use super::world::{World, ctx, soon};
use crate::entities::credit_exposure::State;

const LIMIT: i64 = 100;

/// Units of each line of an order.
type Lines = [i64; 2];

/// Amounts are what they are, whatever the units: each document is rounded by itself.
#[derive(Clone, Debug)]
enum Step {
    Hold { order: usize, minor: i64, is_over: bool },
    Release { order: usize },
    Confirm { order: usize, minor: i64, wanted: Lines },
    Cancel { order: usize },
    Shrink { order: usize, minor: i64, line: usize, units: i64 },
    Invoice { order: usize, minor: i64, line: usize, units: i64 },
    Credit { order: usize, minor: i64 },
    Pay { minor: i64 },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let order = 0..4_usize;
    let of_line = || (0..4_usize, 0..70_i64, 0..2_usize, 0..4_i64);
    prop_oneof![
        4 => (order.clone(), 0..70_i64, any::<bool>())
            .prop_map(|(order, minor, is_over)| Step::Hold { order, minor, is_over }),
        1 => order.clone().prop_map(|order| Step::Release { order }),
        2 => (order.clone(), 0..70_i64, [1..4_i64, 0..4_i64])
            .prop_map(|(order, minor, wanted)| Step::Confirm { order, minor, wanted }),
        1 => order.clone().prop_map(|order| Step::Cancel { order }),
        1 => of_line().prop_map(|(order, minor, line, units)| {
            Step::Shrink { order, minor, line, units }
        }),
        4 => of_line().prop_map(|(order, minor, line, units)| {
            Step::Invoice { order, minor: minor / 2, line, units }
        }),
        1 => (order, 0..30_i64).prop_map(|(order, minor)| Step::Credit { order, minor }),
        2 => (0..60_i64).prop_map(|minor| Step::Pay { minor }),
        1 => Just(Step::Expire),
    ]
}

#[derive(Clone, Debug)]
struct Order {
    state: State,
    amount: i64,
    invoiced: i64,
    is_over: bool,
    /// Known once it is confirmed.
    wanted: Option<Lines>,
    on_invoices: Lines,
}

impl Order {
    fn new(state: State) -> Self {
        let (wanted, on_invoices) = (None, [0; 2]);
        Order { state, amount: 0, invoiced: 0, is_over: false, wanted, on_invoices }
    }

    /// Of a line, not yet on an invoice; before the order is heard of, anything may be.
    fn left(&self, line: usize) -> Option<i64> {
        self.wanted.map(|wanted| wanted[line] - self.on_invoices[line])
    }

    fn uninvoiced(&self) -> i64 {
        let is_something_left = (0..2).any(|line| self.left(line) != Some(0));
        let is_something_invoiced = self.on_invoices != [0; 2];
        match self.state {
            State::Committed if is_something_left || !is_something_invoiced => {
                (self.amount - self.invoiced).max(0)
            }
            _ => 0,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Model {
    orders: HashMap<usize, Order>,
    owed: i64,
}

impl Model {
    fn held(&self) -> i64 {
        self.orders.values().filter(|o| o.state == State::Held).map(|o| o.amount).sum()
    }

    fn uninvoiced(&self) -> i64 {
        self.orders.values().map(Order::uninvoiced).sum()
    }

    fn exposure(&self) -> i64 {
        self.held() + self.uninvoiced() + self.owed
    }

    /// What a hold is answered with.
    fn hold(&mut self, order: usize, minor: i64, is_over: bool) -> Result<(), &'static str> {
        let before = self.orders.get(&order).cloned();
        let held = match &before {
            Some(o) if o.state == State::Committed && o.amount == minor => return Ok(()),
            Some(o) if o.state == State::Committed => return Err("credit_already_committed"),
            Some(o) if o.state == State::Held => o.amount,
            _ => 0,
        };
        if minor > held && self.exposure() - held + minor > LIMIT {
            return Err("credit_limit_exceeded");
        }
        // The same amount again never makes a hold shorter.
        let stays = before
            .as_ref()
            .is_some_and(|o| o.state == State::Held && o.amount == minor && !o.is_over && is_over);
        let before = before.unwrap_or(Order::new(State::Held));
        let is_over = is_over && !stays;
        self.orders.insert(order, Order { state: State::Held, amount: minor, is_over, ..before });
        Ok(())
    }

    /// The step as it can happen: no line is invoiced or cancelled beyond what is left of it,
    /// and none is wanted less than is on invoices heard of before.
    fn fit(&self, mut step: Step) -> Step {
        let known = |order: &usize| self.orders.get(order);
        match &mut step {
            Step::Confirm { order, wanted, .. } => {
                let on_invoices = known(order).map_or([0; 2], |o| o.on_invoices);
                for (wanted, on_invoices) in wanted.iter_mut().zip(on_invoices) {
                    *wanted = on_invoices.max(*wanted);
                }
            }
            Step::Shrink { order, line, units, .. } => {
                *units = known(order).and_then(|o| o.left(*line)).unwrap_or(0).min(*units);
            }
            Step::Invoice { order, line, units, .. } => {
                *units = known(order).and_then(|o| o.left(*line)).unwrap_or(*units).min(*units);
            }
            _ => {}
        }
        step
    }

    /// What else happens; it always does.
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Hold { .. } => {}
            Step::Release { order } => {
                self.change(*order, &[State::Held], |o| o.state = State::Released);
            }
            Step::Confirm { order, minor, wanted } => {
                let o = self.orders.entry(*order).or_insert(Order::new(State::Released));
                (o.state, o.amount, o.wanted) = (State::Committed, *minor, Some(*wanted));
            }
            Step::Cancel { order } => {
                let open = [State::Held, State::Committed];
                self.change(*order, &open, |o| o.state = State::Released);
            }
            Step::Shrink { order, minor, line, units } => {
                if let Some(o) = self.orders.get_mut(order) {
                    o.amount = *minor;
                    if let Some(wanted) = &mut o.wanted {
                        wanted[*line] -= units;
                    }
                }
            }
            Step::Invoice { order, minor, line, units } => {
                let o = self.orders.entry(*order).or_insert(Order::new(State::Committed));
                o.invoiced += minor;
                o.on_invoices[*line] += units;
                self.owed += minor;
            }
            Step::Credit { minor, .. } | Step::Pay { minor } => self.owed -= minor,
            Step::Expire => {
                for o in self.orders.values_mut().filter(|o| o.state == State::Held && o.is_over) {
                    o.state = State::Expired;
                }
            }
        }
    }

    fn change(&mut self, order: usize, from: &[State], change: impl Fn(&mut Order)) {
        if let Some(o) = self.orders.get_mut(&order).filter(|o| from.contains(&o.state)) {
            change(o);
        }
    }
}

/// Does the step to the module; the error code of a refused hold.
async fn take(
    world: &World,
    customer: CustomerId,
    ids: &[OrderId],
    times: (DateTime<Utc>, DateTime<Utc>),
    step: &Step,
) -> Result<(), String> {
    let order_id = |order: &usize| ids[*order];
    let outcome = match step {
        Step::Hold { order, minor, is_over } => {
            let until = if *is_over { times.0 } else { times.1 };
            world.hold(order_id(order), customer, *minor, until).await
        }
        Step::Release { order } => {
            let request = ReleaseCredit { order_id: order_id(order) };
            world.service.release_credit(&ctx(), request).await
        }
        Step::Confirm { order, minor, wanted } => {
            world.tell(&confirmed_of(order_id(order), customer, *minor, wanted)).await
        }
        Step::Cancel { order } => {
            let order_id = order_id(order);
            world.tell(&OrderCancelled { order_id, customer_id: customer }).await
        }
        Step::Shrink { order, minor, units, .. } => {
            world.tell(&cancelled_of(order_id(order), customer, *minor, *units)).await
        }
        Step::Invoice { order, minor, units, .. } => {
            world.tell(&invoice_of(order_id(order), customer, *minor, *units)).await
        }
        Step::Credit { order, minor } => {
            world.tell(&credit_note(order_id(order), customer, *minor)).await
        }
        Step::Pay { minor } => world.tell(&payment(customer, *minor)).await,
        Step::Expire => world.service.expire_holds(&ctx()).await.map(|_| ()),
    };
    outcome.map_err(|error| error.code().to_owned())
}

async fn check(steps: Vec<Step>) {
    let world = World::new().await;
    let customer = world.customer(Some(LIMIT)).await;
    let ids: Vec<_> = (0..4).map(|_| OrderId::new()).collect();
    let times = (Utc::now() - TimeDelta::seconds(1), soon());
    let mut model = Model::default();
    for step in steps {
        let step = &model.fit(step);
        let before = model.exposure();
        let expected = match step {
            Step::Hold { order, minor, is_over } => model.hold(*order, *minor, *is_over),
            other => {
                model.apply(other);
                Ok(())
            }
        };
        let found = take(&world, customer, &ids, times, step).await;
        assert_eq!(found, expected.map_err(str::to_owned), "{step:?}");
        let credit = world.credit(customer).await;
        assert_eq!(
            (credit.held_minor, credit.uninvoiced_minor, credit.open_receivables_minor),
            (model.held(), model.uninvoiced(), model.owed),
            "{step:?} {model:?}"
        );
        let may_raise =
            matches!(step, Step::Confirm { .. } | Step::Invoice { .. } | Step::Shrink { .. });
        let is_hold = matches!(step, Step::Hold { .. });
        assert!(may_raise || model.exposure() <= before.max(if is_hold { LIMIT } else { before }));
        assert_eq!(world.broken_laws().await, Vec::<&str>::new(), "{step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// After every step the projection is what the model says, no law is broken, and no
    /// hold has taken the customer above the limit.
    #[test]
    fn credit_is_what_its_history_says(steps in prop::collection::vec(step(), 1..40)) {
        tokio::runtime::Runtime::new().expect("a runtime").block_on(check(steps));
    }
}
