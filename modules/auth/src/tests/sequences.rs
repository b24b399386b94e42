//! Random sequences of commands: whatever is asked in whatever order, the laws hold, and
//! a session does what a plain model of it says.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Fixture, PASSWORD, everything, fixture, with_permissions};

const USERS: [&str; 3] = ["admin", "ada", "bob"];

#[derive(Clone, Debug)]
enum Command {
    SignIn {
        user: usize,
    },
    WrongPassword {
        user: usize,
    },
    /// Refreshes with one of all the tokens ever given out.
    Refresh {
        token: prop::sample::Index,
    },
    SetActive {
        user: usize,
        is_active: bool,
    },
    SetRoles {
        user: usize,
        roles: Vec<usize>,
        by_admin: bool,
    },
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let user = 0..USERS.len();
    let command = prop_oneof![
        3 => user.clone().prop_map(|user| Command::SignIn { user }),
        1 => user.clone().prop_map(|user| Command::WrongPassword { user }),
        8 => any::<prop::sample::Index>().prop_map(|token| Command::Refresh { token }),
        2 => (user.clone(), any::<bool>())
            .prop_map(|(user, is_active)| Command::SetActive { user, is_active }),
        2 => (user, vec(0..3_usize, 0..3), any::<bool>())
            .prop_map(|(user, roles, by_admin)| Command::SetRoles { user, roles, by_admin }),
    ];
    vec(command, 1..40)
}

/// A token given out: its user, its session, what it came from, what became of it.
struct Given {
    text: String,
    user: usize,
    session: usize,
    parent: Option<usize>,
    uses: u32,
}

#[derive(Default)]
struct Model {
    tokens: Vec<Given>,
    /// Whether each session lives.
    sessions: Vec<bool>,
    is_active: [bool; 3],
    failures: [u32; 3],
    /// Whether each user has the administrator's role.
    is_admin: [bool; 3],
}

impl Model {
    fn is_last_administrator(&self, user: usize) -> bool {
        let is_administrator = |user: usize| self.is_admin[user] && self.is_active[user];
        is_administrator(user) && (0..3).filter(|user| is_administrator(*user)).count() == 1
    }

    /// What a refresh should answer; every use here is within the grace.
    fn refresh(&self, token: usize) -> Result<(), &'static str> {
        let given = &self.tokens[token];
        if !self.sessions[given.session] {
            return Err("invalid_refresh_token");
        }
        let sibling_used = self.tokens.iter().enumerate().any(|(at, other)| {
            at != token && given.parent.is_some() && other.parent == given.parent && other.uses > 0
        });
        let successor_used =
            self.tokens.iter().any(|other| other.parent == Some(token) && other.uses > 0);
        match given.uses {
            0 if !sibling_used => Ok(()),
            1..=3 if !successor_used => Ok(()),
            _ => Err("refresh_token_reused"),
        }
    }
}

async fn run(commands: Vec<Command>) {
    let fixture = fixture().await;
    for name in &USERS[1..] {
        fixture.create_user(name, vec![]).await.expect("created");
    }
    let mut model = Model { is_active: [true; 3], ..Model::default() };
    model.is_admin[0] = true;
    for command in commands {
        apply(&fixture, &mut model, command).await;
        fixture.assert_lawful().await;
    }
}

async fn apply(fixture: &Fixture, model: &mut Model, command: Command) {
    match command {
        Command::SignIn { user } if model.is_active[user] => {
            let text = fixture.sign_in(USERS[user], PASSWORD).await.expect("signed in");
            let text = text.refresh_token;
            model.failures[user] = 0;
            let session = model.sessions.len();
            model.sessions.push(true);
            model.tokens.push(Given { text, user, session, parent: None, uses: 0 });
        }
        // One failure more and the clock would decide what comes next.
        Command::SignIn { user } | Command::WrongPassword { user } if model.failures[user] == 4 => {
        }
        Command::SignIn { user } => {
            let error = fixture.sign_in(USERS[user], PASSWORD).await.expect_err("disabled");
            assert_eq!(error.code(), "invalid_credentials");
            model.failures[user] += 1;
        }
        Command::WrongPassword { user } => {
            let error = fixture.sign_in(USERS[user], "wrong password").await.expect_err("wrong");
            assert_eq!(error.code(), "invalid_credentials");
            model.failures[user] += 1;
        }
        Command::Refresh { token } if !model.tokens.is_empty() => {
            let token = token.index(model.tokens.len());
            let expected = model.refresh(token);
            let outcome = fixture.refresh(&model.tokens[token].text).await;
            let outcome = outcome.map(|tokens| tokens.refresh_token);
            assert_eq!(outcome.as_ref().map(|_| ()).map_err(kernel::Error::code), expected);
            let (user, session) = (model.tokens[token].user, model.tokens[token].session);
            match outcome {
                Ok(text) => {
                    model.tokens[token].uses += 1;
                    model.tokens.push(Given { text, user, session, parent: Some(token), uses: 0 });
                }
                Err(error) if error.code() == "refresh_token_reused" => {
                    model.sessions[session] = false;
                }
                Err(_) => {}
            }
        }
        Command::Refresh { .. } => {}
        Command::SetActive { user, is_active } => {
            let id = fixture.user_id(USERS[user]).await;
            let outcome = match is_active {
                true => fixture.service.enable_user(&everything(), id).await,
                false => fixture.service.disable_user(&everything(), id).await,
            };
            if !is_active && model.is_last_administrator(user) {
                assert_eq!(outcome.expect_err("the last").code(), "last_administrator");
                return;
            }
            outcome.expect("changed");
            model.is_active[user] = is_active;
            if !is_active {
                for token in model.tokens.iter().filter(|token| token.user == user) {
                    model.sessions[token.session] = false;
                }
            }
        }
        Command::SetRoles { user, roles, by_admin } => {
            let id = fixture.user_id(USERS[user]).await;
            let mut ids = Vec::new();
            for role in &roles {
                ids.push(fixture.role_id(["administrator", "sales", "auditor"][*role]).await);
            }
            let ctx = if by_admin { everything() } else { with_permissions(&["auth.*"]) };
            let outcome = fixture.service.set_user_roles(&ctx, id, ids).await;
            match outcome {
                // Only an administrator gives these roles; they may have been given before.
                Err(error) if error.code() == "cannot_grant" => assert!(!by_admin),
                Err(error) => {
                    assert_eq!(error.code(), "last_administrator");
                    assert!(model.is_last_administrator(user) && !roles.contains(&0));
                }
                Ok(_) => {
                    assert!(!model.is_last_administrator(user) || roles.contains(&0));
                    model.is_admin[user] = roles.contains(&0);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_and_sessions_do_as_the_model_says(commands in commands()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(run(commands));
    }
}
