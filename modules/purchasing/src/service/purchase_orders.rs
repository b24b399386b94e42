//! Reading purchase orders.

use contracts::ids::PurchaseOrderId;
use kernel::Result;
use kernel::page::{Page, PageRequest, fetch};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::entities::purchase_order;
use crate::routes::purchase_orders::ListPurchaseOrders;
use crate::routes::purchase_orders::types::{PurchaseOrder, PurchaseOrderSummary};
use crate::service::Service;
use crate::service::document::Document;

impl Service {
    pub(crate) async fn list_purchase_orders(
        &self,
        query: ListPurchaseOrders,
    ) -> Result<Page<PurchaseOrderSummary>> {
        use purchase_order::Column;
        let mut select = purchase_order::Entity::find();
        if let Some(status) = query.status {
            select = select.filter(Column::Status.eq(status));
        }
        if let Some(supplier_id) = query.supplier_id {
            select = select.filter(Column::SupplierId.eq(supplier_id));
        }
        if let Some(warehouse_id) = query.warehouse_id {
            select = select.filter(Column::WarehouseId.eq(warehouse_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &purchase_order::Model| row.id.uuid();
        let list = "purchase_orders";
        let page = fetch(self.db.read(), select, Column::Id, id_of, list, &request).await?;
        Ok(page.map(purchase_order::Model::summary))
    }

    pub(crate) async fn purchase_order(&self, id: PurchaseOrderId) -> Result<PurchaseOrder> {
        Ok(Document::read(self.db.read(), id).await?.view())
    }
}
