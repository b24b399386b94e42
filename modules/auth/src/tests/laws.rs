//! Each constraint refuses what it is for, and each law counts what breaks it.

use kernel::db::execute;
use test_support::{spell, words};

use super::{Fixture, PASSWORD, fixture};

async fn refuses(fixture: &Fixture, sql: &str, why: &str) {
    let tx = fixture.tx().await;
    let sql = spell(sql, &*tx);
    let error = words(execute(&*tx, sql.as_str(), vec![]).await.expect_err(&sql));
    assert!(error.contains(why), "{sql}: {error}");
}

async fn allows(fixture: &Fixture, sql: &str) {
    let tx = fixture.tx().await;
    let sql = spell(sql, &*tx);
    assert!(execute(&*tx, sql.as_str(), vec![]).await.expect(&sql) > 0, "{sql} touched nothing");
}

#[tokio::test]
async fn the_database_refuses_what_must_not_be() {
    let fixture = fixture().await;
    let token = fixture.sign_in("admin", PASSWORD).await.expect("signed in").refresh_token;
    fixture.refresh(&token).await.expect("exchanged");
    let check = async |sql: &str, why: &str| refuses(&fixture, sql, why).await;
    check("DELETE FROM users", "users are never deleted").await;
    check("UPDATE users SET username = 'eve'", "a user name stays").await;
    check("DELETE FROM roles", "roles are never deleted").await;
    check("UPDATE signing_keys SET seed = ''", "a signing key stays").await;
    check("UPDATE users SET password_hash = 'plain'", "CHECK").await;
    check("UPDATE users SET version = 0", "CHECK").await;
    check("UPDATE roles SET version = 0", "CHECK").await;
    check("UPDATE roles SET name_key = 'same'", "UNIQUE").await;
    check(
        "INSERT INTO users (id, username, username_key, name, email, password_hash, is_active, \
         version, created_at, updated_at) SELECT randomblob(16), 'Admin', username_key, 'A', NULL, password_hash, \
         is_active, 1, created_at, updated_at FROM users",
        "UNIQUE",
    )
    .await;
    check("INSERT INTO user_roles SELECT user_id, role_id FROM user_roles", "UNIQUE").await;
    check("INSERT INTO user_roles SELECT id, randomblob(16) FROM users", "FOREIGN KEY").await;
    check("INSERT INTO role_permissions SELECT randomblob(16), '*' FROM roles", "FOREIGN").await;
    check("UPDATE sessions SET ended_at = created_at", "CHECK").await;
    check("UPDATE sessions SET end_reason = 'signed_out'", "CHECK").await;
    check("UPDATE sessions SET ended_at = created_at, end_reason = 'bored'", "CHECK").await;
    check("UPDATE refresh_tokens SET expires_at = created_at", "stays what it is").await;
    check("UPDATE refresh_tokens SET session_id = randomblob(16)", "stays what it is").await;
    let used = "UPDATE refresh_tokens SET rotated_at = NULL WHERE rotated_at IS NOT NULL";
    check(used, "has been used").await;
    check("UPDATE refresh_tokens SET reissues = 4 WHERE rotated_at IS NOT NULL", "CHECK").await;
    check("UPDATE refresh_tokens SET reissues = 1 WHERE rotated_at IS NULL", "CHECK").await;
    check("DELETE FROM sessions", "FOREIGN KEY").await;
    check("UPDATE users SET hold = 'bored'", "CHECK").await;
    let totp = "INSERT INTO totp_secrets SELECT id, 'c2VjcmV0', NULL, 5, created_at FROM users";
    let code = "INSERT INTO recovery_codes SELECT 'x', id, created_at, created_at FROM users";
    let link = "INSERT INTO links SELECT 'x', id, created_at, created_at, created_at FROM users";
    let key = "INSERT INTO api_keys SELECT id, id, 'k', '[]', 5, created_at, created_at, NULL, 1, \
               created_at, created_at FROM users";
    let tx = fixture.tx().await;
    for sql in [totp, code, link, key] {
        execute(&*tx, sql, vec![]).await.expect(sql);
    }
    tx.commit().await.expect("committed");
    check("UPDATE totp_secrets SET last_step = 5", "the code has been used").await;
    check("UPDATE totp_secrets SET last_step = 4", "the code has been used").await;
    allows(&fixture, "UPDATE totp_secrets SET last_step = 6").await;
    check("UPDATE recovery_codes SET used_at = NULL", "the code has been used").await;
    check("UPDATE links SET used_at = NULL", "the link has been used").await;
    check("UPDATE api_keys SET revoked_at = NULL", "has been revoked").await;
    check("DELETE FROM api_keys", "API keys are never deleted").await;
    check(
        "INSERT INTO api_key_secrets SELECT 'x', randomblob(16), 'erp_', created_at, created_at, NULL \
           FROM users",
        "FOREIGN KEY",
    )
    .await;
    allows(&fixture, "UPDATE refresh_tokens SET rotated_at = created_at WHERE rotated_at IS NULL")
        .await;
    let end = "UPDATE sessions SET ended_at = created_at, end_reason = 'signed_out'";
    allows(&fixture, end).await;
    let tx = fixture.tx().await;
    execute(&*tx, end, vec![]).await.expect("ended");
    tx.commit().await.expect("committed");
    check("UPDATE sessions SET ended_at = NULL, end_reason = NULL", "has ended").await;
}

#[tokio::test]
async fn each_law_counts_what_breaks_it() {
    let check = async |law: &str, break_it: &[&str]| {
        let fixture = fixture().await;
        fixture.create_user("ada", vec![]).await.expect("created");
        fixture.sign_in("ada", PASSWORD).await.expect("signed in");
        fixture.assert_lawful().await;
        let tx = fixture.tx().await;
        for sql in break_it {
            let sql = spell(sql, &*tx);
            execute(&*tx, sql.as_str(), vec![]).await.expect(&sql);
        }
        tx.commit().await.expect("committed");
        let broken: Vec<_> =
            fixture.violations().await.into_iter().filter(|(_, n)| *n != 0).collect();
        assert_eq!(broken, [(law, 1)]);
    };
    check("A-1", &["UPDATE refresh_tokens SET rotated_at = created_at"]).await;
    check("A-2", &["UPDATE users SET is_active = FALSE WHERE username = 'ada'"]).await;
    check(
        "A-4",
        &["INSERT INTO role_permissions SELECT id, 'everything' FROM roles WHERE name = 'sales'"],
    )
    .await;
    check(
        "A-6",
        &[
            "PRAGMA ignore_check_constraints = ON",
            "UPDATE users SET password_hash = 'plain' WHERE username = 'ada'",
        ],
    )
    .await;
    check("A-7", &["DELETE FROM user_roles"]).await;
    check("A-8", &["UPDATE users SET second_factor_at = created_at WHERE username = 'ada'"]).await;
    check("A-9", &["UPDATE users SET hold = 'invited' WHERE username = 'ada'"]).await;
}
