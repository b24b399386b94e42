//! What becomes of a refresh token that is presented: a decision about plain values.

use chrono::{DateTime, TimeDelta, Utc};

/// How long after its use a token may come again, because the answer may have been lost.
/// Anything longer helps a thief; a client retries within seconds.
const GRACE: TimeDelta = TimeDelta::seconds(10);
/// How often within the grace; a client that lost three answers had better sign in.
const MAX_REISSUES: i64 = 3;

/// A token as it is stored, with what it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented {
    pub expires_at: DateTime<Utc>,
    pub rotated_at: Option<DateTime<Utc>>,
    pub reissues: i64,
    /// Whether a token it was exchanged for has been used: then its answer did arrive.
    pub successor_used: bool,
    /// Whether another token that the one before it was exchanged for has been used: of an
    /// answer that came twice one counts, the one that is used first.
    pub sibling_used: bool,
    pub session_ended: bool,
    pub user_active: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Exchange it for a new one.
    Rotate,
    /// Exchange it once more: the first answer may have been lost.
    Reissue,
    /// Two parties hold it: end the session.
    Reused,
    /// It is worth nothing any more.
    Refuse,
}

/// Domain rules A-1 and A4.
pub(crate) fn decide(token: Presented, now: DateTime<Utc>) -> Decision {
    if token.session_ended || !token.user_active || token.expires_at <= now {
        return Decision::Refuse;
    }
    if token.sibling_used {
        return Decision::Reused;
    }
    let Some(rotated_at) = token.rotated_at else {
        return Decision::Rotate;
    };
    let may_be_lost =
        !token.successor_used && now < rotated_at + GRACE && token.reissues < MAX_REISSUES;
    if may_be_lost { Decision::Reissue } else { Decision::Reused }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(now: DateTime<Utc>) -> Presented {
        Presented {
            expires_at: now + TimeDelta::days(30),
            rotated_at: None,
            reissues: 0,
            successor_used: false,
            sibling_used: false,
            session_ended: false,
            user_active: true,
        }
    }

    #[test]
    fn a_token_is_exchanged_once_and_again_only_while_the_answer_may_be_lost() {
        let now = Utc::now();
        let check = |change: fn(&mut Presented, DateTime<Utc>), expected: Decision| {
            let mut token = fresh(now);
            change(&mut token, now);
            assert_eq!(decide(token, now), expected, "{token:?}");
        };
        check(|_, _| {}, Decision::Rotate);
        check(|t, _| t.sibling_used = true, Decision::Reused);
        check(|t, now| t.rotated_at = Some(now - TimeDelta::seconds(9)), Decision::Reissue);
        check(|t, now| t.rotated_at = Some(now - TimeDelta::seconds(10)), Decision::Reused);
        check(
            |t, now| {
                t.rotated_at = Some(now);
                t.successor_used = true;
            },
            Decision::Reused,
        );
        check(
            |t, now| {
                t.rotated_at = Some(now);
                t.reissues = 3;
            },
            Decision::Reused,
        );
    }

    #[test]
    fn nothing_is_exchanged_for_an_expired_token_an_ended_session_or_a_disabled_user() {
        let now = Utc::now();
        let check = |change: fn(&mut Presented, DateTime<Utc>)| {
            let mut token = fresh(now);
            change(&mut token, now);
            assert_eq!(decide(token, now), Decision::Refuse, "{token:?}");
            // A second use says nothing then: there is nothing left to end.
            token.rotated_at = Some(now - TimeDelta::minutes(1));
            assert_eq!(decide(token, now), Decision::Refuse, "{token:?}");
        };
        check(|t, now| t.expires_at = now);
        check(|t, _| t.session_ended = true);
        check(|t, _| t.user_active = false);
    }
}
