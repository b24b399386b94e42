//! Reading orders.

use std::collections::HashSet;

use contracts::ids::OrderId;
use kernel::Result;
use kernel::page::{Page, PageRequest, fetch};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::entities::shipment::ShipmentStatus;
use crate::entities::{order, shipment};
use crate::routes::orders::ListOrders;
use crate::routes::orders::types::{Order, OrderSummary};
use crate::service::Service;
use crate::service::document::Document;

impl Service {
    pub(crate) async fn list_orders(&self, query: ListOrders) -> Result<Page<OrderSummary>> {
        let mut select = order::Entity::find();
        if let Some(status) = query.status {
            select = select.filter(order::Column::Status.eq(status));
        }
        if let Some(customer_id) = query.customer_id {
            select = select.filter(order::Column::CustomerId.eq(customer_id));
        }
        if let Some(quotation_id) = query.quotation_id {
            select = select.filter(order::Column::QuotationId.eq(quotation_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &order::Model| row.id.uuid();
        let page: Page<order::Model> =
            fetch(self.db.read(), select, order::Column::Id, id_of, "orders", &request).await?;
        let packed = self.packed_among(&page.data).await?;
        let summaries: Result<Vec<_>> =
            page.data.iter().map(|order| order.summary(packed.contains(&order.id))).collect();
        Ok(Page { data: summaries?, page: page.page })
    }

    pub(crate) async fn order(&self, id: OrderId) -> Result<Order> {
        Document::read(&self.db, id).await?.view()
    }

    /// Which of these orders have packed shipments.
    async fn packed_among(&self, orders: &[order::Model]) -> Result<HashSet<OrderId>> {
        let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let packed: Vec<OrderId> = shipment::Entity::find()
            .select_only()
            .column(shipment::Column::OrderId)
            .filter(shipment::Column::OrderId.is_in(ids))
            .filter(shipment::Column::Status.eq(ShipmentStatus::Packed))
            .into_tuple()
            .all(self.db.read())
            .await?;
        Ok(packed.into_iter().collect())
    }
}
