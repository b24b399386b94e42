//! Random commands: whatever is asked in whatever order, no law breaks.

use kernel::Result;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::world::{World, bill, ctx};
use crate::routes::purchase_orders::types::PurchaseOrder;

/// One thing somebody does to one of the orders. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Command {
    Draft { tenths: Vec<u16> },
    Update { order: usize, tenths: Vec<u16> },
    Approve(usize),
    Send(usize),
    Cancel(usize),
    Close(usize),
    ReceiveAll(usize),
    Receive { order: usize, line: usize, tenths: u16 },
    Bill { order: usize, line: usize, tenths: u16 },
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let order = 0..4_usize;
    let tenths = || prop::collection::vec(1..60_u16, 1..4);
    let one = prop_oneof![
        2 => tenths().prop_map(|tenths| Command::Draft { tenths }),
        1 => (order.clone(), tenths()).prop_map(|(order, tenths)| Command::Update { order, tenths }),
        4 => order.clone().prop_map(Command::Approve),
        4 => order.clone().prop_map(Command::Send),
        1 => order.clone().prop_map(Command::Cancel),
        1 => order.clone().prop_map(Command::Close),
        2 => order.clone().prop_map(Command::ReceiveAll),
        6 => (order.clone(), 0..3_usize, 1..50_u16)
            .prop_map(|(order, line, tenths)| Command::Receive { order, line, tenths }),
        6 => (order, 0..3_usize, 1..50_u16)
            .prop_map(|(order, line, tenths)| Command::Bill { order, line, tenths }),
    ];
    prop::collection::vec(one, 10..40)
}

fn quantity(tenths: u16) -> String {
    let (whole, tenth) = (tenths / 10, tenths % 10);
    format!("{whole}.{tenth}")
}

async fn run(world: &World, orders: &mut Vec<PurchaseOrder>, command: &Command) -> Result<()> {
    if let Command::Draft { tenths } = command {
        let quantities: Vec<_> = tenths.iter().map(|tenths| quantity(*tenths)).collect();
        let quantities: Vec<_> = quantities.iter().map(String::as_str).collect();
        orders.push(world.draft(&quantities).await);
        return Ok(());
    }
    let service = &world.service;
    let at = |index: &usize| index % orders.len();
    let id_at = |index: &usize| orders[at(index)].id;
    let line_of = async |order: &usize, line: &usize| {
        // As it is now: a draft may have other lines than it had.
        let order = world.order(id_at(order)).await;
        order.lines[line % order.lines.len()].id
    };
    let reply = match command {
        Command::Draft { .. } => return Ok(()),
        Command::Update { order, tenths } => {
            let lines: Vec<_> = tenths
                .iter()
                .map(|tenths| {
                    serde_json::json!({
                        "product_id": contracts::ids::ProductId::new(),
                        "quantity": quantity(*tenths), "unit_price": "0.37"
                    })
                })
                .collect();
            let patch = serde_json::from_value(serde_json::json!({"lines": lines}))?;
            service.update_purchase_order(&ctx(), id_at(order), patch).await
        }
        Command::Approve(order) => service.approve_purchase_order(&ctx(), id_at(order)).await,
        Command::Send(order) => service.send_purchase_order(&ctx(), id_at(order)).await,
        Command::Cancel(order) => service.cancel_purchase_order(&ctx(), id_at(order)).await,
        Command::Close(order) => service.close_purchase_order(&ctx(), id_at(order)).await,
        Command::ReceiveAll(order) => world.receive_all(id_at(order)).await,
        Command::Receive { order, line, tenths } => {
            let line = line_of(order, line).await;
            world.receive(id_at(order), &[(line, &quantity(*tenths))]).await
        }
        Command::Bill { order, line, tenths } => {
            // Billing knows an order once it is approved.
            if world.order(id_at(order)).await.approved_at.is_none() {
                return Ok(());
            }
            let line = line_of(order, line).await;
            return world.tell(&bill(id_at(order), &[(line, &quantity(*tenths))])).await;
        }
    };
    reply.map(drop)
}

#[test]
fn no_command_breaks_a_law() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut runner = TestRunner::new(Config { cases: 20, ..Config::default() });
    let outcome = runner.run(&commands(), |commands| {
        runtime.block_on(async {
            let world = World::new().await;
            let mut orders = vec![world.sent(&["3", "4.5"]).await];
            for command in &commands {
                if let Err(refused) = run(&world, &mut orders, command).await {
                    let status = refused.status();
                    prop_assert!((400..500).contains(&status), "{command:?}: {refused:?}");
                }
                let broken = world.broken_laws().await;
                prop_assert!(broken.is_empty(), "{command:?} broke {broken:?}");
            }
            Ok(())
        })
    });
    outcome.expect("no law is broken");
}
