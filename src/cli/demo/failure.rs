//! Why the demo stops: one line that names the step.

use std::fmt;

/// Why a request did not do what was asked.
#[derive(Debug)]
pub(in crate::cli) struct Failure {
    /// What was being done.
    step: Option<String>,
    pub code: String,
    detail: String,
}

pub(in crate::cli) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(super) fn new(code: &str, detail: impl Into<String>) -> Self {
        Failure { step: None, code: code.into(), detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = &self.step {
            write!(f, "{step}: ")?;
        }
        write!(f, "{}: {}", self.code, self.detail)
    }
}

/// Names the step a failure happened in; the innermost name stays.
pub(super) trait InStep<T> {
    fn step(self, name: impl FnOnce() -> String) -> Result<T>;
}

impl<T> InStep<T> for Result<T> {
    fn step(self, name: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|mut failure| {
            failure.step.get_or_insert_with(name);
            failure
        })
    }
}
