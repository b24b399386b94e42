//! Text that is stored and compared, and printed nowhere.

use std::fmt;

use sea_orm::DeriveValueType;

/// A column whose content `Debug` keeps to itself.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
