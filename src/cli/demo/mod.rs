//! `erp demo`: a trading company with a quarter of history on a running server, through
//! the public API alone.

mod buying;
mod catalogue;
mod checks;
mod client;
mod company;
mod failure;
mod history;
mod patience;
mod plan;
mod random;
mod reading;
mod selling;
mod walk;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::serve::PASSWORD_FILE;
pub(super) use client::Client;
use company::{Company, MASTER_DATA};
use failure::{InStep, Result};

/// Who calls which server.
#[derive(Debug, Args)]
pub struct SignIn {
    /// Address of the server
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Who signs in; needs all permissions
    #[arg(long, global = true, default_value = "admin")]
    user: String,
    /// Their password [env: ERP_DEMO_PASSWORD] [default: what a first start kept in the
    /// data directory]
    #[arg(long, global = true)]
    password: Option<String>,
}

impl SignIn {
    /// Signs in. `data_dir` is asked only where no password is given.
    pub(super) async fn client(
        self,
        data_dir: impl FnOnce() -> Result<PathBuf, String>,
    ) -> Result<Client, String> {
        let password = self.password.or_else(|| std::env::var("ERP_DEMO_PASSWORD").ok());
        let password = match password {
            Some(password) => password,
            None => kept_password(data_dir()?)?,
        };
        let client = Client::sign_in(&self.url, &self.user, &password).await;
        client.step(|| "signing in".into()).map_err(|failure| failure.to_string())
    }
}

/// Runs the demo; fails with one line that names the step.
pub async fn demo(
    sign_in: SignIn,
    data_dir: impl FnOnce() -> Result<PathBuf, String>,
) -> Result<(), String> {
    let client = sign_in.client(data_dir).await.map_err(|failure| format!("demo: {failure}"))?;
    run(client).await.map_err(|failure| format!("demo: {failure}"))
}

/// The password that a first start generated and kept for its owner.
fn kept_password(data_dir: PathBuf) -> Result<String, String> {
    let path = data_dir.join(PASSWORD_FILE);
    let password = std::fs::read_to_string(&path).map_err(|error| {
        format!("no password: give --password or ERP_DEMO_PASSWORD ({}: {error})", path.display())
    })?;
    print_line!("using the password in {}", path.display());
    Ok(password.trim_end().to_owned())
}

async fn run(client: Client) -> Result<()> {
    let started = Instant::now();
    let plan = plan::plan(&catalogue::articles());
    let bar = progress_bar(MASTER_DATA + history::steps(&plan));
    bar.set_message("products, customers, suppliers");
    let company = Company::found(client, bar).await?;
    company.bar.set_message("a quarter of trade");
    history::play(&company, &plan).await?;
    company.bar.finish_and_clear();

    print_line!(
        "A company with {} products, {} customers, {} suppliers, {} warehouses",
        company.products.len(),
        company.customers.len(),
        company.suppliers.len(),
        company.warehouses.len()
    );
    print_line!("and its trade from {} to {}:", company.start(), company.today());
    for (kind, count) in company.counts() {
        print_line!("  {count:>5} {kind}");
    }
    walk::sell(&company).await?;
    walk::buy(&company, plan.purchases.len()).await?;
    checks::trial_balance(&company.client).await?;
    checks::laws(&company.client).await?;
    print_line!("\nEverything held, in {:.1} s.", started.elapsed().as_secs_f32());
    Ok(())
}

/// Shown on a terminal only.
fn progress_bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} % {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar
}
