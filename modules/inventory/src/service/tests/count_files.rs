//! Counts by lot and serial number in files.

use chrono::{Days, NaiveDate, Utc};
use contracts::ids::{ExportId, ImportId, ProductId, StockCountId, WarehouseId};
use kernel::Ctx;
use kernel::table::Format;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
    QueryOrder,
};
use serde_json::{Value, json};

use super::bench::{Bench, ctx, request};
use super::counts::somebody;
use super::files::{import, store};
use super::named_lots::there;
use crate::entities::import::{self as imports, FileResource, FileStatus, ImportPolicy};
use crate::entities::{export, import_error, stock_count};

/// What is wrong with a file: row, pointer and code.
type Wrong = Vec<(i64, String, String)>;

fn wrong<const N: usize>(rows: [(i64, &str, &str); N]) -> Wrong {
    rows.map(|(number, pointer, code)| (number, pointer.to_owned(), code.to_owned())).into()
}

impl Bench {
    async fn count_all(&self, warehouse: WarehouseId, products: &[ProductId]) -> StockCountId {
        let new = json!({ "warehouse_id": warehouse, "product_ids": products });
        self.service.create_stock_count(&ctx(), request(new)).await.expect("begun");
        let sql = "SELECT * FROM stock_counts ORDER BY id DESC LIMIT 1";
        self.find::<stock_count::Model>(sql).await.id
    }

    /// Brings a file in, beginning with `half` of it done.
    async fn work_on(&self, half: imports::Model, file: &str) -> (imports::Model, Wrong) {
        store(self, &half, file).await;
        self.service.run_imports(&Ctx::system("imports")).await.expect("runs");
        let ended = self.service.import(half.id).await.expect("there");
        let errors = import_error::Entity::find()
            .filter(import_error::Column::ImportId.eq(half.id))
            .order_by_asc(import_error::Column::RowNumber);
        let errors = errors.all(self.service.db.read()).await.expect("read");
        let wrong = errors.into_iter().map(|row| (row.row_number, row.pointer, row.code));
        (ended, wrong.collect())
    }

    async fn counts_in(
        &self,
        id: StockCountId,
        policy: ImportPolicy,
        file: &str,
    ) -> (imports::Model, Wrong) {
        self.work_on(of_count(id, policy, file), file).await
    }

    /// The lines of a count, without when they were counted.
    async fn lines(&self, id: StockCountId) -> Vec<Value> {
        let lines = self.service.stock_count_lines(&ctx(), id, request(json!({}))).await;
        let mut lines = lines.expect("there").data;
        lines.iter_mut().for_each(|line| line.counted_at = None);
        lines.iter().map(|line| serde_json::to_value(line).expect("JSON")).collect()
    }

    /// The file of a count.
    async fn counts_out(&self, id: StockCountId, format: Format) -> String {
        let export = export::Model {
            id: ExportId::new(),
            resource: FileResource::Counts,
            format,
            warehouse_id: None,
            stock_count_id: Some(id),
            status: FileStatus::Queued,
            list_cursor: None,
            pieces: 0,
            rows_written: 0,
            bytes: 0,
            is_forgotten: false,
            requested_by: None,
            created_at: Utc::now(),
            updated_at: Utc::now(),
            started_at: None,
            ended_at: None,
        };
        let tx = self.service.db.begin(&ctx()).await.expect("begins");
        export.clone().into_active_model().insert(&*tx).await.expect("stored");
        tx.commit().await.expect("committed");
        self.service.run_exports(&Ctx::system("exports")).await.expect("runs");
        let made = self.service.export(export.id).await.expect("there");
        assert_eq!(made.status, FileStatus::Succeeded);
        #[derive(FromQueryResult)]
        struct Piece {
            bytes: Vec<u8>,
        }
        let sql = "SELECT bytes FROM export_pieces WHERE export_id = $1 ORDER BY position";
        let pieces: Vec<Piece> =
            kernel::db::query_all(self.service.db.read(), sql, vec![made.id.into()])
                .await
                .expect("read");
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.bytes).collect();
        let file = String::from_utf8(bytes).expect("UTF-8");
        let names = i64::from(format == Format::Csv);
        assert_eq!(made.rows_written + names, file.lines().count() as i64);
        file
    }
}

