//! Password hashes: argon2id, computed off the request threads and only so many at once.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use kernel::{Ctx, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::entities::Hidden;
use crate::error::Error;

/// The longest wait for a turn; a caller who waits longer has given up.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Makes and checks hashes.
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    /// Matches no password; checked where there is no user, so that it takes as long.
    nobody: Hidden,
    /// One turn a core: more at once would only be slower, and each takes its memory.
    turns: Arc<Semaphore>,
}

/// A turn at hashing; given back when the work is done, even if nobody waits for it.
pub(crate) struct Turn(OwnedSemaphorePermit);

/// What a check found.
pub(crate) struct Verdict {
    pub matches: bool,
    /// A hash at today's cost, where the stored one was made at another.
    pub rehashed: Option<Hidden>,
}

impl Passwords {
    pub(crate) fn new(memory_kib: u32, iterations: u32) -> Result<Self> {
        let params = Params::new(memory_kib, iterations, 1, None).map_err(|error| {
            kernel::Error::internal(format!(
                "auth.argon2_memory_kib, auth.argon2_iterations: {error}"
            ))
        })?;
        let nobody = format!("$argon2id$v=19$m={memory_kib},t={iterations},p=1{}", no_hash());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Passwords {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            nobody: Hidden(nobody),
            turns: Arc::new(Semaphore::new(cores)),
        })
    }

    /// A hash that no password matches.
    pub(crate) fn nobody(&self) -> &Hidden {
        &self.nobody
    }

    /// Whether it is such a hash, at whatever cost: its owner has chosen no password.
    pub(crate) fn is_nobody(&self, hash: &Hidden) -> bool {
        hash.0.ends_with(&no_hash())
    }

    /// Waits for a turn, but not for long.
    pub(crate) async fn turn(&self, ctx: &Ctx) -> Result<Turn> {
        let wait = ctx.time_left().min(MAX_WAIT);
        match tokio::time::timeout(wait, self.turns.clone().acquire_owned()).await {
            Ok(permit) => Ok(Turn(permit.map_err(kernel::Error::internal)?)),
            Err(_) => Err(Error::SignInBusy.into()),
        }
    }

    pub(crate) async fn hash(&self, turn: Turn, password: &str) -> Result<Hidden> {
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        in_background(turn, move || hash(&argon2, &password)).await
    }

    /// Compares with `stored`, or takes as long where there is nothing stored.
    pub(crate) async fn verify(
        &self,
        turn: Turn,
        password: &str,
        stored: Option<&Hidden>,
    ) -> Result<Verdict> {
        let stored = stored.unwrap_or(&self.nobody).clone();
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        in_background(turn, move || verify(&argon2, &password, &stored)).await
    }
}

/// Salt and hash of what no password matches.
fn no_hash() -> String {
    format!("${}${}", "A".repeat(22), "A".repeat(43))
}

async fn in_background<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let work = move || {
        let result = work();
        drop(turn.0);
        result
    };
    tokio::task::spawn_blocking(work).await.map_err(kernel::Error::internal)?
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<Hidden> {
    let hash = argon2.hash_password(password.as_bytes()).map_err(failed)?;
    Ok(Hidden(hash.to_string()))
}

fn verify(argon2: &Argon2<'_>, password: &str, stored: &Hidden) -> Result<Verdict> {
    let parsed = PasswordHash::new(&stored.0).map_err(failed)?;
    if argon2.verify_password(password.as_bytes(), &parsed).is_err() {
        return Ok(Verdict { matches: false, rehashed: None });
    }
    let cost = Params::try_from(&parsed).map_err(failed)?;
    let today = argon2.params();
    let is_current = (cost.m_cost(), cost.t_cost()) == (today.m_cost(), today.t_cost());
    let rehashed = if is_current { None } else { Some(hash(argon2, password)?) };
    Ok(Verdict { matches: true, rehashed })
}

fn failed(error: impl std::fmt::Display) -> kernel::Error {
    kernel::Error::internal(format!("argon2: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_matches_its_password_only_and_moves_to_todays_cost() {
        let ctx = Ctx::system("test");
        let cheap = Passwords::new(64, 1).expect("valid");
        let stored = cheap.hash(cheap.turn(&ctx).await.expect("a turn"), "open sesame").await;
        let stored = stored.expect("hashed");
        let check = async |passwords: &Passwords, password: &str, stored: Option<&Hidden>| {
            let turn = passwords.turn(&ctx).await.expect("a turn");
            let verdict = passwords.verify(turn, password, stored).await.expect("checked");
            (verdict.matches, verdict.rehashed.is_some())
        };
        assert_eq!(check(&cheap, "open sesame", Some(&stored)).await, (true, false));
        assert_eq!(check(&cheap, "open sesam", Some(&stored)).await, (false, false));
        assert_eq!(check(&cheap, "open sesame", None).await, (false, false));
        let dear = Passwords::new(128, 2).expect("valid");
        assert_eq!(check(&dear, "open sesame", Some(&stored)).await, (true, true));
        assert_eq!(check(&dear, "open sesam", Some(&stored)).await, (false, false));
    }

    #[test]
    fn a_cost_that_argon2_refuses_is_named() {
        let error = Passwords::new(1, 1).err().expect("too little memory");
        assert!(format!("{error:?}").contains("auth.argon2_memory_kib"));
    }
}
