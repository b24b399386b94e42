-- A discarded invoice may become a draft again, at the rates of that day: nobody has ever owed
-- it. Its lines are taxed anew while it is discarded, and it becomes a draft as their sum.
DROP TRIGGER invoices_content_stays ON invoices;
CREATE TRIGGER invoices_content_stays BEFORE UPDATE ON invoices
WHEN (NEW.id, NEW.order_id, NEW.order_number, NEW.shipment_id, NEW.shipment_number,
      NEW.shipped_on, NEW.customer_id, NEW.customer, NEW.payment_terms_days, NEW.currency,
      NEW.prices_include_tax, NEW.rounding_mode, NEW.rounding, NEW.created_at)
  IS DISTINCT FROM
     (OLD.id, OLD.order_id, OLD.order_number, OLD.shipment_id, OLD.shipment_number,
      OLD.shipped_on, OLD.customer_id, OLD.customer, OLD.payment_terms_days, OLD.currency,
      OLD.prices_include_tax, OLD.rounding_mode, OLD.rounding, OLD.created_at)
  OR NOT (OLD.status = 'discarded' AND NEW.status = 'draft')
     AND (NEW.net_minor, NEW.tax_minor, NEW.total_minor)
         IS DISTINCT FROM (OLD.net_minor, OLD.tax_minor, OLD.total_minor)
BEGIN SELECT RAISE(ABORT, 'the content of an invoice never changes'); END;

DROP TRIGGER invoices_issued_stay ON invoices;
CREATE TRIGGER invoices_issued_stay BEFORE UPDATE ON invoices
WHEN OLD.status = 'discarded' AND NEW.status <> 'draft'
  OR OLD.status IN ('issued', 'settled') AND (
    NEW.status NOT IN ('issued', 'settled')
    OR NEW.applied_minor < OLD.applied_minor
    OR NEW.credited_minor < OLD.credited_minor
    OR NEW.credit_notes_minor < OLD.credit_notes_minor
    OR (NEW.number, NEW.series, NEW.seq, NEW.issued_on, NEW.due_on, NEW.prev_hash, NEW.hash)
       IS DISTINCT FROM
       (OLD.number, OLD.series, OLD.seq, OLD.issued_on, OLD.due_on, OLD.prev_hash, OLD.hash))
BEGIN SELECT RAISE(ABORT, 'an issued invoice never changes'); END;

CREATE TRIGGER invoices_redraft_sums BEFORE UPDATE ON invoices
WHEN OLD.status = 'discarded' AND NEW.status = 'draft'
BEGIN
    SELECT RAISE(ABORT, 'a document is the sum of its lines')
    WHERE NEW.net_minor <> COALESCE((SELECT SUM(net_minor) FROM invoice_lines
                                     WHERE invoice_id = NEW.id), 0)
       OR NEW.tax_minor <> COALESCE((SELECT SUM(tax_minor) FROM invoice_lines
                                     WHERE invoice_id = NEW.id), 0);
END;

DROP TRIGGER invoice_lines_stay ON invoice_lines;
CREATE TRIGGER invoice_lines_stay BEFORE UPDATE ON invoice_lines
WHEN NEW.credited_quantity < OLD.credited_quantity
  OR NEW.credited_net_minor < OLD.credited_net_minor
  OR NEW.credited_tax_minor < OLD.credited_tax_minor
  OR (NEW.id, NEW.invoice_id, NEW.position, NEW.order_line_id, NEW.product_id, NEW.sku,
      NEW.name, NEW.unit, NEW.quantity, NEW.unit_price, NEW.discount, NEW.tax_class)
     IS DISTINCT FROM
     (OLD.id, OLD.invoice_id, OLD.position, OLD.order_line_id, OLD.product_id, OLD.sku,
      OLD.name, OLD.unit, OLD.quantity, OLD.unit_price, OLD.discount, OLD.tax_class)
  OR (NEW.tax_rate, NEW.net_minor, NEW.tax_minor)
     IS DISTINCT FROM (OLD.tax_rate, OLD.net_minor, OLD.tax_minor)
     AND (SELECT status FROM invoices WHERE id = NEW.invoice_id) <> 'discarded'
BEGIN SELECT RAISE(ABORT, 'an invoice line never changes'); END;
