//! Goods that are gone though picking lists hold them: the lists give them up.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Result;
use kernel::db::{Column, Tx, Values, query_all};
use kernel::quantity::Quantity;
use sea_orm::ConnectionTrait;
use serde_json::json;
use uuid::Uuid;

use crate::entities::picking_line;
use crate::error::internal;
use crate::service::bin_choice::{take, take_allocated};
use crate::service::bin_rows::stored;
use crate::service::bins::Part;
use crate::service::levels::{Key, Levels};
use crate::service::picking::{allocate, store};
use crate::service::picking_ends::end_lists;

/// Frees what is to be taken from some bins of levels, as far as only picking lists stand against
/// it: the newest promise gives up first. Its order keeps what it is promised, and is picked for
/// anew.
pub(crate) async fn free_held(
    tx: &mut Tx,
    levels: &Levels,
    wanted: &[(Key, &[Part])],
) -> Result<()> {
    let keys = wanted.iter().map(|(key, _)| *key).filter(|key| levels.is_detailed(*key));
    let mut stored = stored(tx, &keys.collect()).await?;
    let mut lacks: BTreeMap<Uuid, Quantity> = BTreeMap::new();
    for (key, parts) in wanted {
        let Some(rows) = stored.get_mut(key) else { continue };
        for part in *parts {
            let (_, mut missing) = take(rows, part.quantity, |bin| part.fits(bin));
            let fit: Vec<_> = rows.iter().filter(|bin| part.fits(bin)).map(|bin| bin.id).collect();
            for bin_id in fit {
                let Some(held) = take_allocated(rows, bin_id, missing) else { continue };
                missing = missing.checked_sub(held.quantity).map_err(internal)?;
                let lack = lacks.entry(bin_id).or_default();
                *lack = lack.checked_add(held.quantity).map_err(internal)?;
            }
        }
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let (mut cuts, mut lines, mut over) = (Vec::new(), Vec::new(), BTreeSet::new());
    for mut line in holding(tx, lacks.keys().copied()).await? {
        let Some(lack) = line.bin_id.and_then(|id| lacks.get_mut(&id)) else { continue };
        let by = line.allocated.min(*lack);
        if by.is_zero() {
            continue;
        }
        *lack = lack.checked_sub(by).map_err(internal)?;
        let left = line.allocated.checked_sub(by).map_err(internal)?;
        let held = |quantity| json!({ "position": line.position, "held": quantity });
        let (was, is) = (held(line.allocated), held(left));
        tx.audit("picking_list", line.picking_list_id.uuid(), Some(&was), Some(&is))?;
        cuts.push(picking_line::Model { allocated: by, ..line.clone() });
        line.allocated = left;
        if left.is_zero() {
            // Nobody has to look for it any more.
            line.picked = line.picked.or(Some(Quantity::ZERO));
            over.insert(line.picking_list_id);
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Ok(());
    }
    allocate(tx, &cuts, -1).await?;
    store(tx, lines.iter()).await?;
    end_lists(tx, over).await
}

/// The lines that hold something in some bins, the newest promise first.
async fn holding(tx: &Tx, bins: impl Iterator<Item = Uuid>) -> Result<Vec<picking_line::Model>> {
    let rows = bins.map(|id| vec![id.into()]);
    let columns = [("id", Column::Uuid)];
    let (sql, values) = Values::new(tx.get_database_backend(), "k", &columns, rows).statement(
        "SELECT q.* FROM (SELECT p.*, (SELECT COALESCE(r.first_id, r.id) FROM reservations r \
           WHERE r.order_line_id = p.order_line_id AND r.status = 'active' \
           ORDER BY r.id LIMIT 1) AS promise_id FROM k \
           JOIN picking_lines p ON p.bin_id = k.id WHERE p.allocated > 0) q \
         ORDER BY q.promise_id DESC, q.id DESC",
    );
    Ok(query_all(&**tx, sql, values).await?)
}
