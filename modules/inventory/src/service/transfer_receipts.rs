//! What arrives of a transfer, and what does not.

use std::collections::BTreeMap;

use contracts::ids::ProductId;
use kernel::db::{Column, Values, execute};
use kernel::http::Reply;
use kernel::money::Money;
use kernel::quantity::Quantity;
use kernel::{Ctx, Result};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::entities::stock_move::{LocationKind, MoveKind};
use crate::entities::transfer::{self, TransferStatus};
use crate::entities::transfer_line;
use crate::error::{Error, internal};
use crate::routes::transfers::ReceiveTransfer;
use crate::service::adjustments::publish_adjusted;
use crate::service::backorders::fill_backorders;
use crate::service::bins::Bins;
use crate::service::level::Level;
use crate::service::levels::{Key, Levels};
use crate::service::moves::{NewMove, post};
use crate::service::named_lots::{Named, of_source};
use crate::service::references::{check_fineness, check_scope, find_products};
use crate::service::transfers::{keep, lines_of, posting, step, too_large, transit};
use crate::service::{MAX_LINES, Service, check_line_count};

impl Service {
    /// Takes in what has come, at what it cost where it left, and writes off what is lost.
    pub(crate) async fn receive_transfer(
        &self,
        ctx: &Ctx,
        id: Uuid,
        receive: ReceiveTransfer,
    ) -> Result<Reply> {
        check_line_count(receive.lines.len(), MAX_LINES)?;
        if receive.lines.iter().all(|line| line.received.is_zero() && line.lost.is_zero()) {
            return Err(Error::QuantityNotPositive { pointer: "/lines/0/received".into() }.into());
        }
        let mut tx = self.db.begin_once(ctx).await?;
        let found = tx.lock::<transfer::Entity>(id).await?;
        let before = found.ok_or_else(|| kernel::Error::not_found("transfer", id))?;
        check_scope(ctx, [before.to_warehouse_id], "transfer", id)?;
        ctx.check_version(before.version)?;
        if before.status == TransferStatus::Received {
            return Err(Error::TransferOver.into());
        }
        let ids: Vec<_> = receive.lines.iter().map(|line| line.product_id).collect();
        let products = find_products(&tx, &ids).await?;
        let transit = transit(&tx).await?;
        let key = |product_id, warehouse_id| Key { product_id, warehouse_id };
        let keys = ids.iter().flat_map(|product_id| {
            [transit, before.to_warehouse_id].map(|warehouse| key(*product_id, warehouse))
        });
        let mut levels = Levels::lock_to_issue(&tx, &keys.collect()).await?;
        let asked = receive.lines.iter().enumerate().filter(|(_, line)| !line.lots.is_empty());
        let named = asked.map(|(i, line)| Named {
            product: &products[&line.product_id],
            lots: &line.lots,
            quantity: line.received,
            pointer: format!("/lines/{i}"),
        });
        let named: Vec<_> = named.collect();
        let mut named = of_source(&tx, (id, transit), &named).await?.into_iter();
        let lines = lines_of(&*tx, [id]).await?.remove(&id).unwrap_or_default();
        let shown_before = self.present_transfer(before.clone(), lines.clone());
        let mut lines: BTreeMap<ProductId, transfer_line::Model> =
            lines.into_iter().map(|line| (line.product_id, line)).collect();
        let (mut moves, mut lost) = (Vec::new(), Vec::new());
        for (i, asked) in receive.lines.iter().enumerate() {
            let pointer = |field: &str| format!("/lines/{i}/{field}");
            let product = &products[&asked.product_id];
            let line = lines
                .get_mut(&asked.product_id)
                .ok_or_else(|| Error::NotOnList { pointer: pointer("product_id") })?;
            for (field, quantity) in [("received", asked.received), ("lost", asked.lost)] {
                if quantity.is_negative() {
                    return Err(Error::QuantityNegative { pointer: pointer(field) }.into());
                }
                check_fineness(product, quantity, &pointer(field))?;
            }
            let out_of = match asked.lots.is_empty() {
                true => Bins::OfSource,
                false => Bins::Given(named.next().unwrap_or_default()),
            };
            let from = key(asked.product_id, transit);
            let value = self.arrive(line, asked.received, &pointer("received"))?;
            if asked.received.is_positive() {
                take_out(levels.at(from)?, asked.received, value)?;
                let to = key(asked.product_id, before.to_warehouse_id);
                levels.at(to)?.receive(asked.received, value, &self.company).map_err(too_large)?;
                line.received = line.received.checked_add(asked.received).map_err(internal)?;
                let bins = [out_of, Bins::AsTaken];
                moves.extend(step(from, to, asked.received, value, bins));
            }
            let value = self.arrive(line, asked.lost, &pointer("lost"))?;
            if asked.lost.is_positive() {
                take_out(levels.at(from)?, asked.lost, value)?;
                line.lost = line.lost.checked_add(asked.lost).map_err(internal)?;
                lost.push(NewMove {
                    kind: MoveKind::Adjustment,
                    product_id: asked.product_id,
                    from: LocationKind::Warehouse,
                    to: LocationKind::Adjustment,
                    warehouse_id: Some(transit),
                    quantity: asked.lost,
                    unit_cost: None,
                    value,
                    line_id: None,
                    reverses_id: None,
                    bins: Bins::OfSource,
                });
            }
        }
        let first_lost = moves.len();
        moves.extend(lost);
        let posting = posting(&tx, id);
        let posted = post(&mut tx, &mut levels, posting, moves).await?;
        for posted in &posted[first_lost..] {
            let product = &products[&posted.product_id];
            publish_adjusted(&mut tx, posted, product, transit, false)?;
        }
        let rows = lines.values().map(|line| {
            vec![line.id.into(), line.received.into(), line.lost.into(), line.value_minor.into()]
        });
        let columns = [
            ("id", Column::Uuid),
            ("received", Column::BigInt),
            ("lost", Column::BigInt),
            ("value_minor", Column::BigInt),
        ];
        let (sql, values) = Values::new(tx.get_database_backend(), "v", &columns, rows).statement(
            "UPDATE transfer_lines SET received = v.received, lost = v.lost, \
             value_minor = v.value_minor FROM v WHERE transfer_lines.id = v.id",
        );
        execute(&*tx, sql, values).await?;
        let after = keep(&tx, before, &lines).await?;
        fill_backorders(&mut tx, &mut levels).await?;
        levels.store(&mut tx).await?;
        let shown = self.present_transfer(after, lines.into_values().collect());
        tx.audit("transfer", id, Some(&shown_before), Some(&shown))?;
        tx.reply(Reply::ok(&shown)).await
    }

    /// Takes `quantity` off what of a line is on its way, and returns what it cost. The last of
    /// it takes what rounding left.
    fn arrive(
        &self,
        line: &mut transfer_line::Model,
        quantity: Quantity,
        pointer: &str,
    ) -> Result<Money> {
        let gone = line.received.checked_add(line.lost).map_err(internal)?;
        let on_hand = line.shipped.checked_sub(gone).map_err(internal)?;
        let value_minor = line.value_minor;
        let mut on_its_way = Level { on_hand, value_minor, ..Level::default() };
        let value = on_its_way
            .issue(quantity, &self.company)
            .map_err(|_| Error::MoreThanShipped { pointer: pointer.into() })?;
        line.value_minor = on_its_way.value_minor;
        Ok(value)
    }
}

fn take_out(level: &mut Level, quantity: Quantity, value: Money) -> Result<()> {
    let failed = |_| kernel::Error::internal("less is in transit than transfers say");
    level.take_out(quantity, value.minor()).map_err(failed)
}