fn in_days(days: u64) -> NaiveDate {
    Utc::now().date_naive() + Days::new(days)
}

fn of_count(id: StockCountId, policy: ImportPolicy, file: &str) -> imports::Model {
    imports::Model {
        id: ImportId::new(),
        resource: FileResource::Counts,
        stock_count_id: Some(id),
        bytes: file.len() as i64,
        ..import(policy)
    }
}

/// Milk of two lots, three phones and chairs.
async fn shop() -> (Bench, WarehouseId, [ProductId; 3]) {
    let bench = Bench::new().await;
    let main = bench.warehouse("W").await;
    let milk = bench.tracked("MILK", "lot").await;
    let phone = bench.tracked("PHONE", "serial").await;
    let chair = bench.product("CHAIR").await;
    bench.receive_lots(milk, main, &[("A", 5, Some(9)), ("B", 5, None)]).await.expect("in");
    let phones = [("S1", 1, None), ("S2", 1, None), ("S3", 1, None)];
    bench.receive_lots(phone, main, &phones).await.expect("in");
    bench.receive(chair, main, 4, "1").await;
    (bench, main, [milk, phone, chair])
}

#[tokio::test]
async fn lots_are_counted_in_a_file_and_an_exported_file_says_the_same_again() {
    let (bench, main, products) = shop().await;
    let [milk, phone, _] = products;
    // Two of no known lot, which are found to be of C; and what is not counted yet.
    bench.receive(milk, main, 2, "1").await;
    let oil = bench.tracked("OIL", "lot").await;
    bench.receive_lots(oil, main, &[("X", 3, None)]).await.expect("in");
    let listed = [&products[..], &[oil, bench.product("NEW").await]].concat();
    let id = bench.count_all(main, &listed).await;
    // As whoever walked through the warehouse met them.
    let file = format!(
        "sku,quantity,lot,expires_on,unit_cost\n\
         MILK,4,A,,1.20\nPHONE,1,S1,,\nCHAIR,5,,,\nMILK,3,C,{},\nPHONE,0,S2,,\nOIL,2,,,\n\
         NEW,,,,\nPHONE,1,S9,,\n",
        in_days(30)
    );
    for policy in [ImportPolicy::Atomic, ImportPolicy::SkipFailed] {
        let (ended, wrong) = bench.counts_in(id, policy, &file).await;
        assert_eq!((ended.status, wrong), (FileStatus::Succeeded, vec![]));
        let rows = (ended.rows_read, ended.rows_updated, ended.rows_unchanged, ended.rows_failed);
        assert_eq!(rows, (8, 7, 1, 0));
    }
    let lines = bench.lines(id).await;
    let line = |product: ProductId| {
        lines.iter().find(|line| line["product_id"] == json!(product)).expect("listed")
    };
    let found = |product: ProductId| -> Vec<_> {
        let lots = line(product)["lots"].as_array().cloned().unwrap_or_default();
        let field = |lot: &Value, name: &str| lot[name].as_str().unwrap_or_default().to_owned();
        lots.iter().map(|lot| field(lot, "number") + " " + &field(lot, "counted")).collect()
    };
    assert_eq!(found(milk), ["A 4", "B 0", "C 3", " 0"]);
    assert_eq!(found(phone), ["S1 1", "S2 0", "S3 0", "S9 1"]);
    assert_eq!(found(oil), [""; 0]);
    assert_eq!((&line(milk)["counted"], &line(milk)["counts"]), (&json!("7"), &json!(2)));
    assert_eq!(line(milk)["unit_cost"], "1.20");

    let csv = bench.counts_out(id, Format::Csv).await;
    let names = "sku,name,lot,expires_on,quantity,unit_cost,counts,book,variance,counted_at\r\n";
    assert!(csv.starts_with(names), "{csv}");
    for row in [
        &*format!("\r\nMILK,MILK,A,{},4,1.20,2,5,-1,", in_days(9)),
        "\r\nMILK,MILK,B,,0,1.20,2,5,-5,",
        &*format!("\r\nMILK,MILK,C,{},3,1.20,2,0,3,", in_days(30)),
        "\r\nMILK,MILK,,,0,1.20,2,2,-2,",
        "\r\nPHONE,PHONE,S9,,1,,2,0,1,",
        "\r\nCHAIR,CHAIR,,,5,,2,4,1,",
        "\r\nOIL,OIL,,,2,,2,3,-1,",
        "\r\nNEW,NEW,,,,,0,,,\r\n",
    ] {
        assert!(csv.contains(row), "{row}: {csv}");
    }
    let ndjson = bench.counts_out(id, Format::Ndjson).await;
    for (file, format) in [(&csv, Format::Csv), (&ndjson, Format::Ndjson)] {
        let again = bench.count_all(main, &listed).await;
        let import = imports::Model { format, ..of_count(again, ImportPolicy::Atomic, file) };
        let (ended, wrong) = bench.work_on(import, file).await;
        assert_eq!((ended.status, wrong), (FileStatus::Succeeded, vec![]));
        let once = |mut lines: Vec<Value>| {
            lines.iter_mut().for_each(|line| line["counts"] = json!(null));
            lines
        };
        assert_eq!(once(bench.lines(again).await), once(lines.clone()));
    }
    let (_, wrong) = bench.counts_in(id, ImportPolicy::Atomic, "sku,quantity\nNEW,0\n").await;
    assert!(wrong.is_empty(), "{wrong:?}");
    bench.approve(&somebody(), id).await.expect("posted");
    let all = [("A", 4), ("C", 3), ("S1", 1), ("S9", 1), ("X", 2)];
    assert_eq!(bench.lots_in(main).await, there(&all));
    bench.assert_lawful().await;
}

