//! State machines as data: which action leads from where to where.

use std::fmt::Debug;

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// `action` leads from any of `from` to `to`.
#[derive(Debug)]
pub struct Transition<S: 'static> {
    pub action: &'static str,
    pub from: &'static [S],
    pub to: S,
}

/// Every transition a document knows; what is not listed is refused.
#[derive(Debug)]
pub struct Machine<S: 'static> {
    pub resource: &'static str,
    pub transitions: &'static [Transition<S>],
}

impl<S: Copy + PartialEq + Debug + Serialize> Machine<S> {
    /// The state `action` leads to from `from`; 409 `illegal_transition` if none.
    pub fn apply(&self, from: S, action: &str) -> Result<S> {
        self.transitions
            .iter()
            .find(|t| t.action == action && t.from.contains(&from))
            .map(|t| t.to)
            .ok_or_else(|| self.illegal(from, action))
    }

    /// The actions that can be asked for in `from`, in the order of the table.
    pub fn allowed_actions(&self, from: S) -> Vec<&'static str> {
        let mut actions: Vec<_> =
            self.transitions.iter().filter(|t| t.from.contains(&from)).map(|t| t.action).collect();
        actions.dedup();
        actions
    }

    /// The refusal of `action` in `from`, also for guards beyond the table.
    pub fn illegal(&self, from: S, action: &str) -> Error {
        let state = json!(from);
        Error::conflict(
            "illegal_transition",
            format!(
                "{} is {}: it cannot {}",
                self.resource,
                state.as_str().unwrap_or_default(),
                action.replace('_', " ")
            ),
        )
        .with_params(json!({
            "status": state, "action": action, "allowed_actions": self.allowed_actions(from)
        }))
    }

    /// The table as JSON, for the documentation.
    pub fn describe(&self) -> Value {
        let rows: Vec<_> = self
            .transitions
            .iter()
            .map(|t| json!({ "action": t.action, "from": t.from, "to": t.to }))
            .collect();
        json!({ "resource": self.resource, "transitions": rows })
    }
}
