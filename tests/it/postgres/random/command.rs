//! What an actor may do, chosen by proptest.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Which of those there are, newest first, modulo their number; one in four times of all
/// there are, and not of those the command is meant for.
pub type Pick = u8;

/// A share in percent.
pub type Share = u8;

#[derive(Clone, Debug)]
pub enum Command {
    Receive { item: usize, units: i64, cents: i64 },
    Adjust { item: usize, units: i64 },
    Reverse { pick: Pick },
    Reserve { item: usize, units: i64, is_short: bool },
    Release { pick: Pick },
    Draft { customer: usize, lines: Vec<(usize, i64)>, discount: u8, allow_backorder: bool },
    Amend { pick: Pick, lines: Vec<(usize, i64)> },
    Confirm { pick: Pick },
    Cancel { pick: Pick },
    CancelLine { pick: Pick, line: usize, units: i64 },
    CloseShort { pick: Pick },
    Pack { pick: Pick, some: Option<(usize, i64)> },
    Unpack { pick: Pick },
    Ship { pick: Pick },
    Deliver { pick: Pick },
    TakeBack { pick: Pick, line: usize, units: i64, restock: bool },
    Issue { pick: Pick },
    Discard { pick: Pick },
    Redraft { pick: Pick },
    Pay { pick: Pick, share: Share, extra: i64 },
    Allocate { pick: Pick, to: Pick, cents: i64 },
    Credit { pick: Pick, line: usize, units: i64 },
    CreditAll { pick: Pick },
    UseCredit { pick: Pick, to: Pick, cents: i64 },
    Refund { pick: Pick, cents: i64 },
    ReverseRefund { pick: Pick },
    Buy { lines: Vec<(usize, i64)>, cents: i64 },
    TakeIn { pick: Pick, some: Option<(usize, i64)> },
    CancelPurchase { pick: Pick },
    ClosePurchase { pick: Pick },
    Bill { pick: Pick, line: usize, units: i64, is_dearer: bool },
    Approve { pick: Pick, has_reason: bool },
    Reject { pick: Pick },
    PayBill { pick: Pick, share: Share },
}

fn command() -> impl Strategy<Value = Command> {
    use Command::*;
    let pick = any::<Pick>;
    let (item, line, units, cents) = (0..3_usize, 0..3_usize, 1..6_i64, 0..900_i64);
    let lines = || prop::collection::vec((0..3_usize, 1..6_i64), 1..4);
    let some = || prop::option::of((0..3_usize, 1..6_i64));
    let share = 1..=100_u8;
    let goods = prop_oneof![
        3 => (item.clone(), units.clone(), cents.clone())
            .prop_map(|(item, units, cents)| Receive { item, units, cents }),
        2 => (item.clone(), -6..6_i64).prop_map(|(item, units)| Adjust { item, units }),
        1 => pick().prop_map(|pick| Reverse { pick }),
        3 => (item, units.clone(), any::<bool>())
            .prop_map(|(item, units, is_short)| Reserve { item, units, is_short }),
        2 => pick().prop_map(|pick| Release { pick }),
    ];
    let orders = prop_oneof![
        5 => (0..2_usize, lines(), 0..20_u8, any::<bool>()).prop_map(
            |(customer, lines, discount, allow_backorder)| {
                Draft { customer, lines, discount, allow_backorder }
            }
        ),
        2 => (pick(), lines()).prop_map(|(pick, lines)| Amend { pick, lines }),
        6 => pick().prop_map(|pick| Confirm { pick }),
        1 => pick().prop_map(|pick| Cancel { pick }),
        2 => (pick(), line.clone(), units.clone())
            .prop_map(|(pick, line, units)| CancelLine { pick, line, units }),
        1 => pick().prop_map(|pick| CloseShort { pick }),
        6 => (pick(), some()).prop_map(|(pick, some)| Pack { pick, some }),
        1 => pick().prop_map(|pick| Unpack { pick }),
        6 => pick().prop_map(|pick| Ship { pick }),
        1 => pick().prop_map(|pick| Deliver { pick }),
        2 => (pick(), line.clone(), units.clone(), any::<bool>())
            .prop_map(|(pick, line, units, restock)| TakeBack { pick, line, units, restock }),
    ];
    let money = prop_oneof![
        6 => pick().prop_map(|pick| Issue { pick }),
        1 => pick().prop_map(|pick| Discard { pick }),
        1 => pick().prop_map(|pick| Redraft { pick }),
        4 => (pick(), share.clone(), 0..300_i64)
            .prop_map(|(pick, share, extra)| Pay { pick, share, extra }),
        3 => (pick(), pick(), 1..2000_i64)
            .prop_map(|(pick, to, cents)| Allocate { pick, to, cents }),
        3 => (pick(), line.clone(), units.clone())
            .prop_map(|(pick, line, units)| Credit { pick, line, units }),
        1 => pick().prop_map(|pick| CreditAll { pick }),
        3 => (pick(), pick(), 1..600_i64)
            .prop_map(|(pick, to, cents)| UseCredit { pick, to, cents }),
        2 => (pick(), 1..600_i64).prop_map(|(pick, cents)| Refund { pick, cents }),
        1 => pick().prop_map(|pick| ReverseRefund { pick }),
    ];
    let purchases = prop_oneof![
        3 => (lines(), cents).prop_map(|(lines, cents)| Buy { lines, cents }),
        4 => (pick(), some()).prop_map(|(pick, some)| TakeIn { pick, some }),
        1 => pick().prop_map(|pick| CancelPurchase { pick }),
        1 => pick().prop_map(|pick| ClosePurchase { pick }),
        4 => (pick(), line, units, any::<bool>())
            .prop_map(|(pick, line, units, is_dearer)| Bill { pick, line, units, is_dearer }),
        3 => (pick(), any::<bool>())
            .prop_map(|(pick, has_reason)| Approve { pick, has_reason }),
        1 => pick().prop_map(|pick| Reject { pick }),
        2 => (pick(), share).prop_map(|(pick, share)| PayBill { pick, share }),
    ];
    prop_oneof![2 => goods, 4 => orders, 3 => money, 2 => purchases]
}

/// What an actor does in the round of this seed: always the same.
pub fn commands(seed: u64, actor: usize, count: usize) -> Vec<Command> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&(actor as u64).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let tree = prop::collection::vec(command(), count).new_tree(&mut runner);
    tree.expect("nothing is filtered").current()
}
