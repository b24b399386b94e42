-- A supplier stays the one its documents name.
CREATE TRIGGER suppliers_identity BEFORE UPDATE ON suppliers
WHEN NEW.number <> OLD.number OR NEW.currency <> OLD.currency
BEGIN SELECT RAISE(ABORT, 'number and currency of a supplier do not change'); END;

CREATE TRIGGER suppliers_no_delete BEFORE DELETE ON suppliers
BEGIN SELECT RAISE(ABORT, 'suppliers are never deleted'); END;

-- Only the transitions of the machine happen.
CREATE TRIGGER purchase_orders_transitions BEFORE UPDATE OF status ON purchase_orders
WHEN OLD.status <> NEW.status AND NOT (
    (OLD.status = 'draft' AND NEW.status IN ('approved', 'cancelled'))
    OR (OLD.status = 'approved' AND NEW.status IN ('sent', 'cancelled'))
    OR (OLD.status = 'sent' AND NEW.status IN ('received', 'closed', 'cancelled'))
    OR (OLD.status = 'received' AND NEW.status = 'closed'))
BEGIN SELECT RAISE(ABORT, 'no such transition of a purchase order'); END;

CREATE TRIGGER purchase_orders_begin_as_draft BEFORE INSERT ON purchase_orders
WHEN NEW.status <> 'draft'
BEGIN SELECT RAISE(ABORT, 'a purchase order begins as a draft'); END;

CREATE TRIGGER purchase_orders_no_delete BEFORE DELETE ON purchase_orders
BEGIN SELECT RAISE(ABORT, 'purchase orders are never deleted'); END;

-- Of an order that is complete or over nothing is to come.
CREATE TRIGGER purchase_orders_nothing_to_come BEFORE UPDATE OF status ON purchase_orders
WHEN NEW.status IN ('received', 'closed', 'cancelled') AND EXISTS (
    SELECT 1 FROM purchase_order_lines l WHERE l.purchase_order_id = NEW.id AND l.open > 0)
BEGIN SELECT RAISE(ABORT, 'something of the purchase order is still to come'); END;

-- What was agreed stays as it was once the order is no draft any more.
CREATE TRIGGER purchase_orders_agreed BEFORE UPDATE ON purchase_orders
WHEN NEW.number <> OLD.number OR (OLD.status <> 'draft' AND (
    NEW.supplier_id <> OLD.supplier_id OR NEW.supplier_name <> OLD.supplier_name
    OR NEW.payment_terms_days <> OLD.payment_terms_days
    OR NEW.warehouse_id <> OLD.warehouse_id OR NEW.ordered_on <> OLD.ordered_on
    OR NEW.expected_on IS DISTINCT FROM OLD.expected_on OR NEW.currency <> OLD.currency
    OR NEW.rounding_mode <> OLD.rounding_mode OR NEW.net_minor <> OLD.net_minor
    OR NEW.tax_minor <> OLD.tax_minor OR NEW.total_minor <> OLD.total_minor))
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

CREATE TRIGGER purchase_order_lines_agreed BEFORE UPDATE ON purchase_order_lines
WHEN NEW.purchase_order_id <> OLD.purchase_order_id OR NEW.position <> OLD.position
    OR NEW.product_id <> OLD.product_id OR NEW.sku <> OLD.sku OR NEW.name <> OLD.name
    OR NEW.unit <> OLD.unit OR NEW.unit_decimals <> OLD.unit_decimals
    OR NEW.unit_price <> OLD.unit_price OR NEW.tax_class <> OLD.tax_class
    OR NEW.tax_rate <> OLD.tax_rate OR NEW.net_minor <> OLD.net_minor
    OR NEW.tax_minor <> OLD.tax_minor OR NEW.total_minor <> OLD.total_minor
    OR NEW.ordered <> OLD.ordered
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

CREATE TRIGGER purchase_order_lines_insert BEFORE INSERT ON purchase_order_lines
WHEN (SELECT status FROM purchase_orders WHERE id = NEW.purchase_order_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

CREATE TRIGGER purchase_order_lines_delete BEFORE DELETE ON purchase_order_lines
WHEN (SELECT status FROM purchase_orders WHERE id = OLD.purchase_order_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'what was agreed does not change'); END;

-- Counters never run backwards: nothing they count can be undone.
CREATE TRIGGER purchase_order_lines_only_grow BEFORE UPDATE ON purchase_order_lines
WHEN NEW.received < OLD.received OR NEW.short_closed < OLD.short_closed
    OR NEW.on_bills < OLD.on_bills
BEGIN SELECT RAISE(ABORT, 'received, short_closed and on_bills only grow'); END;

-- A receipt is posted at once, against an order the supplier has, and never changes.
CREATE TRIGGER receipts_insert BEFORE INSERT ON receipts
WHEN (SELECT status FROM purchase_orders WHERE id = NEW.purchase_order_id) <> 'sent'
BEGIN SELECT RAISE(ABORT, 'only what was sent is received'); END;
CREATE TRIGGER receipts_no_update BEFORE UPDATE ON receipts
BEGIN SELECT RAISE(ABORT, 'receipts is append-only'); END;
CREATE TRIGGER receipts_no_delete BEFORE DELETE ON receipts
BEGIN SELECT RAISE(ABORT, 'receipts is append-only'); END;

CREATE TRIGGER receipt_lines_insert BEFORE INSERT ON receipt_lines
WHEN NOT EXISTS (
    SELECT 1 FROM receipts r
    JOIN purchase_orders o ON o.id = r.purchase_order_id AND o.status = 'sent'
    JOIN purchase_order_lines l ON l.purchase_order_id = o.id
    WHERE r.id = NEW.receipt_id AND l.id = NEW.purchase_order_line_id)
BEGIN SELECT RAISE(ABORT, 'a receipt receives lines of its own order'); END;
CREATE TRIGGER receipt_lines_no_update BEFORE UPDATE ON receipt_lines
BEGIN SELECT RAISE(ABORT, 'receipt_lines is append-only'); END;
CREATE TRIGGER receipt_lines_no_delete BEFORE DELETE ON receipt_lines
BEGIN SELECT RAISE(ABORT, 'receipt_lines is append-only'); END;

CREATE TRIGGER billed_lines_no_update BEFORE UPDATE ON billed_lines
BEGIN SELECT RAISE(ABORT, 'billed_lines is append-only'); END;
CREATE TRIGGER billed_lines_no_delete BEFORE DELETE ON billed_lines
BEGIN SELECT RAISE(ABORT, 'billed_lines is append-only'); END;
