//! The lines of purchase orders that bills are matched with.

use std::collections::{BTreeMap, HashSet};

use contracts::ids::{PurchaseOrderId, PurchaseOrderLineId};
use kernel::Result;
use kernel::db::{Column, Tx, Values, execute};
use kernel::quantity::Quantity;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value,
};

use crate::entities::purchase_order_line;
use crate::error::Error;
use crate::routes::bills::NewBillLine;
use crate::service::matching::{Claim, Ordered};

/// The lines of a purchase order, kept from others until this ends.
pub(crate) struct OrderLines(BTreeMap<PurchaseOrderLineId, purchase_order_line::Model>);

impl OrderLines {
    pub(crate) async fn lock(tx: &Tx, id: PurchaseOrderId) -> Result<Self> {
        let rows = purchase_order_line::Entity::find()
            .filter(purchase_order_line::Column::PurchaseOrderId.eq(id))
            .order_by_asc(purchase_order_line::Column::Id)
            .lock_exclusive()
            .all(&**tx)
            .await?;
        Ok(OrderLines(rows.into_iter().map(|row| (row.id, row)).collect()))
    }

    pub(crate) fn line(&self, id: PurchaseOrderLineId) -> Result<&purchase_order_line::Model> {
        self.0.get(&id).ok_or_else(|| {
            kernel::Error::internal(format!("purchase order line {id} is not of its order"))
        })
    }

    /// What a bill claims, each line of the order at most once.
    pub(crate) fn claims(
        &self,
        lines: &[NewBillLine],
    ) -> Result<Vec<(PurchaseOrderLineId, Claim)>, Error> {
        let mut seen = HashSet::new();
        let claims = lines.iter().enumerate().map(|(position, line)| {
            let id = line.purchase_order_line_id;
            if !self.0.contains_key(&id) {
                return Err(Error::UnknownPurchaseOrderLine { position, id });
            }
            if !seen.insert(id) {
                let pointer = format!("/lines/{position}/purchase_order_line_id");
                return Err(Error::DuplicateLine { pointer });
            }
            let claim = Claim { quantity: line.quantity.get(), unit_price: line.unit_price };
            Ok((id, claim))
        });
        claims.collect()
    }

    /// The claims beside what they are to match.
    pub(crate) fn facts(&self, claims: &[(PurchaseOrderLineId, Claim)]) -> Vec<(Ordered, Claim)> {
        let facts = claims.iter().filter_map(|(id, claim)| {
            let line = self.0.get(id)?;
            let ordered = Ordered {
                unit_price: line.unit_price,
                received: line.received,
                billed: line.billed,
            };
            Some((ordered, *claim))
        });
        facts.collect()
    }

    /// Counts claims here, without writing them.
    pub(crate) fn take(&mut self, claims: &[(PurchaseOrderLineId, Claim)]) -> Result<(), Error> {
        for (id, claim) in claims {
            if let Some(line) = self.0.get_mut(id) {
                let billed = line.billed.checked_add(claim.quantity);
                line.billed = billed.map_err(|_| Error::AmountOverflow)?;
            }
        }
        Ok(())
    }

    pub(crate) async fn count_received(
        &self,
        tx: &Tx,
        received: &[(PurchaseOrderLineId, Quantity)],
    ) -> Result<()> {
        if received.iter().any(|(id, _)| !self.0.contains_key(id)) {
            // The order was approved before, so its copy is on its way: later again.
            return Err(kernel::Error::unavailable(
                "purchase_order_unknown",
                "a receipt came before its purchase order",
                1,
            ));
        }
        add(tx, "received = received + d.quantity", received.iter().copied()).await
    }

    /// Adds to what is billed; a CHECK refuses more than was received.
    pub(crate) async fn count_billed(
        &self,
        tx: &Tx,
        billed: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
    ) -> Result<()> {
        add(tx, "billed = billed + d.quantity", summed(billed)?.into_iter()).await
    }

    /// Takes off what is billed.
    pub(crate) async fn free(
        &self,
        tx: &Tx,
        freed: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
    ) -> Result<()> {
        add(tx, "billed = billed - d.quantity", freed).await
    }

    /// Adds to what is billed, and allows what of it exceeds the receipts.
    pub(crate) async fn override_billed(
        &self,
        tx: &Tx,
        billed: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
    ) -> Result<()> {
        let sql = "billed = billed + d.quantity, overridden = overridden + \
            CASE WHEN billed + d.quantity > received + overridden \
            THEN billed + d.quantity - received - overridden ELSE 0 END";
        add(tx, sql, billed).await
    }
}

/// Updates the lines in the list `d(id, quantity)`, each of which occurs once.
async fn add(
    tx: &Tx,
    set: &str,
    quantities: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
) -> Result<()> {
    let rows: Vec<_> = quantities
        .map(|(id, quantity)| vec![Value::from(id), Value::from(quantity.micros())])
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [("id", Column::Uuid), ("quantity", Column::BigInt)];
    let (sql, values) =
        Values::new(tx.get_database_backend(), "d", &columns, rows).statement(&format!(
            "UPDATE purchase_order_lines SET {set} FROM d WHERE purchase_order_lines.id = d.id"
        ));
    execute(&**tx, sql, values).await?;
    Ok(())
}

/// Quantities summed by line.
pub(crate) fn summed(
    quantities: impl Iterator<Item = (PurchaseOrderLineId, Quantity)>,
) -> Result<Vec<(PurchaseOrderLineId, Quantity)>> {
    let mut sums: BTreeMap<_, Quantity> = BTreeMap::new();
    for (id, quantity) in quantities {
        let sum = sums.entry(id).or_default();
        *sum = sum.checked_add(quantity).map_err(kernel::Error::internal)?;
    }
    Ok(sums.into_iter().collect())
}
