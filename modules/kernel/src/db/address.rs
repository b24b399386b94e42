//! The way to a PostgreSQL database: what a connection string says, and how the connection is
//! secured.
//!
//! Errors name the module's database and where it is, and never what the string holds
//! beside that: it holds the password.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

use crate::config::{Secret, SqlConfig, Tls};
use crate::error::{Error, Result};

/// Longest way to an open connection where no pool is in between: at the start and for
/// `erp migrate`.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// What may follow the `?`. Another name may be a password that was not encoded.
const PARAMETERS: [&str; 7] =
    ["application_name", "host", "options", "sslcert", "sslkey", "sslmode", "sslrootcert"];

/// What a connection string says.
#[derive(Clone)]
pub(super) struct Address {
    /// The setting it comes from, such as `orders_db`.
    name: String,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    options: PgConnectOptions,
}

/// Says what is wrong with a connection string, without repeating it.
pub fn check_connection_string(url: &Secret) -> Result<(), String> {
    read(url, &SqlConfig::default()).map(drop)
}

fn read(url: &Secret, sql: &SqlConfig) -> Result<Address, String> {
    let text = url.expose();
    let form = "must be as postgres://user:password@host/database";
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(form.to_owned());
    }
    let encode = "what is special in a password must be percent-encoded";
    let parsed = Url::parse(text).map_err(|error| format!("{form}: {error} ({encode})"))?;
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(|text| text.into_owned()).map_err(|_| format!("{form} ({encode}, in UTF-8)"))
    };
    let path = parsed.path();
    let database = decode(path.strip_prefix('/').unwrap_or(path))?;
    let user = decode(parsed.username())?;
    if user.is_empty() || database.is_empty() || parsed.fragment().is_some() {
        return Err(format!("{form} ({encode})"));
    }
    for (name, value) in parsed.query_pairs() {
        if !PARAMETERS.contains(&name.as_ref()) {
            return Err(format!("after the ? may be {} ({encode})", PARAMETERS.join(", ")));
        }
        if name == "sslmode" && PgSslMode::from_str(&value).is_err() {
            return Err("sslmode must be disable, prefer, require, verify-ca or verify-full".into());
        }
    }
    let mut options = PgConnectOptions::from_str(text).map_err(|_| form.to_owned())?;
    let is_rooted = parsed.query_pairs().any(|(name, _)| name == "sslrootcert");
    options = secure(options, is_rooted, sql).disable_statement_logging();
    Ok(Address {
        name: String::new(),
        user,
        password: parsed.password().map(decode).transpose()?,
        database,
        options,
    })
}

/// The stricter of what the string and the settings ask for.
fn secure(mut options: PgConnectOptions, is_rooted: bool, sql: &SqlConfig) -> PgConnectOptions {
    let strictness = |mode| match mode {
        PgSslMode::Disable | PgSslMode::Allow => 0,
        PgSslMode::Prefer => 1,
        PgSslMode::Require => 2,
        PgSslMode::VerifyCa => 3,
        PgSslMode::VerifyFull => 4,
    };
    let asked = options.get_ssl_mode();
    let least = match sql.tls {
        // Nothing is asked for: what the string says is good.
        Tls::Prefer => asked,
        Tls::Require => PgSslMode::Require,
        Tls::VerifyFull => PgSslMode::VerifyFull,
    };
    let mut mode = if strictness(least) > strictness(asked) { least } else { asked };
    let has_settings_root = !sql.tls_root_cert.as_os_str().is_empty();
    if has_settings_root && !is_rooted {
        options = options.ssl_root_cert(&sql.tls_root_cert);
    }
    // Who names a certificate wants it looked at, as with libpq.
    if matches!(mode, PgSslMode::Require) && (is_rooted || has_settings_root) {
        mode = PgSslMode::VerifyCa;
    }
    options.ssl_mode(mode)
}

impl Address {
    /// Reads the string of a module.
    pub(super) fn of_module(module: &str, url: &Secret, sql: &SqlConfig) -> Result<Address> {
        Address::new(format!("{module}_db"), url, sql)
    }

    /// Reads the string that the setting `name` holds.
    pub(super) fn new(name: String, url: &Secret, sql: &SqlConfig) -> Result<Address> {
        match read(url, sql) {
            Ok(address) => Ok(Address { name, ..address }),
            Err(why) => Err(Error::internal(format!("{name}: {why}"))),
        }
    }

