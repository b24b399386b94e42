//! The laws of the domain that inventory holds.

use kernel::db::Law;

pub(crate) const LAWS: &[Law] = &[];
