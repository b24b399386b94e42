//! Much of everything: a file of products, lists of them, and the value of a day long past.

use std::fmt::Write;
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::PgPool;
use sea_orm::sqlx::{AssertSqlSafe, query};

use crate::probe::{Probe, histogram};
use crate::report::{Bar, Report};

const API: &str = "/api/v1/inventory";

/// Products that come in a file.
pub const IMPORTED: usize = 100_000;

/// How often each list is asked for.
const TIMES: u64 = 100;

/// A file of products, from sending it until the last of them is there.
pub async fn import_products(report: &mut Report, probe: &mut Probe) -> Result<(), String> {
    let mut file = String::from("sku,name,unit,tax_class,barcode,external_id,weight_g\n");
    for n in 0..IMPORTED {
        // Writing into a string cannot fail.
        let _ = writeln!(
            file,
            "SKU-{n:07},Oak chair number {n},pcs,standard,B{n:07},shop/{n},{}",
            1 + n % 5000
        );
    }
    for (name, dry_run, expected) in [
        ("a dry run of 100000 products", true, "rows_created"),
        ("import 100000 products", false, "rows_created"),
        ("import them again unchanged", false, "rows_unchanged"),
    ] {
        let begun = Instant::now();
        let path = format!("{API}/imports?resource=products&policy=skip_failed&dry_run={dry_run}");
        let import = probe.upload(&path, file.clone()).await?.body;
        let path = format!("{API}/imports/{}", import["id"].as_str().unwrap_or_default());
        let import = loop {
            let import = probe.get(&path).await?.body;
            if import["ended_at"].is_string() {
                break import;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        if import[expected] != IMPORTED {
            return Err(format!("not all products came in: {import}"));
        }
        let bar = (!dry_run).then_some(Bar::Below(30.0));
        report.figure(name, begun.elapsed().as_secs_f64(), "s", bar);
    }
    Ok(())
}

/// Lists and searches among so many products.
pub async fn lists(
    report: &mut Report,
    probe: &mut Probe,
    pool: &PgPool,
    products: u64,
) -> Result<(), String> {
    let more = format!(
        "INSERT INTO inventory.products (id, sku, name, unit, unit_decimals, tax_class, \
         is_active, is_indexed, version, created_at, updated_at) \
         SELECT gen_random_uuid(), 'MORE-' || n, 'Steel table ' || n, 'pcs', 0, 'standard', \
         n % 100 <> 0, TRUE, 1, now(), now() FROM generate_series({IMPORTED} + 1, {products}) n"
    );
    execute(pool, &more).await?;
    let words = "INSERT INTO inventory.product_words (product_id, word) \
        SELECT p.id, w.word FROM inventory.products p CROSS JOIN LATERAL \
        (VALUES (convert_to(lower(p.sku), 'UTF8')), (convert_to('steel', 'UTF8')), \
        (convert_to('table', 'UTF8')), (convert_to(substr(p.sku, 6), 'UTF8'))) w(word) \
        WHERE p.sku LIKE 'MORE-%'";
    execute(pool, words).await?;
    execute(pool, "VACUUM (ANALYZE) inventory.products, inventory.product_words").await?;
    for (name, query, most) in [
        ("list products", "", 20.0),
        ("list products that are not active", "is_active=false&", 20.0),
        ("list products by external id", "external_id=shop/99&", 20.0),
        ("search products by a rare word", "q=77777&", 50.0),
        ("search products by a beginning", "q=MORE-5&", 50.0),
        ("search products by two common words", "q=steel%20table&", 50.0),
    ] {
        let mut times = histogram();
        for n in 0..TIMES {
            let path = format!("{API}/products?{query}limit={}", 20 + n % 30);
            times.saturating_record(probe.get(&path).await?.micros);
        }
        report.times(name, &times, most);
    }
    Ok(())
}

/// The value of a day that all of so many moves came after, of 10000 products.
pub async fn valuation(
    report: &mut Report,
    probe: &mut Probe,
    pool: &PgPool,
    moves: u64,
) -> Result<(), String> {
    // By pairs, in and out again: what is on hand is the same before and after.
    let pairs = moves / 20_000;
    let sql = format!(
        "INSERT INTO inventory.stock_moves (id, kind, product_id, from_location, to_location, \
         warehouse_id, quantity, value_minor, currency, moved_on, source_type, source_id, \
         source_line_id, created_at) \
         SELECT gen_random_uuid(), 'adjustment', p.id, \
         CASE d.n WHEN 0 THEN 'adjustment' ELSE 'warehouse' END, \
         CASE d.n WHEN 0 THEN 'warehouse' ELSE 'adjustment' END, w.id, 1000000, 100, 'EUR', \
         current_date - (g.day % 300)::int, 'adjustment', gen_random_uuid(), gen_random_uuid(), \
         now() FROM (SELECT id FROM inventory.products WHERE sku LIKE 'SKU-%' ORDER BY sku \
         LIMIT 10000) p CROSS JOIN generate_series(1, {pairs}) g(day) \
         CROSS JOIN (VALUES (0), (1)) d(n) \
         CROSS JOIN (SELECT id FROM inventory.warehouses WHERE code = 'MAIN') w"
    );
    execute(pool, &sql).await?;
    execute(pool, "VACUUM (ANALYZE) inventory.stock_moves").await?;
    for (name, query) in
        [("valuation of today", String::new()), ("valuation of a day before all moves", as_of(365))]
    {
        let mut times = histogram();
        for _ in 0..10 {
            let path = format!("{API}/valuation{query}");
            times.saturating_record(probe.get(&path).await?.micros);
        }
        report.times(name, &times, 1000.0);
    }
    Ok(())
}

fn as_of(days: u64) -> String {
    let today = chrono::Utc::now().date_naive();
    format!("?as_of={}", today - chrono::Days::new(days))
}

/// Nothing of all this has broken a law.
pub async fn laws(report: &mut Report, probe: &mut Probe) -> Result<(), String> {
    let laws = probe.get(&format!("{API}/invariants")).await?.body;
    let all = laws["laws"].as_array().ok_or("no laws")?;
    let broken = all.iter().filter(|law| law["violations"] != 0);
    for law in broken.clone() {
        println!("  {law}");
    }
    report.figure("laws broken", broken.count() as f64, "", Some(Bar::Below(1.0)));
    Ok(())
}

async fn execute(pool: &PgPool, sql: &str) -> Result<(), String> {
    let done = query(AssertSqlSafe(sql.to_owned())).execute(pool).await;
    done.map(drop).map_err(|e| format!("{sql}: {e}"))
}
