//! Random histories of a customer's credit against a model of a few lines.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::{OrderCancelled, OrderConfirmed, OrderLinesCancelled};
use contracts::ids::{CustomerId, OrderId};
use contracts::sales::{ReleaseCredit, Sales};
use proptest::prelude::*;

use super::receivables::{credit_note, invoice, payment};
use super::world::{World, ctx, euro, soon};
use crate::entities::credit_exposure::State;

const LIMIT: i64 = 100;

#[derive(Clone, Debug)]
enum Step {
    Hold { order: usize, minor: i64, is_over: bool },
    Release { order: usize },
    Confirm { order: usize, minor: i64 },
    Cancel { order: usize },
    Shrink { order: usize, minor: i64 },
    Invoice { order: usize, minor: i64 },
    Credit { order: usize, minor: i64 },
    Pay { minor: i64 },
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let order = 0..4_usize;
    prop_oneof![
        4 => (order.clone(), 0..70_i64, any::<bool>())
            .prop_map(|(order, minor, is_over)| Step::Hold { order, minor, is_over }),
        1 => order.clone().prop_map(|order| Step::Release { order }),
        2 => (order.clone(), 0..70_i64).prop_map(|(order, minor)| Step::Confirm { order, minor }),
        1 => order.clone().prop_map(|order| Step::Cancel { order }),
        1 => (order.clone(), 0..70_i64).prop_map(|(order, minor)| Step::Shrink { order, minor }),
        2 => (order.clone(), 0..50_i64).prop_map(|(order, minor)| Step::Invoice { order, minor }),
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
        let committed = self.orders.values().filter(|o| o.state == State::Committed);
        committed.map(|o| (o.amount - o.invoiced).max(0)).sum()
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
        let invoiced = before.map_or(0, |o| o.invoiced);
        let is_over = is_over && !stays;
        self.orders.insert(order, Order { state: State::Held, amount: minor, invoiced, is_over });
        Ok(())
    }

    /// What else happens; it always does.
    fn apply(&mut self, step: &Step) {
        let none = Order { state: State::Released, amount: 0, invoiced: 0, is_over: false };
        match step {
            Step::Hold { .. } => {}
            Step::Release { order } => {
                self.change(*order, &[State::Held], |o| o.state = State::Released);
            }
            Step::Confirm { order, minor } => {
                let o = self.orders.entry(*order).or_insert(none);
                (o.state, o.amount) = (State::Committed, *minor);
            }
            Step::Cancel { order } => {
                let open = [State::Held, State::Committed];
                self.change(*order, &open, |o| o.state = State::Released);
            }
            Step::Shrink { order, minor } => {
                if let Some(o) = self.orders.get_mut(order) {
                    o.amount = *minor;
                }
            }
            Step::Invoice { order, minor } => {
                let fresh = Order { state: State::Committed, ..none };
                self.orders.entry(*order).or_insert(fresh).invoiced += minor;
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
        Step::Confirm { order, minor } => {
            let confirmed = OrderConfirmed {
                order_id: order_id(order),
                number: "SO-2026-000001".into(),
                customer_id: customer,
                total: euro(*minor),
                lines: vec![],
            };
            world.tell(&confirmed).await
        }
        Step::Cancel { order } => {
            let order_id = order_id(order);
            world.tell(&OrderCancelled { order_id, customer_id: customer }).await
        }
        Step::Shrink { order, minor } => {
            let shrunk = OrderLinesCancelled {
                order_id: order_id(order),
                customer_id: customer,
                remaining_total: euro(*minor),
                lines: vec![],
            };
            world.tell(&shrunk).await
        }
        Step::Invoice { order, minor } => {
            world.tell(&invoice(order_id(order), customer, *minor)).await
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
    for step in &steps {
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