    /// The same server and user, another database.
    pub(super) fn with_database(&self, database: &str) -> Address {
        Address {
            database: database.to_owned(),
            options: self.options.clone().database(database),
            ..self.clone()
        }
    }

    /// The host and the port, or the socket.
    pub(super) fn server(&self) -> String {
        match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.options.get_host(), self.options.get_port()),
        }
    }

    /// One connection, for the work that no pool is for.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let connecting = tokio::time::timeout(CONNECT_LIMIT, self.options.connect());
        match connecting.await {
            Ok(connected) => connected.map_err(|error| self.failed(&reason(&error))),
            Err(_) => Err(self.failed(&format_args!("no answer in {CONNECT_LIMIT:?}"))),
        }
    }

    /// The error that names this database and where it is.
    pub(super) fn failed(&self, why: &dyn fmt::Display) -> Error {
        Error::internal(format!("{} ({}/{}): {why}", self.name, self.server(), self.database))
    }

    /// How the pool of a module connects; its schema has its name.
    pub(super) fn options(&self, module: &str) -> PgConnectOptions {
        // Compiling a plan takes longer than any statement here that it is done for: a report
        // over a month of a million invoices half a second. A page at random costs what it does
        // where no disk turns: at its default, a plan made while a table was young and kept since
        // reads the whole of it for a handful of rows.
        let options = [("search_path", module), ("jit", "off"), ("random_page_cost", "1.1")];
        self.options.clone().options(options).statement_cache_capacity(256)
    }
}

/// What an error says, without sqlx's introduction to it.
pub(super) fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => error.to_string(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str, tls: Tls, root: &str) -> PgSslMode {
        let sql = SqlConfig { tls, tls_root_cert: root.into(), ..SqlConfig::default() };
        read(&Secret::new(url), &sql).expect(url).options.get_ssl_mode()
    }

    #[test]
    fn the_stricter_of_string_and_setting_holds() {
        let check = |parameters: &str, tls, expected: &str| {
            let url = format!("postgres://u:p@h/d{parameters}");
            assert_eq!(format!("{:?}", mode(&url, tls, "")), expected, "{url} with {tls:?}");
        };
        check("", Tls::Prefer, "Prefer");
        check("?sslmode=disable", Tls::Prefer, "Disable");
        check("?sslmode=verify-full", Tls::Prefer, "VerifyFull");
        check("", Tls::Require, "Require");
        check("?sslmode=disable", Tls::Require, "Require");
        check("?sslmode=verify-ca", Tls::Require, "VerifyCa");
        check("?sslmode=disable", Tls::VerifyFull, "VerifyFull");
        check("?sslmode=require&sslrootcert=/ca.pem", Tls::Prefer, "VerifyCa");
        assert!(matches!(mode("postgres://u:p@h/d", Tls::Require, "/ca.pem"), PgSslMode::VerifyCa));
    }

    #[test]
    fn what_is_special_in_a_string_is_decoded() {
        let url = Secret::new("postgres://o%27r%22d:p%40s%2Fs%23%25@h:5/a%20b");
        let address = read(&url, &SqlConfig::default()).expect("valid");
        assert_eq!(address.user, "o'r\"d");
        assert_eq!(address.password.as_deref(), Some("p@s/s#%"));
        assert_eq!(address.database, "a b");
        assert_eq!(address.server(), "h:5");
    }

    #[test]
    fn a_string_that_cannot_be_read_is_refused_and_not_repeated() {
        for url in [
            "mysql://user:s3cret@host/database",
            "postgres://user:s3cret@host",
            "postgres://:s3cret@host/database",
            "postgres://user:s3cret@host:port/database",
            // Passwords that end the host's part too early.
            "postgres://user:12#s3cret@host/database",
            "postgres://user:12/s3cret@host/database",
            "postgres://user:12?s3cret@host/database",
            "postgres://user:s3cret@host/database?s3cret=1",
            "postgres://user:s3cret@host/database?sslmode=s3cret",
            "postgres://user:s3cret%FF@host/database",
        ] {
            let why = check_connection_string(&Secret::new(url)).expect_err(url);
            assert!(!why.contains("s3cret") && !why.is_empty(), "{url}: {why}");
        }
        assert_eq!(check_connection_string(&Secret::new("postgresql://user@host/db")), Ok(()));
    }
}
