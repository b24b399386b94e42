//! Costs that come after the goods: spread over the lines of their receipt, and added to what
//! is still there, or has gone elsewhere by transfers. It takes the same time however much has
//! happened since but transfers (V-6).

use std::collections::{BTreeMap, HashMap};

use contracts::events::StockAdjusted;
use contracts::ids::{ProductId, StockMoveId};
use kernel::db::{Tx, insert_all};
use kernel::http::Reply;
use kernel::money::{Money, allocate};
use kernel::page::{Page, PageRequest, fetch};
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::entities::landed_cost::{self, CostBasis};
use crate::entities::stock_move::{self, LocationKind, MoveKind};
use crate::entities::{cost_layer, product};
use crate::error::{Error, internal};
use crate::routes::landed_costs::{CostShare, LandedCost, ListLandedCosts, NewLandedCost};
use crate::service::cost_trails::{Brought, Gone, Trails, add_in_transit, part_of};
use crate::service::levels::{Key, Levels};
use crate::service::stock_periods::{OrClosed, open_date};
use crate::service::{MAX_RECEIPT_LINES, Service};

impl Service {
    pub(crate) async fn list_landed_costs(
        &self,
        query: ListLandedCosts,
    ) -> Result<Page<LandedCost>> {
        use landed_cost::{Column, Entity, Model};
        let mut select = Entity::find();
        if let Some(source_id) = query.source_id {
            select = select.filter(Column::SourceId.eq(source_id));
        }
        let request = PageRequest { limit: query.limit, cursor: query.cursor, sort: query.sort };
        let id_of = |row: &Model| row.id;
        let conn = self.db.read();
        let page = fetch(conn, select, Column::Id, id_of, "landed_costs", &request).await?;
        let layers = cost_layer::Entity::find()
            .filter(cost_layer::Column::LandedCostId.is_in(page.data.iter().map(|row| row.id)))
            .order_by_asc(cost_layer::Column::Id)
            .all(conn)
            .await?;
        let mut of: HashMap<Uuid, Vec<cost_layer::Model>> = HashMap::new();
        for layer in layers {
            of.entry(layer.landed_cost_id).or_default().push(layer);
        }
        Ok(page.map(|row| {
            let layers = of.remove(&row.id).unwrap_or_default();
            self.present_landed_cost(row, layers)
        }))
    }

