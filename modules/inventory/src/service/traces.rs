//! Traces of lots: from whom they came, where they are, to whom they went.

use chrono::NaiveDate;
use contracts::ids::{LotId, StockMoveId, WarehouseId};
use kernel::Result;
use kernel::db::query_all;
use kernel::page::{Page, PageRequest};
use kernel::quantity::Quantity;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::entities::stock_move::{LocationKind, MoveKind, MoveSourceType};
use crate::routes::lots::{TraceLot, TraceStep};
use crate::routes::moves::MoveSource;
use crate::service::Service;

#[derive(FromQueryResult)]
struct Row {
    id: StockMoveId,
    kind: MoveKind,
    from_location: LocationKind,
    to_location: LocationKind,
    warehouse_id: WarehouseId,
    quantity: Quantity,
    moved_on: NaiveDate,
    source_type: MoveSourceType,
    source_id: Uuid,
    source_line_id: Uuid,
}

impl Service {
    /// The moves of a lot, oldest first.
    pub(crate) async fn trace_lot(&self, id: LotId, query: TraceLot) -> Result<Page<TraceStep>> {
        self.lot(id).await?;
        let request =
            PageRequest { limit: query.limit, cursor: query.cursor, sort: Default::default() };
        let mut values = vec![id.into()];
        let mut condition = "";
        if let Some(after) = request.after("lot_trace")? {
            values.push(after.into());
            condition = " AND m.id > $2";
        }
        let sql = format!(
            "SELECT m.id, m.kind, m.from_location, m.to_location, e.warehouse_id, \
             CAST(ABS(SUM(e.quantity)) AS BIGINT) AS quantity, m.moved_on, m.source_type, \
             m.source_id, COALESCE(k.order_line_id, m.source_line_id) AS source_line_id \
             FROM bin_entries e JOIN stock_moves m ON m.id = e.move_id \
             LEFT JOIN kit_parts k ON k.id = m.source_line_id WHERE e.lot_id = $1{condition} \
             GROUP BY m.id, m.kind, m.from_location, m.to_location, e.warehouse_id, m.moved_on, \
             m.source_type, m.source_id, m.source_line_id, k.order_line_id HAVING SUM(e.quantity) <> 0 \
             ORDER BY m.id LIMIT {}",
            request.limit.rows() + 1
        );
        let rows: Vec<Row> = query_all(self.db.read(), sql, values).await?;
        let page = Page::cut(rows, |row| row.id.uuid(), "lot_trace", &request);
        Ok(page.map(|row| TraceStep {
            move_id: row.id,
            kind: row.kind,
            from: row.from_location,
            to: row.to_location,
            warehouse_id: row.warehouse_id,
            quantity: row.quantity,
            moved_on: row.moved_on,
            source: MoveSource { kind: row.source_type, id: row.source_id },
            source_line_id: row.source_line_id,
        }))
    }
}
