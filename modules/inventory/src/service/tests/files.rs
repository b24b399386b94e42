//! Imports that do not add up, and uploads that broke off.

use chrono::{Days, Utc};
use contracts::ids::ImportId;
use kernel::Ctx;
use kernel::table::Format;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};

use super::bench::Bench;
use crate::entities::import::{self, FileResource, FileStatus, ImportPolicy};
use crate::entities::product;

const FILE: &str =
    "sku,name,unit,tax_class\nA,A,pcs,standard\nB,B,pcs,standard\nC,C,pcs,standard\n";

pub(super) fn import(policy: ImportPolicy) -> import::Model {
    import::Model {
        id: ImportId::new(),
        resource: FileResource::Products,
        format: Format::Csv,
        policy,
        is_dry_run: false,
        stock_count_id: None,
        reason: "test".into(),
        status: FileStatus::Queued,
        bytes: FILE.len() as i64,
        last_row: 0,
        rows_read: 0,
        rows_created: 0,
        rows_updated: 0,
        rows_unchanged: 0,
        rows_failed: 0,
        actor: serde_json::to_string(&Ctx::system("test").actor).expect("JSON"),
        request_id: "request-0001".into(),
        created_at: Utc::now(),
        updated_at: Utc::now(),
        started_at: None,
        ended_at: None,
    }
}

/// Stores an import and its file, in two pieces.
pub(super) async fn store(bench: &Bench, import: &import::Model, file: &str) {
    let tx = bench.service.db.begin(&Ctx::system("test")).await.expect("begins");
    import.clone().into_active_model().insert(&*tx).await.expect("stored");
    for (position, piece) in file.as_bytes().chunks(file.len().div_ceil(2)).enumerate() {
        let sql = "INSERT INTO import_pieces (import_id, position, bytes, created_at) \
                   VALUES ($1, $2, $3, $4)";
        let values = vec![
            import.id.into(),
            (position as i64).into(),
            piece.to_vec().into(),
            (tx.now() - Days::new(1)).into(),
        ];
        kernel::db::execute(&*tx, sql, values).await.expect("stored");
    }
    tx.commit().await.expect("committed");
}

async fn skus(bench: &Bench) -> Vec<String> {
    let all = product::Entity::find().all(bench.service.db.read()).await.expect("read");
    let mut skus: Vec<_> = all.into_iter().map(|row| row.sku).collect();
    skus.sort();
    skus
}

#[tokio::test]
async fn the_database_refuses_an_import_that_does_not_add_up() {
    let bench = Bench::new().await;
    store(&bench, &import(ImportPolicy::Atomic), FILE).await;
    let ended = "ended_at = created_at, status = 'succeeded'";
    for wrong in [
        "rows_created = 1".to_owned(),
        "ended_at = created_at".to_owned(),
        "status = 'cancelled'".to_owned(),
        "resource = 'counts'".to_owned(),
        "last_row = -1".to_owned(),
        format!("{ended}, rows_read = 2, rows_created = 1"),
        format!("{ended}, rows_read = 1, rows_failed = 1"),
    ] {
        let tx = bench.service.db.begin(&Ctx::system("test")).await.expect("begins");
        let sql = format!("UPDATE imports SET {wrong}");
        assert!(tx.execute_unprepared(&sql).await.is_err(), "{wrong}");
    }
    bench.write(&format!("UPDATE imports SET {ended}, rows_read = 1, rows_created = 1")).await;
}

#[tokio::test]
async fn what_an_earlier_run_has_dealt_with_is_left_alone() {
    let bench = Bench::new().await;
    let job = Ctx::system("imports");
    let mut half = import(ImportPolicy::SkipFailed);
    (half.status, half.started_at) = (FileStatus::Running, Some(Utc::now()));
    (half.last_row, half.rows_read, half.rows_created) = (3, 2, 2);
    store(&bench, &half, FILE).await;
    bench.service.run_imports(&job).await.expect("runs");
    // A and B are of the run before, which is why nobody makes them here.
    assert_eq!(skus(&bench).await, ["C"]);
    let ended = bench.service.import(half.id).await.expect("there");
    assert_eq!((ended.status, ended.rows_created), (FileStatus::Succeeded, 3));
    // All or nothing begins anew: nothing of it was there.
    let mut whole = import(ImportPolicy::Atomic);
    (whole.status, whole.started_at) = (FileStatus::Running, Some(Utc::now()));
    (whole.last_row, whole.rows_read, whole.rows_created) = (3, 2, 2);
    store(&bench, &whole, FILE).await;
    bench.service.run_imports(&job).await.expect("runs");
    assert_eq!(skus(&bench).await, ["A", "B", "C"]);
    let ended = bench.service.import(whole.id).await.expect("there");
    assert_eq!((ended.rows_created, ended.rows_unchanged), (2, 1));
}

#[tokio::test]
async fn an_upload_that_broke_off_is_thrown_away() {
    let bench = Bench::new().await;
    let (kept, lost) = (import(ImportPolicy::Atomic), import(ImportPolicy::Atomic));
    store(&bench, &kept, FILE).await;
    store(&bench, &lost, FILE).await;
    bench
        .write("DELETE FROM imports WHERE id = (SELECT id FROM imports ORDER BY id DESC LIMIT 1)")
        .await;
    bench.service.forget_lost_pieces(&Ctx::system("forget_files")).await.expect("runs");
    #[derive(sea_orm::FromQueryResult)]
    struct Owner {
        import_id: ImportId,
    }
    let sql = "SELECT DISTINCT import_id FROM import_pieces";
    let left: Vec<Owner> =
        kernel::db::query_all(bench.service.db.read(), sql, vec![]).await.expect("read");
    let left: Vec<_> = left.into_iter().map(|row| row.import_id.uuid()).collect();
    assert_eq!(left, [kept.id.uuid()]);
}
