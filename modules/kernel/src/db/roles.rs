//! `erp migrate --create`: databases, login roles, schemas and grants on a PostgreSQL server,
//! such that a module's role owns the module's schema and can reach nothing else.
//!
//! The admin need not be a superuser: `CREATEDB` and `CREATEROLE` are enough, as the admins
//! of hosted servers have them. Everything may be repeated, also half-way.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, query_as, query_scalar};

use crate::config::SqlConfig;
use crate::db::address::{Address, reason};
use crate::error::{Error, Result};

/// Makes what is not there for these modules, of which each has a connection string.
/// Returns a line for each.
pub async fn create(modules: &[&str], sql: &SqlConfig) -> Result<Vec<String>> {
    let admin = Address::new("sql.admin".to_owned(), &sql.admin, sql)?;
    let owners = owners(modules, &admin, sql)?;
    let failed = |error: &sqlx::Error| admin.failed(&reason(error));
    let mut conn = admin.connect().await?;
    // Two at once would both find something missing. The number is nobody else's here.
    let lock = query_scalar::<_, ()>("SELECT pg_advisory_lock(7233401)");
    lock.fetch_one(&mut conn).await.map_err(|e| failed(&e))?;
    let mut done = Vec::new();
    for owner in &owners {
        make_role(&mut conn, owner).await.map_err(|why| admin.failed(&why))?;
        make_database(&mut conn, owner).await.map_err(|why| admin.failed(&why))?;
        let there = admin.with_database(&owner.address.database);
        let mut conn = there.connect().await?;
        make_schema(&mut conn, owner).await.map_err(|why| there.failed(&why))?;
        conn.close().await.map_err(|e| there.failed(&reason(&e)))?;
        done.push(format!(
            "{}: schema {} of {} belongs to {}",
            owner.module, owner.module, owner.address.database, owner.address.user
        ));
    }
    conn.close().await.map_err(|e| failed(&e))?;
    Ok(done)
}

/// A module and the role of its connection string.
struct Owner<'a> {
    module: &'a str,
    address: Address,
}

/// Reads the connection strings, and refuses those that could not be kept apart.
fn owners<'a>(modules: &[&'a str], admin: &Address, sql: &SqlConfig) -> Result<Vec<Owner<'a>>> {
    let mut owners: Vec<Owner<'a>> = Vec::new();
    for module in modules {
        let Some(url) = sql.connection_string(module) else { continue };
        let address = Address::of_module(module, url, sql)?;
        let refuse = |why: String| Err(Error::internal(format!("{module}_db: {why}")));
        if address.server() != admin.server() {
            return refuse(format!(
                "is on {} and sql.admin on {}: one admin serves one server; choose its modules \
                 with the setting modules",
                address.server(),
                admin.server()
            ));
        }
        if address.user == admin.user {
            return refuse("signs in as the admin; each module needs a role of its own".into());
        }
        if let Some(other) = owners.iter().find(|other| other.address.user == address.user) {
            return refuse(format!(
                "signs in as {}_db does; each module needs a role of its own",
                other.module
            ));
        }
        owners.push(Owner { module, address });
    }
    Ok(owners)
}

/// The role signs in with the password of its connection string, and may nothing else.
async fn make_role(conn: &mut PgConnection, owner: &Owner<'_>) -> Result<(), String> {
    let role = owner.address.user.as_str();
    let told = |error| format!("role {role}: {}", reason(&error));
    let privileged: Option<bool> = query_scalar(
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication \
         FROM pg_roles WHERE rolname = $1",
    )
    .bind(role)
    .fetch_optional(&mut *conn)
    .await
    .map_err(told)?;
    let verb = match privileged {
        Some(true) => return Err(format!("role {role} may do more than a module's role should")),
        Some(false) => "ALTER",
        None => "CREATE",
    };
    // Whoever may not do this is refused here, and the server's log of refused statements
    // has no password in it.
    let sql = format!("{verb} ROLE %I LOGIN");
    execute(conn, &sql, &[role]).await.map_err(told)?;
    if let Some(password) = &owner.address.password {
        let sql = "ALTER ROLE %I PASSWORD %L";
        execute(conn, sql, &[role, password]).await.map_err(told)?;
    }
    // Only a member can make the role an owner; a superuser can anyway.
    let is_superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    let is_superuser: bool =
        query_scalar(is_superuser).fetch_one(&mut *conn).await.map_err(told)?;
    if !is_superuser {
        execute(conn, "GRANT %I TO CURRENT_USER", &[role]).await.map_err(told)?;
    }
    Ok(())
}