/// A file of a blind count names what was found, and nothing else.
#[tokio::test]
async fn a_file_of_a_blind_count_tells_what_was_found() {
    let (bench, main, [milk, ..]) = shop().await;
    let new = json!({ "warehouse_id": main, "product_ids": [milk], "is_blind": true });
    bench.service.create_stock_count(&ctx(), request(new)).await.expect("begun");
    let id = bench.find::<stock_count::Model>("SELECT * FROM stock_counts").await.id;
    let file = "sku,lot,quantity\nMILK,B,3\nMILK,A,0\n";
    let (_, wrong) = bench.counts_in(id, ImportPolicy::Atomic, file).await;
    assert!(wrong.is_empty(), "{wrong:?}");
    let csv = bench.counts_out(id, Format::Csv).await;
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.contains("\r\nMILK,MILK,B,,3,,1,,,"), "{csv}");
}

#[tokio::test]
async fn what_is_wrong_with_a_row_is_said_of_it_and_none_of_its_product_is_counted() {
    let (bench, main, products) = shop().await;
    let id = bench.count_all(main, &products).await;
    let check = async |rows: &str, expected: Wrong| {
        let file = format!("sku,lot,quantity,expires_on,unit_cost\n{rows}CHAIR,,4,,\n");
        // What is right is brought in without it.
        let (ended, found) = bench.counts_in(id, ImportPolicy::SkipFailed, &file).await;
        assert_eq!(found, expected, "{rows}");
        let (failed, updated) = (ended.rows_failed, ended.rows_updated);
        assert_eq!((ended.status, failed), (FileStatus::Succeeded, expected.len() as i64));
        assert_eq!(updated + failed, rows.lines().count() as i64 + 1, "{rows}");
        let counted: i64 = bench.lines(id).await.iter().filter_map(|l| l["counts"].as_i64()).sum();
        let (ended, found) = bench.counts_in(id, ImportPolicy::Atomic, &file).await;
        assert_eq!((ended.status, found), (FileStatus::Failed, expected), "{rows}");
        let after: i64 = bench.lines(id).await.iter().filter_map(|l| l["counts"].as_i64()).sum();
        assert_eq!(after, counted, "{rows}");
    };
    let other = "other_row_wrong";
    let date = in_days(1);
    // Rows of a product before and after the one that is wrong.
    let rows = |row: &str| format!("MILK,A,1,,\nPHONE,S1,1,,\n{row}\n");
    let milk = async |row: &str, pointer: &str, code: &str| {
        check(&rows(row), wrong([(2, "", other), (4, pointer, code)])).await;
    };
    milk("MILK,A,2,,", "/lot", "duplicate_row").await;
    milk("MILK,,2,,", "/lot", "lot_required").await;
    milk(&format!("MILK,,0,{date},"), "/lot", "lot_required").await;
    milk("MILK,B,-1,,", "/quantity", "quantity_negative").await;
    milk("MILK,B,-3,,", "/quantity", "quantity_negative").await;
    milk("MILK,B,0.5,,", "/quantity", "quantity_too_fine").await;
    milk("MILK,B,much,,", "/quantity", "invalid_value").await;
    milk("MILK,B,,,", "/quantity", "missing_field").await;
    milk("MILK,C,0,,", "/lot", "unknown_lot").await;
    milk(&format!("MILK,B,1,{date},"), "/expires_on", "lot_differs").await;
    milk("MILK,C,1,0001-01-01,", "/expires_on", "date_out_of_range").await;
    milk("MILK,C,1,soon,", "/expires_on", "invalid_value").await;
    milk(&format!("MILK,{},1,,", "x".repeat(65)), "/lot", "invalid_value").await;
    let phone = async |row: &str, pointer: &str, code: &str| {
        check(&rows(row), wrong([(3, "", other), (4, pointer, code)])).await;
    };
    phone("PHONE,S2,2,,", "/quantity", "serial_of_many").await;
    phone("PHONE,S1,0,,", "/lot", "duplicate_row").await;
    phone("PHONE,S2,0.5,,", "/quantity", "quantity_too_fine").await;
    // The one before it is right, and of nothing.
    let rows = "MILK,,0,,\nMILK,B,1,,\nPEN,,1,,\nPEN,X,1,,\nMILK,Z,0,,\n";
    let pen = [(4, "/sku", "unknown_product"), (5, "", other)];
    let expected = [(2, "", other), (3, "", other), pen[0], pen[1], (6, "/lot", "unknown_lot")];
    check(rows, wrong(expected)).await;
    // Each row that is wrong is told.
    let rows = "MILK,A,-1,,\nMILK,B,0.5,,\nMILK,C,1,,\n";
    let fine = (3, "/quantity", "quantity_too_fine");
    check(rows, wrong([(2, "/quantity", "quantity_negative"), fine, (4, "", other)])).await;
    let desk = bench.product("DESK").await;
    let not_listed = "DESK,,1,,\nMILK,A,1,,9\nMILK,B,1,,\n";
    check(not_listed, wrong([(2, "/sku", "not_on_list")])).await;
    let dear = "MILK,A,1,,9\nMILK,B,1,,9.00\nMILK,C,1,,8\n";
    let expected = [(2, "", other), (3, "", other), (4, "/unit_cost", "unit_cost_differs")];
    check(dear, wrong(expected)).await;
    assert!(bench.lines(id).await.iter().all(|line| line["product_id"] != json!(desk)));

    let alone = async |rows: &str, expected: Wrong| {
        let file = format!("sku,lot,quantity\n{rows}");
        let (_, found) = bench.counts_in(id, ImportPolicy::SkipFailed, &file).await;
        assert_eq!(found, expected, "{rows}");
    };
    alone("CHAIR,A,1\n", wrong([(2, "/lot", "lots_not_tracked")])).await;
    alone("CHAIR,,1\nCHAIR,,2\n", wrong([(2, "", other), (3, "/sku", "duplicate_row")])).await;
    // What there is of each lot need not be said.
    alone("MILK,,3\n", vec![]).await;
}

