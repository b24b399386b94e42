//! Tests that go past the code, straight at the database, are written in SQLite's words.

use sea_orm::{ConnectionTrait, DbBackend};

/// The statement as the database spells it.
pub fn spell(sql: &str, conn: &impl ConnectionTrait) -> String {
    if conn.get_database_backend() == DbBackend::Sqlite {
        return sql.to_owned();
    }
    let statements: Vec<_> = sql.split("; ").map(statement).collect();
    let sql = statements
        .join("; ")
        .replace("randomblob(16)", "gen_random_uuid()")
        .replace("strftime('%Y-%m-%dT%H:%M:%SZ')", "now()")
        .replace("WHERE 0", "WHERE FALSE");
    ids(&sql)
}

/// Selects the `name` of every trigger of the schema.
pub fn triggers(conn: &impl ConnectionTrait) -> &'static str {
    match conn.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        _ => {
            "SELECT tgname::text AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
             WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
        }
    }
}

fn statement(sql: &str) -> String {
    let dropped = |kind: &str| {
        format!(
            "DO $$ DECLARE r record; BEGIN FOR r IN SELECT conname, conrelid::regclass AS t \
             FROM pg_constraint WHERE contype = '{kind}' AND connamespace = \
             current_schema()::regnamespace LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT \
             %I', r.t, r.conname); END LOOP; END $$"
        )
    };
    match sql {
        "PRAGMA ignore_check_constraints = ON" => dropped("c"),
        "PRAGMA foreign_keys = OFF" => dropped("f"),
        "PRAGMA defer_foreign_keys = ON" => "SET CONSTRAINTS ALL DEFERRED".to_owned(),
        _ => match sql.strip_prefix("DROP TRIGGER ") {
            Some(name) => format!(
                "DO $$ BEGIN EXECUTE (SELECT format('DROP TRIGGER %I ON %s', tgname, \
                 tgrelid::regclass) FROM pg_trigger WHERE tgname = '{name}' AND tgrelid IN \
                 (SELECT oid FROM pg_class WHERE relnamespace = \
                 current_schema()::regnamespace)); END $$"
            ),
            None => sql.to_owned(),
        },
    }
}

/// `x'01'`, an id as SQLite keeps it.
fn ids(sql: &str) -> String {
    let mut parts = sql.split("x'");
    let mut spelled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('\'') {
            Some((hex, rest)) if !hex.is_empty() && hex.chars().all(|c| c.is_ascii_hexdigit()) => {
                spelled.push_str(&format!("'{hex:0<32}'::uuid{rest}"));
            }
            _ => spelled.push_str(&format!("x'{part}")),
        }
    }
    spelled
}

/// What the database says of a refusal, in SQLite's words.
pub fn words(error: impl std::fmt::Display) -> String {
    let said = error.to_string();
    let kinds = [
        ("violates check constraint", "CHECK constraint failed"),
        ("duplicate key value violates unique constraint", "UNIQUE constraint failed"),
        ("violates foreign key constraint", "FOREIGN KEY constraint failed"),
        // A type that refuses does what a check does.
        ("out of range", "CHECK constraint failed"),
        ("violates not-null constraint", "NOT NULL constraint failed"),
    ];
    match kinds.iter().find(|(postgres, _)| said.contains(postgres)) {
        Some((_, sqlite)) => format!("{sqlite}: {said}"),
        None => said,
    }
}
