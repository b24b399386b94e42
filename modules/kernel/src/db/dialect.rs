//! One script for every backend. It is written in SQL that both read; what they spell
//! differently is replaced here.

use sea_orm::DbBackend;

/// The script as the backend wants it.
pub(super) fn translate(sql: &str, backend: DbBackend) -> String {
    match backend {
        DbBackend::Sqlite => for_sqlite(sql),
        _ => for_postgres(sql),
    }
}

/// A key that counts by itself is declared differently; and a table with any other key is
/// stored in its order, which saves an index.
fn for_sqlite(sql: &str) -> String {
    let table = |definition: &str| match definition.split_once("\n);") {
        Some((columns, rest))
            if columns.contains("PRIMARY KEY") && !columns.contains("BIGSERIAL") =>
        {
            format!("{columns}\n) WITHOUT ROWID;{rest}")
        }
        _ => definition.to_owned(),
    };
    let tables: Vec<_> = sql.split("CREATE TABLE").map(table).collect();
    let sql = drops(&tables.join("CREATE TABLE"), |name, _| format!("DROP TRIGGER {name};"));
    sql.replace("BIGSERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")
}

/// `DROP TRIGGER name ON table;`, for SQLite without the table, for PostgreSQL with the function
/// that was made of the trigger.
fn drops(sql: &str, spelled: impl Fn(&str, &str) -> String) -> String {
    let mut parts = sql.split("DROP TRIGGER ");
    let mut translated = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (dropped, after) = part.split_once(';').unwrap_or((part, ""));
        let (name, table) = dropped.split_once(" ON ").unwrap_or((dropped, ""));
        translated.push_str(&spelled(name, table));
        translated.push_str(after);
    }
    translated
}

/// A trigger that refuses, in SQLite's words
///
/// ```sql
/// CREATE TRIGGER t BEFORE UPDATE ON x WHEN <when>
/// BEGIN SELECT RAISE(ABORT, 'why') WHERE <where>; END;
/// ```
///
/// becomes a function that raises an exception, and a trigger that calls it.
fn for_postgres(sql: &str) -> String {
    let sql = drops(sql, |name, table| {
        format!("DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();")
    });
    let mut translated = String::new();
    let mut rest = sql.as_str();
    while let Some(at) = rest.find("CREATE TRIGGER ") {
        let (before, trigger) = rest.split_at(at);
        let end = trigger.find("END;").map_or(trigger.len(), |end| end + "END;".len());
        let (trigger, after) = trigger.split_at(end);
        translated.push_str(before);
        translated.push_str(&refusal(trigger));
        rest = after;
    }
    translated.push_str(rest);
    translated
}

fn refusal(trigger: &str) -> String {
    let inner = trigger.trim_start_matches("CREATE TRIGGER ").trim_end_matches("END;");
    let (head, body) = inner.split_once("BEGIN").unwrap_or((inner, ""));
    let (event, when) = match head.split_once("WHEN") {
        Some((event, when)) => (event, when.trim()),
        None => (head, "TRUE"),
    };
    let name = event.split_whitespace().next().unwrap_or_default();
    let checks: String = body
        .split("SELECT RAISE(ABORT, ")
        .skip(1)
        .map(|check| {
            let check = check.trim().trim_end_matches(';');
            let (message, when) = check.split_once("')").unwrap_or((check, ""));
            let when = match when.trim().strip_prefix("WHERE") {
                Some(when) => when.trim(),
                None => "TRUE",
            };
            format!(
                "IF {when} THEN RAISE EXCEPTION {message}' USING ERRCODE = 'check_violation'; \
                 END IF; "
            )
        })
        .collect();
    let row = if event.contains("DELETE") { "OLD" } else { "NEW" };
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF {when} THEN {checks} END IF; RETURN {row}; END $$;\n\
         CREATE TRIGGER {event} FOR EACH ROW EXECUTE FUNCTION {name}();"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_stores_a_table_in_the_order_of_its_key_unless_that_counts_by_itself() {
        let keyed = "CREATE TABLE a (\n    id UUID PRIMARY KEY\n);\n";
        let counted = "CREATE TABLE b (\n    seq BIGSERIAL PRIMARY KEY\n);\n";
        assert_eq!(
            translate(&format!("{keyed}{counted}"), DbBackend::Sqlite),
            "CREATE TABLE a (\n    id UUID PRIMARY KEY\n) WITHOUT ROWID;\n\
             CREATE TABLE b (\n    seq INTEGER PRIMARY KEY AUTOINCREMENT\n);\n"
        );
    }

    #[test]
    fn a_trigger_is_dropped_with_its_function() {
        let sql = "-- Why.\nDROP TRIGGER t ON x;\nDROP TRIGGER u ON x;\nSELECT 1;\n";
        assert_eq!(
            translate(sql, DbBackend::Sqlite),
            "-- Why.\nDROP TRIGGER t;\nDROP TRIGGER u;\nSELECT 1;\n"
        );
        assert_eq!(
            translate(sql, DbBackend::Postgres),
            "-- Why.\nDROP TRIGGER t ON x; DROP FUNCTION t();\n\
             DROP TRIGGER u ON x; DROP FUNCTION u();\nSELECT 1;\n"
        );
    }

    #[test]
    fn a_refusing_trigger_becomes_a_function_that_raises() {
        let sql = "-- Why.\nCREATE TRIGGER t BEFORE UPDATE OF a, b ON x\n\
            WHEN NEW.a IS DISTINCT FROM OLD.a AND NEW.b IS NOT NULL\n\
            BEGIN\n    SELECT RAISE(ABORT, 'no (ever)') WHERE NEW.a > 1;\n    \
            SELECT RAISE(ABORT, 'never');\nEND;\n\
            CREATE TRIGGER u BEFORE DELETE ON x\nBEGIN SELECT RAISE(ABORT, 'stays'); END;\n";
        let expected = "-- Why.\n\
            CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF \
            NEW.a IS DISTINCT FROM OLD.a AND NEW.b IS NOT NULL THEN \
            IF NEW.a > 1 THEN RAISE EXCEPTION 'no (ever)' USING ERRCODE = 'check_violation'; \
            END IF; IF TRUE THEN RAISE EXCEPTION 'never' USING ERRCODE = 'check_violation'; \
            END IF;  END IF; RETURN NEW; END $$;\n\
            CREATE TRIGGER t BEFORE UPDATE OF a, b ON x\n \
            FOR EACH ROW EXECUTE FUNCTION t();\n\
            CREATE FUNCTION u() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF \
            TRUE THEN IF TRUE THEN RAISE EXCEPTION 'stays' USING ERRCODE = 'check_violation'; \
            END IF;  END IF; RETURN OLD; END $$;\n\
            CREATE TRIGGER u BEFORE DELETE ON x\n FOR EACH ROW EXECUTE FUNCTION u();\n";
        assert_eq!(translate(sql, DbBackend::Postgres), expected);
    }
}
