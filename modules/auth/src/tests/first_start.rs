//! The first start and all later ones.

use kernel::Ctx;
use kernel::config::Secret;

use super::{PASSWORD, config, deps, fixture, lines, new_dir};
use crate::service::first_start;
use crate::service::passwords::Passwords;
use crate::service::vault::Vault;

#[tokio::test]
async fn a_generated_password_signs_in_and_a_later_start_changes_nothing() {
    let dir = new_dir();
    let mut config = config();
    config.admin_password = Some(Secret::new(""));
    let deps = deps(&dir).await;
    let first = crate::build(config.clone(), deps.clone()).await.expect("starts");
    let password = first.generated_admin_password.expect("made here");
    assert!(password.expose().len() >= 24);
    let keys = first.auth.verification_keys(&Ctx::system("test")).await.expect("keys");
    first.module.db.close().await.expect("closes");

    // Another password in the settings is for another first start.
    config.admin_password = Some(Secret::new("something else"));
    let second = crate::build(config, deps).await.expect("starts again");
    assert!(second.generated_admin_password.is_none());
    let keys_again = second.auth.verification_keys(&Ctx::system("test")).await.expect("keys");
    assert_eq!(keys[0].kid, keys_again[0].kid);
    let users = lines(second.module.db.read(), "SELECT username AS line FROM users").await;
    assert_eq!(users, ["admin"]);
    let roles = lines(second.module.db.read(), "SELECT name AS line FROM roles ORDER BY 1").await;
    let expected = [
        "accountant",
        "administrator",
        "auditor",
        "integration",
        "purchasing",
        "sales",
        "warehouse",
    ];
    assert_eq!(roles, expected);
    std::fs::remove_dir_all(dir).expect("removed");
}

#[tokio::test]
async fn a_start_that_finds_another_one_done_does_nothing() {
    let fixture = fixture().await;
    let passwords = Passwords::new(8, 1).expect("valid");
    let again =
        first_start::prepare(&fixture.service.db, &config(), &[], &passwords, &Vault::default())
            .await;
    assert!(again.expect("nothing to do").is_none());
    fixture.sign_in("ADMIN", PASSWORD).await.expect("signed in");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_named() {
    let check = async |change: &dyn Fn(&mut crate::Config), key: &str| {
        let dir = new_dir();
        let mut config = config();
        change(&mut config);
        let error = crate::build(config, deps(&dir).await).await.err().expect("refused");
        assert!(format!("{error:?}").contains(key), "{error:?}");
        std::fs::remove_dir_all(dir).expect("removed");
    };
    check(&|c| c.access_token_ttl_s = 901, "auth.access_token_ttl_s").await;
    check(&|c| c.access_token_ttl_s = 0, "auth.access_token_ttl_s").await;
    check(&|c| c.refresh_token_ttl_s = 0, "auth.refresh_token_ttl_s").await;
    check(&|c| c.argon2_memory_kib = 1, "auth.argon2_memory_kib").await;
    for password in ["short", "password123", "admin123", "aaaaaaaa", "        "] {
        let change = move |c: &mut crate::Config| c.admin_password = Some(Secret::new(password));
        check(&change, "auth.admin_password").await;
    }
    let change = |c: &mut crate::Config| {
        c.password_min_chars = 15;
        c.admin_password = Some(Secret::new("twelve herons"));
    };
    check(&change, "auth.admin_password: the password must have at least 15").await;
}