/// Whoever has no grant cannot even connect.
async fn make_database(conn: &mut PgConnection, owner: &Owner<'_>) -> Result<(), String> {
    let (role, database) = (owner.address.user.as_str(), owner.address.database.as_str());
    let told = |error| format!("database {database}: {}", reason(&error));
    let is_there = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    let is_there: bool =
        query_scalar(is_there).bind(database).fetch_one(&mut *conn).await.map_err(told)?;
    if !is_there {
        execute(conn, "CREATE DATABASE %I", &[database]).await.map_err(told)?;
    }
    for (sql, parts) in [
        ("REVOKE ALL ON DATABASE %I FROM PUBLIC", &[database] as &[_]),
        ("REVOKE ALL ON DATABASE %I FROM %I", &[database, role]),
        ("GRANT CONNECT ON DATABASE %I TO %I", &[database, role]),
        // Also for whoever signs in as the role by hand.
        (
            "ALTER ROLE %2$I IN DATABASE %1$I SET search_path = %3$I",
            &[database, role, owner.module],
        ),
    ] {
        execute(conn, sql, parts).await.map_err(told)?;
    }
    Ok(())
}

/// The schema and what is in it belong to the role, also what another made there: before the
/// modules had roles, one may have made everything.
async fn make_schema(conn: &mut PgConnection, owner: &Owner<'_>) -> Result<(), String> {
    let (role, schema) = (owner.address.user.as_str(), owner.module);
    let told = |error| format!("schema {schema}: {}", reason(&error));
    let is_there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    let is_there: bool =
        query_scalar(is_there).bind(schema).fetch_one(&mut *conn).await.map_err(told)?;
    let verb =
        if is_there { "ALTER SCHEMA %I OWNER TO %I" } else { "CREATE SCHEMA %I AUTHORIZATION %I" };
    execute(conn, verb, &[schema, role]).await.map_err(told)?;
    execute(conn, "REVOKE ALL ON SCHEMA %I FROM PUBLIC", &[schema]).await.map_err(told)?;
    execute(conn, "REVOKE ALL ON SCHEMA public FROM PUBLIC", &[]).await.map_err(told)?;
    // A sequence that counts a column's values follows its table.
    let adopt: Vec<String> = query_scalar(
        "SELECT format('ALTER TABLE %s OWNER TO %I', c.oid::regclass, $2) FROM pg_class c \
         WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S') \
         AND pg_get_userbyid(c.relowner) <> $2 AND NOT EXISTS (SELECT FROM pg_depend d \
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')) \
         UNION ALL \
         SELECT format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure, $2) FROM pg_proc p \
         WHERE p.pronamespace = $1::regnamespace AND pg_get_userbyid(p.proowner) <> $2",
    )
    .bind(schema)
    .bind(role)
    .fetch_all(&mut *conn)
    .await
    .map_err(told)?;
    for sql in adopt {
        conn.execute(AssertSqlSafe(sql)).await.map_err(told)?;
    }
    Ok(())
}

/// Runs a statement whose names (`%I`) and texts (`%L`) PostgreSQL itself quotes.
async fn execute(conn: &mut PgConnection, sql: &str, parts: &[&str]) -> sqlx::Result<()> {
    let format = "SELECT format($1, VARIADIC $2::text[])";
    let sql: String = query_scalar(format).bind(sql).bind(parts).fetch_one(&mut *conn).await?;
    conn.execute(AssertSqlSafe(sql)).await.map(drop)
}

/// What a module's role finds when it connects.
#[derive(Debug)]
pub struct Reach {
    /// The server and the database, as `host:5432/erp`.
    pub place: String,
    /// As `15.3`.
    pub server_version: String,
    /// As `TLSv1.3`; none if the connection is not encrypted.
    pub tls: Option<String>,
    /// Whether the module's schema is the role's own; none if there is no such schema.
    pub owns_schema: Option<bool>,
    /// Schemas it can use beside that.
    pub others: Vec<String>,
}

/// Connects as the module does and looks around; none if its data are in a file.
pub async fn inspect(module: &str, sql: &SqlConfig) -> Result<Option<Reach>> {
    let Some(url) = sql.connection_string(module) else { return Ok(None) };
    let address = Address::of_module(module, url, sql)?;
    let failed = |error: sqlx::Error| address.failed(&reason(&error));
    let mut conn = address.connect().await?;
    let (server_version, tls): (String, Option<String>) = query_as(
        "SELECT current_setting('server_version'), \
         (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl)",
    )
    .fetch_one(&mut conn)
    .await
    .map_err(failed)?;
    let owns_schema: Option<bool> =
        query_scalar("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = $1")
            .bind(module)
            .fetch_optional(&mut conn)
            .await
            .map_err(failed)?;
    let others: Vec<String> = query_scalar(
        "SELECT nspname::text FROM pg_namespace WHERE nspname <> $1 AND nspname !~ '^pg_' \
         AND nspname <> 'information_schema' AND has_schema_privilege(oid, 'USAGE') ORDER BY 1",
    )
    .bind(module)
    .fetch_all(&mut conn)
    .await
    .map_err(failed)?;
    conn.close().await.map_err(failed)?;
    let place = format!("{}/{}", address.server(), address.database);
    Ok(Some(Reach { place, server_version, tls, owns_schema, others }))
}