/// Rows of a product that are more than a step has, among others, are one line all the same; also
/// where the work stopped in between.
#[tokio::test]
async fn the_rows_of_a_product_are_brought_in_at_once_however_far_apart() {
    const PHONES: usize = 1500;
    let (bench, main, products) = shop().await;
    let [milk, phone, chair] = products;
    // Milk ends in row 3, chairs in the middle, phones in the last row.
    let mut file = String::from("sku,lot,quantity\nMILK,A,1\nMILK,B,1\n");
    for n in 0..PHONES {
        file += &format!("PHONE,N{n},1\n");
        if n == PHONES / 2 {
            file += "CHAIR,,4\nMILK\n";
        }
    }
    let last = PHONES as i64 + 5;
    let counted = async |id: StockCountId| {
        let lines = bench.lines(id).await;
        [milk, phone, chair].map(|product| {
            let line = lines.iter().find(|line| line["product_id"] == json!(product));
            let line = line.expect("listed");
            let known = line["lots"].as_array().map_or(0, Vec::len);
            (line["counted"].as_str().unwrap_or_default().to_owned(), known)
        })
    };
    let none = || (String::new(), 0);
    let id = bench.count_all(main, &products).await;
    let (ended, found) = bench.counts_in(id, ImportPolicy::SkipFailed, &file).await;
    let odd = PHONES as i64 / 2 + 6;
    let broken = || wrong([(odd, "", "wrong_number_of_cells")]);
    assert_eq!((ended.status, found), (FileStatus::Succeeded, broken()));
    let rows = (ended.last_row, ended.rows_read, ended.rows_updated, ended.rows_failed);
    assert_eq!(rows, (last, last - 1, last - 2, 1));
    let all = [("2".to_owned(), 2), (PHONES.to_string(), PHONES + 3), ("4".to_owned(), 0)];
    assert_eq!(counted(id).await, all);
    // Milk and chairs are of the run before, which is why they are not counted here; of the
    // phones nothing is.
    let id = bench.count_all(main, &products).await;
    let mut half = of_count(id, ImportPolicy::SkipFailed, &file);
    (half.status, half.started_at) = (FileStatus::Running, Some(Utc::now()));
    (half.last_row, half.rows_read, half.rows_updated, half.rows_failed) = (odd, 4, 3, 1);
    let (ended, found) = bench.work_on(half, &file).await;
    assert_eq!((ended.status, found), (FileStatus::Succeeded, vec![]));
    let rows = (ended.last_row, ended.rows_read, ended.rows_updated, ended.rows_failed);
    assert_eq!(rows, (last, last - 1, last - 2, 1));
    assert_eq!(counted(id).await, [none(), all[1].clone(), none()]);
    bench.assert_lawful().await;
}

#[tokio::test]
async fn a_file_of_counts_is_no_larger_than_what_can_be_put_together() {
    let (bench, main, products) = shop().await;
    let id = bench.count_all(main, &products).await;
    let file = "sku,quantity\n".to_owned() + &"CHAIR,4\n".repeat(100_001);
    for policy in [ImportPolicy::Atomic, ImportPolicy::SkipFailed] {
        let (ended, found) = bench.counts_in(id, policy, &file).await;
        assert_eq!((ended.status, ended.rows_read), (FileStatus::Failed, 0));
        assert_eq!(found, wrong([(0, "", "too_many_rows")]));
    }
    // Of one product as many lots as a receipt has.
    let mut file = String::from("sku,lot,quantity\n");
    (0..=5000).for_each(|n| file += &format!("MILK,L{n},1\n"));
    let (_, found) = bench.counts_in(id, ImportPolicy::SkipFailed, &file).await;
    assert_eq!(found[..2], wrong([(2, "", "too_many_lines"), (3, "", "other_row_wrong")]));
    assert_eq!(found.len(), 5001);
}
