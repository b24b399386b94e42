//! The contract's rounding mode as a column.

use contracts::billing::RoundingMode;
use sea_orm::{DeriveActiveEnum, EnumIter};

/// [`RoundingMode`], stored by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Mode {
    PerDocument,
    PerLine,
}

impl From<RoundingMode> for Mode {
    fn from(mode: RoundingMode) -> Self {
        match mode {
            RoundingMode::PerDocument => Mode::PerDocument,
            RoundingMode::PerLine => Mode::PerLine,
        }
    }
}

impl From<Mode> for RoundingMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::PerDocument => RoundingMode::PerDocument,
            Mode::PerLine => RoundingMode::PerLine,
        }
    }
}
