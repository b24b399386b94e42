-- Only the transitions of the machines happen.
CREATE TRIGGER orders_transitions BEFORE UPDATE OF status ON orders
WHEN OLD.status <> NEW.status AND NOT (
    (OLD.status = 'draft' AND NEW.status IN ('confirmed', 'cancelled'))
    OR (OLD.status = 'confirmed' AND NEW.status IN ('completed', 'cancelled')))
BEGIN SELECT RAISE(ABORT, 'no such transition of an order'); END;

CREATE TRIGGER shipments_transitions BEFORE UPDATE OF status ON shipments
WHEN OLD.status <> NEW.status AND NOT (
    (OLD.status = 'packed' AND NEW.status IN ('shipped', 'cancelled'))
    OR (OLD.status = 'shipped' AND NEW.status = 'delivered'))
BEGIN SELECT RAISE(ABORT, 'no such transition of a shipment'); END;

-- Orders and shipments begin at the beginning.
CREATE TRIGGER orders_begin_as_draft BEFORE INSERT ON orders
WHEN NEW.status <> 'draft'
BEGIN SELECT RAISE(ABORT, 'an order begins as a draft'); END;

CREATE TRIGGER shipments_begin_packed BEFORE INSERT ON shipments
WHEN NEW.status <> 'packed'
BEGIN SELECT RAISE(ABORT, 'a shipment begins packed'); END;

-- An order that is over holds nothing (O-7), and stays over.
CREATE TRIGGER orders_over_hold_nothing BEFORE UPDATE OF status ON orders
WHEN NEW.status IN ('completed', 'cancelled') AND EXISTS (
    SELECT 1 FROM order_lines l
    WHERE l.order_id = NEW.id AND l.shipped + l.cancelled <> l.ordered)
BEGIN SELECT RAISE(ABORT, 'an order that is over has nothing open'); END;

CREATE TRIGGER order_lines_over_hold_nothing BEFORE UPDATE ON order_lines
WHEN NEW.shipped + NEW.cancelled <> NEW.ordered AND EXISTS (
    SELECT 1 FROM orders o
    WHERE o.id = NEW.order_id AND o.status IN ('completed', 'cancelled'))
BEGIN SELECT RAISE(ABORT, 'an order that is over has nothing open'); END;

-- Counters never run backwards where what they count cannot be undone.
CREATE TRIGGER order_lines_only_grow BEFORE UPDATE ON order_lines
WHEN NEW.shipped < OLD.shipped OR NEW.cancelled < OLD.cancelled OR NEW.invoiced < OLD.invoiced
    OR NEW.returned < OLD.returned OR NEW.credited < OLD.credited
BEGIN SELECT RAISE(ABORT, 'shipped, cancelled, invoiced, returned and credited only grow'); END;

-- What was agreed stays as it was once the order is no draft any more (O-8).
CREATE TRIGGER orders_agreed BEFORE UPDATE ON orders
WHEN OLD.status <> 'draft' AND (
    NEW.number <> OLD.number OR NEW.quotation_id IS DISTINCT FROM OLD.quotation_id
    OR NEW.customer_id <> OLD.customer_id OR NEW.customer <> OLD.customer
    OR NEW.warehouse_id <> OLD.warehouse_id
    OR NEW.customer_reference IS DISTINCT FROM OLD.customer_reference
    OR NEW.ordered_on <> OLD.ordered_on OR NEW.allow_backorder <> OLD.allow_backorder
    OR NEW.prices_include_tax <> OLD.prices_include_tax OR NEW.currency <> OLD.currency
    OR NEW.rounding_mode <> OLD.rounding_mode OR NEW.net_minor <> OLD.net_minor
    OR NEW.tax_minor <> OLD.tax_minor OR NEW.total_minor <> OLD.total_minor)
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

CREATE TRIGGER orders_no_delete BEFORE DELETE ON orders
BEGIN SELECT RAISE(ABORT, 'orders are never deleted'); END;

CREATE TRIGGER order_lines_agreed BEFORE UPDATE ON order_lines
WHEN NEW.order_id <> OLD.order_id OR NEW.position <> OLD.position
    OR NEW.product_id <> OLD.product_id OR NEW.sku <> OLD.sku OR NEW.name <> OLD.name
    OR NEW.unit <> OLD.unit OR NEW.unit_decimals <> OLD.unit_decimals
    OR NEW.unit_price <> OLD.unit_price OR NEW.discount <> OLD.discount
    OR NEW.tax_class <> OLD.tax_class OR NEW.tax_rate <> OLD.tax_rate
    OR NEW.net_minor <> OLD.net_minor OR NEW.tax_minor <> OLD.tax_minor
    OR NEW.total_minor <> OLD.total_minor OR NEW.ordered <> OLD.ordered
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

CREATE TRIGGER order_lines_insert BEFORE INSERT ON order_lines
WHEN (SELECT status FROM orders WHERE id = NEW.order_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

CREATE TRIGGER order_lines_delete BEFORE DELETE ON order_lines
WHEN (SELECT status FROM orders WHERE id = OLD.order_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

CREATE TRIGGER order_taxes_insert BEFORE INSERT ON order_taxes
WHEN (SELECT status FROM orders WHERE id = NEW.order_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

CREATE TRIGGER order_taxes_update BEFORE UPDATE ON order_taxes
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

CREATE TRIGGER order_taxes_delete BEFORE DELETE ON order_taxes
WHEN (SELECT status FROM orders WHERE id = OLD.order_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

-- A shipment that has left, and one that never will, stays as it was; only the tracking
-- of goods on their way may still become known.
CREATE TRIGGER shipments_done BEFORE UPDATE ON shipments
WHEN NEW.number <> OLD.number OR NEW.order_id <> OLD.order_id
    OR OLD.status IN ('delivered', 'cancelled')
    OR (OLD.status = 'shipped' AND (
        NEW.shipped_on IS DISTINCT FROM OLD.shipped_on OR NEW.shipped_at IS DISTINCT FROM OLD.shipped_at))
BEGIN SELECT RAISE(ABORT, 'a shipment that is done does not change'); END;

CREATE TRIGGER shipments_no_delete BEFORE DELETE ON shipments
BEGIN SELECT RAISE(ABORT, 'shipments are never deleted'); END;

CREATE TRIGGER shipment_lines_insert BEFORE INSERT ON shipment_lines
WHEN (SELECT status FROM shipments WHERE id = NEW.shipment_id) <> 'packed'
BEGIN SELECT RAISE(ABORT, 'a shipment that is done does not change'); END;

CREATE TRIGGER shipment_lines_no_update BEFORE UPDATE ON shipment_lines
BEGIN SELECT RAISE(ABORT, 'shipment_lines is append-only'); END;
CREATE TRIGGER shipment_lines_no_delete BEFORE DELETE ON shipment_lines
BEGIN SELECT RAISE(ABORT, 'shipment_lines is append-only'); END;

-- A return is posted at once.
CREATE TRIGGER returns_no_update BEFORE UPDATE ON returns
BEGIN SELECT RAISE(ABORT, 'returns is append-only'); END;
CREATE TRIGGER returns_no_delete BEFORE DELETE ON returns
BEGIN SELECT RAISE(ABORT, 'returns is append-only'); END;
CREATE TRIGGER return_lines_no_update BEFORE UPDATE ON return_lines
BEGIN SELECT RAISE(ABORT, 'return_lines is append-only'); END;
CREATE TRIGGER return_lines_no_delete BEFORE DELETE ON return_lines
BEGIN SELECT RAISE(ABORT, 'return_lines is append-only'); END;
