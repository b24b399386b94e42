//! Journal entries: what every event did to the books. They never change.

use actix_web::get;
use actix_web::web::Data;
use chrono::{DateTime, NaiveDate, Utc};
use contracts::ids::JournalEntryId;
use kernel::Result;
use kernel::http::{Path, Query, Reply, Routes};
use kernel::money::Money;
use kernel::page::{Cursor, Limit, Page, PageRequest, Sort};
use kernel::text::Code;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::entities::journal_entry::SourceType;
use crate::service::Service;

pub(super) fn configure(routes: &mut Routes) {
    routes.service(list_journal_entries).service(get_journal_entry);
}

/// An entry of the journal: its debits equal its credits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalEntry {
    pub id: JournalEntryId,
    #[schema(example = "JE-2026-000001")]
    pub number: String,
    pub entry_on: NaiveDate,
    /// The day of what it came from, where that was closed: the entry is on the first open day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub document_on: Option<NaiveDate>,
    pub source_type: SourceType,
    /// What it came from; each source posts once.
    pub source_id: Uuid,
    pub description: String,
    /// Why it was posted on a day that was closed, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exception_reason: Option<String>,
    pub lines: Vec<JournalLine>,
    pub created_at: DateTime<Utc>,
}

/// A line of an entry. One of its two sides is nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalLine {
    /// Code of the account.
    #[schema(example = "1100")]
    pub account: String,
    pub debit: Money,
    pub credit: Money,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListJournalEntries {
    #[serde(default)]
    pub limit: Limit,
    pub cursor: Option<Cursor>,
    #[serde(default)]
    pub sort: Sort,
    /// Only entries that touch the account with this code.
    pub account: Option<Code>,
    pub source_type: Option<SourceType>,
    pub source_id: Option<Uuid>,
    /// The first day.
    pub from: Option<NaiveDate>,
    /// The last day.
    pub to: Option<NaiveDate>,
}

impl ListJournalEntries {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit, cursor: self.cursor.clone(), sort: self.sort }
    }
}

/// List journal entries
///
/// With their lines. Newest first unless `sort` says otherwise; between days (`from`, `to`) in
/// the order of the days they are dated.
#[utoipa::path(
    tag = "Journal entries",
    params(ListJournalEntries),
    responses((status = 200, body = Page<JournalEntry>)),
    extensions(("x-permission" = json!("billing.journal:read")))
)]
#[get("/journal-entries")]
async fn list_journal_entries(
    service: Data<Service>,
    query: Query<ListJournalEntries>,
) -> Result<Reply> {
    Ok(Reply::plain(&service.list_journal_entries(query.0).await?))
}

/// Get journal entry
#[utoipa::path(
    tag = "Journal entries",
    params(("id" = JournalEntryId, Path)),
    responses((status = 200, body = JournalEntry)),
    extensions(("x-permission" = json!("billing.journal:read")))
)]
#[get("/journal-entries/{id}")]
async fn get_journal_entry(service: Data<Service>, id: Path<JournalEntryId>) -> Result<Reply> {
    let read = async || Ok(Reply::plain(&service.journal_entry(*id).await?));
    service.db.cached("journal_entry", id.uuid(), read).await
}
