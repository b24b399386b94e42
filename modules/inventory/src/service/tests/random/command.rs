//! What can happen to stock, drawn at random.

use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Command {
    Receive { item: usize, units: i64, cents: i64 },
    Purchase { items: Vec<(usize, i64)>, cents: i64 },
    Adjust { item: usize, units: i64 },
    Reverse { pick: usize },
    Shrink { item: usize, units: i64 },
    Count { item: usize, units: i64, meanwhile: i64 },
    LandCost { pick: usize, cents: i64 },
    Transfer { item: usize, units: i64 },
    Arrive { pick: usize, units: i64, is_lost: bool },
    Reserve { items: Vec<(usize, i64)>, allow_backorder: bool, is_late: bool },
    ReserveAgain { pick: usize, allow_backorder: bool },
    Release { pick: usize },
    Confirm { pick: usize },
    Cancel { pick: usize },
    CancelLine { pick: usize, line: usize, units: i64 },
    Ship { pick: usize, units: i64, meanwhile: Option<(usize, i64)> },
    Return { pick: usize, units: i64, restock: bool },
    SetAside { item: usize, units: i64 },
    PutBack { pick: usize },
    Expire,
    Expect { item: usize, units: i64, days: u64 },
    Promise { pick: usize, days: u64 },
    Rule { item: usize, days: u64 },
    ReceiveLots { item: usize, units: i64, first: usize },
    Identify { pick: usize, first: usize },
    ScrapLot { pick: usize, item: usize, units: i64 },
    Block { pick: usize, is_to_be: bool, breaks: bool },
    Pick { pick: usize, found: i64, is_cancelled: bool },
    ExpireLots { days: u64 },
    CountLots { item: usize, first: usize, units: i64, meanwhile: i64 },
    Oversell { items: Vec<(usize, i64)> },
    AllowNegative { is_allowed: bool },
    SetNegative { item: usize, is_allowed: bool },
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let item = 0..4_usize;
    let items = || prop::collection::vec((0..4_usize, 1..8_i64), 1..4);
    let ordered = prop::collection::vec((0..8_usize, 1..8_i64), 1..4);
    let (pick, units, cents) = (any::<usize>(), 1..8_i64, 0..500_i64);
    prop_oneof![
        3 => (item.clone(), units.clone(), cents.clone())
            .prop_map(|(item, units, cents)| Command::Receive { item, units, cents }),
        2 => (items(), cents).prop_map(|(items, cents)| Command::Purchase { items, cents }),
        2 => (item.clone(), -8..8_i64).prop_map(|(item, units)| Command::Adjust { item, units }),
        1 => pick.prop_map(|pick| Command::Reverse { pick }),
        1 => (item.clone(), units.clone()).prop_map(|(item, units)| Command::Shrink { item, units }),
        1 => (item.clone(), -8..8_i64, -4..4_i64)
            .prop_map(|(item, units, meanwhile)| Command::Count { item, units, meanwhile }),
        1 => (pick, 1..500_i64).prop_map(|(pick, cents)| Command::LandCost { pick, cents }),
        2 => (item.clone(), units.clone())
            .prop_map(|(item, units)| Command::Transfer { item, units }),
        2 => (pick, units.clone(), prop::bool::weighted(0.2))
            .prop_map(|(pick, units, is_lost)| Command::Arrive { pick, units, is_lost }),
        5 => (ordered, any::<bool>(), prop::bool::weighted(0.3)).prop_map(
            |(items, allow_backorder, is_late)| Command::Reserve { items, allow_backorder, is_late }
        ),
        1 => (pick, any::<bool>())
            .prop_map(|(pick, allow_backorder)| Command::ReserveAgain { pick, allow_backorder }),
        1 => pick.prop_map(|pick| Command::Release { pick }),
        4 => pick.prop_map(|pick| Command::Confirm { pick }),
        1 => pick.prop_map(|pick| Command::Cancel { pick }),
        2 => (pick, pick, units.clone())
            .prop_map(|(pick, line, units)| Command::CancelLine { pick, line, units }),
        4 => (pick, units.clone(), prop::option::weighted(0.3, (0..4_usize, 1..8_i64)))
            .prop_map(|(pick, units, meanwhile)| Command::Ship { pick, units, meanwhile }),
        2 => (pick, units.clone(), any::<bool>())
            .prop_map(|(pick, units, restock)| Command::Return { pick, units, restock }),
        1 => (item, units).prop_map(|(item, units)| Command::SetAside { item, units }),
        1 => pick.prop_map(|pick| Command::PutBack { pick }),
        2 => Just(Command::Expire),
        2 => (0..4_usize, 1..12_i64, 0..9_u64)
            .prop_map(|(item, units, days)| Command::Expect { item, units, days }),
        2 => (any::<usize>(), 0..9_u64).prop_map(|(pick, days)| Command::Promise { pick, days }),
        1 => (0..4_usize, 0..9_u64).prop_map(|(item, days)| Command::Rule { item, days }),
        6 => (0..4_usize, 1..8_i64, 0..12_usize)
            .prop_map(|(item, units, first)| Command::ReceiveLots { item, units, first }),
        2 => (any::<usize>(), 0..12_usize).prop_map(|(pick, first)| Command::Identify { pick, first }),
        1 => (any::<usize>(), 0..4_usize, 1..4_i64)
            .prop_map(|(pick, item, units)| Command::ScrapLot { pick, item, units }),
        1 => (any::<usize>(), any::<bool>(), any::<bool>())
            .prop_map(|(pick, is_to_be, breaks)| Command::Block { pick, is_to_be, breaks }),
        3 => (any::<usize>(), 0..8_i64, prop::bool::weighted(0.2))
            .prop_map(|(pick, found, is_cancelled)| Command::Pick { pick, found, is_cancelled }),
        1 => (0..6_u64).prop_map(|days| Command::ExpireLots { days }),
        2 => (0..4_usize, 0..12_usize, -3..4_i64, -4..4_i64).prop_map(
            |(item, first, units, meanwhile)| Command::CountLots { item, first, units, meanwhile }
        ),
        3 => items().prop_map(|items| Command::Oversell { items }),
        1 => any::<bool>().prop_map(|is_allowed| Command::AllowNegative { is_allowed }),
        1 => (0..4_usize, any::<bool>())
            .prop_map(|(item, is_allowed)| Command::SetNegative { item, is_allowed }),
    ]
}