    pub(crate) async fn add_landed_cost(&self, ctx: &Ctx, new: NewLandedCost) -> Result<Reply> {
        if new.amount.currency() != self.company.currency {
            return Err(Error::ForeignCost.into());
        }
        if new.amount.minor() <= 0 {
            return Err(Error::CostNotPositive.into());
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let booked_on = open_date(&tx, new.booked_on, "/booked_on").await?;
        let moves = receipt_moves(&tx, new.source_id).await?;
        let trails = trails(&tx, &moves).await?;
        let keys = moves.iter().map(|(_, key)| *key);
        let keys = keys.chain(trails.brought.iter().map(Brought::key)).collect();
        let mut levels = Levels::lock_to_issue(&tx, &keys).await?;
        // Again, now that nobody can reverse any, nor send any on.
        let moves = receipt_moves(&tx, new.source_id).await?;
        let mut trails = self::trails(&tx, &moves).await?;
        if levels.unknown(trails.brought.iter().map(Brought::key)).is_some() {
            return Err(Error::ChangedMeanwhile.into());
        }
        let products = products_of(&tx, &moves).await?;
        let weights = weights(&moves, new.basis, &products)?;
        let row = landed_cost::Model {
            id: Uuid::now_v7(),
            source_id: new.source_id,
            amount_minor: new.amount.minor(),
            basis: new.basis,
            reason: new.reason.into(),
            booked_on,
            created_at: tx.now(),
        };
        let shares = allocate(new.amount.minor(), &weights);
        let layers = self.layers(&row, &mut levels, &mut trails, moves.iter().zip(shares))?;
        for layer in &layers {
            let value = Money::new(layer.value_minor, self.company.currency);
            let too_large = |source| Error::TooLarge { pointer: "/amount".into(), source };
            let level = levels.at(key_of(layer))?;
            level.receive_cost(layer.move_id, value, &self.company).map_err(too_large)?;
        }
        let lines: HashMap<_, _> =
            trails.brought.iter().map(|row| (row.move_id, row.line_id)).collect();
        let in_transit = layers.iter().filter_map(|layer| {
            let line_id = lines.get(&layer.move_id).copied().flatten()?;
            Some((line_id, layer.value_minor))
        });
        add_in_transit(&tx, &in_transit.collect::<Vec<_>>()).await?;
        row.clone().into_active_model().insert(&*tx).await.or_closed()?;
        let active = layers.iter().cloned().map(IntoActiveModel::into_active_model);
        insert_all(&*tx, active).await.or_closed()?;
        for layer in layers.iter().filter(|layer| layer.value_minor > 0) {
            let adjusted = StockAdjusted {
                // The books know a value that moved by what moved it.
                move_id: StockMoveId::from_uuid(layer.id),
                product_id: layer.product_id,
                warehouse_id: layer.warehouse_id,
                adjusted_on: booked_on,
                quantity: Quantity::ZERO,
                value: Money::new(layer.value_minor, self.company.currency),
                reason: row.reason.clone(),
                is_cost_of_sales: false,
            };
            let version = products.get(&layer.product_id).map_or(0, |product| product.version);
            tx.publish(layer.product_id.uuid(), version, &adjusted)?;
        }
        levels.store(&mut tx).await?;
        let id = row.id;
        let source_id = row.source_id;
        let shown = self.present_landed_cost(row, layers);
        tx.audit_new("landed_cost", id, &shown)?;
        let location = format!("/api/v1/inventory/landed-costs?source_id={source_id}");
        tx.reply(Reply::created_plain(&shown, location)).await
    }

    /// What falls to each move of the receipt, and after them what goes on with what is not
    /// there any more, to the moves that brought it where it is.
    fn layers<'a>(
        &self,
        of: &landed_cost::Model,
        levels: &mut Levels,
        trails: &mut Trails,
        shares: impl Iterator<Item = (&'a (stock_move::Model, Key), i64)>,
    ) -> Result<Vec<cost_layer::Model>> {
        let rounding = self.company.rounding;
        let (mut left, mut layers, mut gone) = (Left::default(), Vec::new(), Vec::new());
        for ((stock_move, key), share_minor) in shares {
            let (by, came) = (stock_move.id, stock_move.quantity);
            let there = left.take(levels, by, *key, came)?;
            let value_minor = part_of(share_minor, there, came, rounding);
            let layer = layer(of, (by, *key), share_minor, value_minor);
            let quantity = came.checked_sub(there).map_err(internal)?;
            gone.push(Gone { by, key: *key, quantity, minor: share_minor - layer.value_minor });
            layers.push(layer);
        }
        let mut followed: BTreeMap<usize, i64> = BTreeMap::new();
        for (i, gone) in gone.into_iter().enumerate() {
            let shares = trails.follow(gone, rounding, |row, quantity| match row.line_id {
                // Of what is on its way all is there.
                Some(_) => Ok(quantity),
                None => left.take(levels, row.move_id, row.key(), quantity),
            })?;
            for (brought, minor) in shares {
                layers[i].share_minor -= minor;
                *followed.entry(brought).or_default() += minor;
            }
        }
        layers.extend(followed.into_iter().filter(|(_, minor)| *minor > 0).map(|(i, minor)| {
            let row = &trails.brought[i];
            layer(of, (row.move_id, row.key()), minor, minor)
        }));
        Ok(layers)
    }

    fn present_landed_cost(
        &self,
        row: landed_cost::Model,
        layers: Vec<cost_layer::Model>,
    ) -> LandedCost {
        let money = |minor| Money::new(minor, self.company.currency);
        let in_stock: i64 = layers.iter().map(|layer| layer.value_minor).sum();
        let share = |layer: cost_layer::Model| CostShare {
            move_id: layer.move_id,
            product_id: layer.product_id,
            share: money(layer.share_minor),
            in_stock: money(layer.value_minor),
        };
        LandedCost {
            id: row.id,
            source_id: row.source_id,
            amount: money(row.amount_minor),
            basis: row.basis,
            reason: row.reason,
            booked_on: row.booked_on,
            in_stock: money(in_stock),
            expensed: money(row.amount_minor - in_stock),
            shares: layers.into_iter().map(share).collect(),
            created_at: row.created_at,
        }
    }
}

/// What is still there and not counted yet, of each move where that is known, or of each level.
#[derive(Default)]
struct Left {
    moves: BTreeMap<StockMoveId, Quantity>,
    levels: BTreeMap<Key, Quantity>,
}

impl Left {
    /// How much of so much that a move brought is still there.
    fn take(
        &mut self,
        levels: &mut Levels,
        move_id: StockMoveId,
        key: Key,
        quantity: Quantity,
    ) -> Result<Quantity> {
        let level = levels.at(key)?;
        let left = match level.left_of(move_id) {
            Some(left) => self.moves.entry(move_id).or_insert(left),
            None => self.levels.entry(key).or_insert(level.on_hand),
        };
        let there = quantity.min(*left);
        *left = left.checked_sub(there).map_err(internal)?;
        Ok(there)
    }
}

fn layer(
    of: &landed_cost::Model,
    (move_id, key): (StockMoveId, Key),
    share_minor: i64,
    value_minor: i64,
) -> cost_layer::Model {
    cost_layer::Model {
        id: Uuid::now_v7(),
        landed_cost_id: of.id,
        move_id,
        product_id: key.product_id,
        warehouse_id: key.warehouse_id,
        share_minor,
        value_minor,
        booked_on: of.booked_on,
    }
}

fn key_of(layer: &cost_layer::Model) -> Key {
    Key { product_id: layer.product_id, warehouse_id: layer.warehouse_id }
}

/// What transfers have brought of the products of a receipt since it came.
async fn trails(tx: &Tx, moves: &[(stock_move::Model, Key)]) -> Result<Trails> {
    let products = moves.iter().map(|(row, _)| row.product_id).collect();
    // There is one: a receipt without moves is unknown.
    let first = moves.iter().map(|(row, _)| row.id).min().ok_or(Error::UnknownReceipt)?;
    Trails::load(tx, first, &products).await
}

/// The moves of a receipt that still stand, with the level each brought goods to.
async fn receipt_moves(tx: &Tx, source_id: Uuid) -> Result<Vec<(stock_move::Model, Key)>> {
    use stock_move::Column;
    let rows = stock_move::Entity::find()
        .filter(Column::SourceId.eq(source_id))
        .filter(Column::Kind.eq(MoveKind::Receipt))
        .filter(Column::ToLocation.eq(LocationKind::Warehouse))
        .filter(Column::ReversesId.is_null())
        // Row by row through its index: a list of all reversals grows with history.
        .filter(Expr::cust(
            "NOT EXISTS (SELECT 1 FROM stock_moves r WHERE r.reverses_id = stock_moves.id)",
        ))
        .order_by_asc(Column::Id)
        .limit(MAX_RECEIPT_LINES as u64)
        .all(&**tx)
        .await?;
    if rows.is_empty() {
        return Err(Error::UnknownReceipt.into());
    }
    let key = |row: &stock_move::Model| {
        let warehouse_id = row.warehouse_id?;
        Some(Key { product_id: row.product_id, warehouse_id })
    };
    Ok(rows.into_iter().filter_map(|row| key(&row).map(|key| (row, key))).collect())
}

async fn products_of(
    tx: &Tx,
    moves: &[(stock_move::Model, Key)],
) -> Result<HashMap<ProductId, product::Model>> {
    let ids = moves.iter().map(|(_, key)| key.product_id);
    let rows = product::Entity::find().filter(product::Column::Id.is_in(ids)).all(&**tx).await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// By what each move shares in the cost.
fn weights(
    moves: &[(stock_move::Model, Key)],
    basis: CostBasis,
    products: &HashMap<ProductId, product::Model>,
) -> Result<Vec<i128>> {
    let weight = |(stock_move, key): &(stock_move::Model, Key)| -> Result<i128, Error> {
        let quantity = i128::from(stock_move.quantity.micros());
        match basis {
            CostBasis::Quantity => Ok(quantity),
            CostBasis::Value => Ok(i128::from(stock_move.value_minor)),
            CostBasis::Weight => {
                let product = products.get(&key.product_id);
                let weight_g = product.and_then(|product| product.weight_g);
                let sku = || product.map(|product| product.sku.clone()).unwrap_or_default();
                let weight_g = weight_g.ok_or_else(|| Error::WeightUnknown { sku: sku() })?;
                Ok(quantity * i128::from(weight_g))
            }
        }
    };
    moves.iter().map(|stock_move| weight(stock_move).map_err(kernel::Error::from)).collect()
}
