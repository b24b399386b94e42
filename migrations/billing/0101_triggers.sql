-- What is issued, approved or posted stays as it is; a correction is a new row.

-- Invoices begin as drafts and are never deleted.
CREATE TRIGGER invoices_begin_as_draft BEFORE INSERT ON invoices
WHEN NEW.status <> 'draft'
BEGIN SELECT RAISE(ABORT, 'an invoice begins as a draft'); END;
CREATE TRIGGER invoices_no_delete BEFORE DELETE ON invoices
BEGIN SELECT RAISE(ABORT, 'an invoice is never deleted'); END;

-- Their content is fixed from the beginning.
CREATE TRIGGER invoices_content_stays BEFORE UPDATE ON invoices
WHEN (NEW.id, NEW.order_id, NEW.order_number, NEW.shipment_id, NEW.shipment_number,
      NEW.shipped_on, NEW.customer_id, NEW.customer, NEW.payment_terms_days, NEW.currency,
      NEW.prices_include_tax, NEW.rounding_mode, NEW.rounding, NEW.net_minor,
      NEW.tax_minor, NEW.total_minor, NEW.created_at)
  IS DISTINCT FROM
     (OLD.id, OLD.order_id, OLD.order_number, OLD.shipment_id, OLD.shipment_number,
      OLD.shipped_on, OLD.customer_id, OLD.customer, OLD.payment_terms_days, OLD.currency,
      OLD.prices_include_tax, OLD.rounding_mode, OLD.rounding, OLD.net_minor,
      OLD.tax_minor, OLD.total_minor, OLD.created_at)
BEGIN SELECT RAISE(ABORT, 'the content of an invoice never changes'); END;

-- Once issued only the two counters grow, and with them the status.
CREATE TRIGGER invoices_issued_stay BEFORE UPDATE ON invoices
WHEN OLD.status <> 'draft' AND (
    OLD.status = 'discarded'
    OR NEW.status NOT IN ('issued', 'settled')
    OR NEW.applied_minor < OLD.applied_minor
    OR NEW.credited_minor < OLD.credited_minor
    OR NEW.credit_notes_minor < OLD.credit_notes_minor
    OR (NEW.number, NEW.series, NEW.seq, NEW.issued_on, NEW.due_on, NEW.prev_hash, NEW.hash)
       IS DISTINCT FROM
       (OLD.number, OLD.series, OLD.seq, OLD.issued_on, OLD.due_on, OLD.prev_hash, OLD.hash))
BEGIN SELECT RAISE(ABORT, 'an issued invoice never changes'); END;

-- Issuing takes the next number, no earlier date, the end of the chain and the sum of
-- the lines.
CREATE TRIGGER invoices_issue_in_order BEFORE UPDATE ON invoices
WHEN OLD.status = 'draft' AND NEW.status IN ('issued', 'settled')
BEGIN
    SELECT RAISE(ABORT, 'the numbers of a series have no gap')
    WHERE NEW.seq <> 1 + COALESCE((SELECT MAX(seq) FROM invoices WHERE series = NEW.series), 0);
    SELECT RAISE(ABORT, 'the dates of a series do not go back')
    WHERE NEW.issued_on < (SELECT issued_on FROM invoices
                           WHERE series = NEW.series AND seq = NEW.seq - 1);
    SELECT RAISE(ABORT, 'a document continues the chain of its series')
    WHERE NEW.prev_hash <> COALESCE((SELECT hash FROM invoices
                                     WHERE series = NEW.series AND seq = NEW.seq - 1), '');
    SELECT RAISE(ABORT, 'a document is the sum of its lines')
    WHERE NEW.net_minor <> COALESCE((SELECT SUM(net_minor) FROM invoice_lines
                                     WHERE invoice_id = NEW.id), 0)
       OR NEW.tax_minor <> COALESCE((SELECT SUM(tax_minor) FROM invoice_lines
                                     WHERE invoice_id = NEW.id), 0);
END;

CREATE TRIGGER invoice_lines_only_of_drafts BEFORE INSERT ON invoice_lines
WHEN (SELECT status FROM invoices WHERE id = NEW.invoice_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'an issued invoice gets no more lines'); END;
CREATE TRIGGER invoice_lines_no_delete BEFORE DELETE ON invoice_lines
BEGIN SELECT RAISE(ABORT, 'an invoice line is never deleted'); END;
CREATE TRIGGER invoice_lines_stay BEFORE UPDATE ON invoice_lines
WHEN NEW.credited_quantity < OLD.credited_quantity
  OR NEW.credited_net_minor < OLD.credited_net_minor
  OR NEW.credited_tax_minor < OLD.credited_tax_minor
  OR (NEW.id, NEW.invoice_id, NEW.position, NEW.order_line_id, NEW.product_id, NEW.sku,
      NEW.name, NEW.unit, NEW.quantity, NEW.unit_price, NEW.discount, NEW.tax_class,
      NEW.tax_rate, NEW.net_minor, NEW.tax_minor)
     IS DISTINCT FROM
     (OLD.id, OLD.invoice_id, OLD.position, OLD.order_line_id, OLD.product_id, OLD.sku,
      OLD.name, OLD.unit, OLD.quantity, OLD.unit_price, OLD.discount, OLD.tax_class,
      OLD.tax_rate, OLD.net_minor, OLD.tax_minor)
BEGIN SELECT RAISE(ABORT, 'an invoice line never changes'); END;

CREATE TRIGGER credit_notes_in_order BEFORE INSERT ON credit_notes
BEGIN
    SELECT RAISE(ABORT, 'the numbers of a series have no gap')
    WHERE NEW.seq <> 1 + COALESCE((SELECT MAX(seq) FROM credit_notes
                                   WHERE series = NEW.series), 0);
    SELECT RAISE(ABORT, 'the dates of a series do not go back')
    WHERE NEW.issued_on < (SELECT issued_on FROM credit_notes
                           WHERE series = NEW.series AND seq = NEW.seq - 1);
    SELECT RAISE(ABORT, 'a document continues the chain of its series')
    WHERE NEW.prev_hash <> COALESCE((SELECT hash FROM credit_notes
                                     WHERE series = NEW.series AND seq = NEW.seq - 1), '');
    SELECT RAISE(ABORT, 'a document is the sum of its lines')
    WHERE NEW.net_minor <> COALESCE((SELECT SUM(net_minor) FROM credit_note_lines
                                     WHERE credit_note_id = NEW.id), 0)
       OR NEW.tax_minor <> COALESCE((SELECT SUM(tax_minor) FROM credit_note_lines
                                     WHERE credit_note_id = NEW.id), 0);
END;
CREATE TRIGGER credit_notes_no_update BEFORE UPDATE ON credit_notes
BEGIN SELECT RAISE(ABORT, 'a credit note never changes'); END;
CREATE TRIGGER credit_notes_no_delete BEFORE DELETE ON credit_notes
BEGIN SELECT RAISE(ABORT, 'a credit note is never deleted'); END;
CREATE TRIGGER credit_note_lines_before_their_note BEFORE INSERT ON credit_note_lines
WHEN EXISTS (SELECT 1 FROM credit_notes WHERE id = NEW.credit_note_id)
BEGIN SELECT RAISE(ABORT, 'a credit note gets no more lines'); END;
CREATE TRIGGER credit_note_lines_no_update BEFORE UPDATE ON credit_note_lines
BEGIN SELECT RAISE(ABORT, 'a credit note line never changes'); END;
CREATE TRIGGER credit_note_lines_no_delete BEFORE DELETE ON credit_note_lines
BEGIN SELECT RAISE(ABORT, 'a credit note line is never deleted'); END;

-- The copy of a purchase order: only its counters move.
CREATE TRIGGER purchase_orders_no_update BEFORE UPDATE ON purchase_orders
BEGIN SELECT RAISE(ABORT, 'the copy of a purchase order never changes'); END;
CREATE TRIGGER purchase_orders_no_delete BEFORE DELETE ON purchase_orders
BEGIN SELECT RAISE(ABORT, 'the copy of a purchase order is never deleted'); END;
CREATE TRIGGER purchase_order_lines_stay BEFORE UPDATE ON purchase_order_lines
WHEN (NEW.id, NEW.purchase_order_id, NEW.position, NEW.product_id, NEW.ordered,
      NEW.unit_price, NEW.tax_class)
  IS DISTINCT FROM
     (OLD.id, OLD.purchase_order_id, OLD.position, OLD.product_id, OLD.ordered,
      OLD.unit_price, OLD.tax_class)
  OR NEW.received < OLD.received OR NEW.overridden < OLD.overridden
BEGIN SELECT RAISE(ABORT, 'the copy of a purchase order never changes'); END;
CREATE TRIGGER purchase_order_lines_no_delete BEFORE DELETE ON purchase_order_lines
BEGIN SELECT RAISE(ABORT, 'the copy of a purchase order is never deleted'); END;
CREATE TRIGGER goods_received_grow BEFORE UPDATE ON goods_received
WHEN NEW.quantity < OLD.quantity OR NEW.value_minor < OLD.value_minor
  OR NEW.billed < OLD.billed
BEGIN SELECT RAISE(ABORT, 'goods received and billed only grow'); END;
CREATE TRIGGER goods_received_no_delete BEFORE DELETE ON goods_received
BEGIN SELECT RAISE(ABORT, 'goods received are never deleted'); END;

CREATE TRIGGER bills_sum_of_lines BEFORE INSERT ON bills
BEGIN
    SELECT RAISE(ABORT, 'a bill begins unapproved')
    WHERE NEW.status NOT IN ('matched', 'exception');
    SELECT RAISE(ABORT, 'a document is the sum of its lines')
    WHERE NEW.net_minor <> COALESCE((SELECT SUM(net_minor) FROM bill_lines
                                     WHERE bill_id = NEW.id), 0)
       OR NEW.tax_minor <> COALESCE((SELECT SUM(tax_minor) FROM bill_lines
                                     WHERE bill_id = NEW.id), 0);
END;
CREATE TRIGGER bills_content_stays BEFORE UPDATE ON bills
WHEN (NEW.id, NEW.number, NEW.supplier_id, NEW.supplier_name, NEW.supplier_invoice_number,
      NEW.purchase_order_id, NEW.purchase_order_number, NEW.billed_on, NEW.due_on,
      NEW.currency, NEW.rounding_mode, NEW.net_minor, NEW.tax_minor, NEW.total_minor,
      NEW.created_at)
  IS DISTINCT FROM
     (OLD.id, OLD.number, OLD.supplier_id, OLD.supplier_name, OLD.supplier_invoice_number,
      OLD.purchase_order_id, OLD.purchase_order_number, OLD.billed_on, OLD.due_on,
      OLD.currency, OLD.rounding_mode, OLD.net_minor, OLD.tax_minor, OLD.total_minor,
      OLD.created_at)
BEGIN SELECT RAISE(ABORT, 'the content of a bill never changes'); END;
CREATE TRIGGER bills_approved_stay BEFORE UPDATE ON bills
WHEN OLD.status IN ('approved', 'settled', 'rejected') AND (
    OLD.status = 'rejected'
    OR NEW.status NOT IN ('approved', 'settled')
    OR NEW.applied_minor < OLD.applied_minor
    OR (NEW.exceptions, NEW.override_reason) IS DISTINCT FROM (OLD.exceptions, OLD.override_reason))
BEGIN SELECT RAISE(ABORT, 'an approved or rejected bill never changes'); END;
CREATE TRIGGER bills_no_delete BEFORE DELETE ON bills
BEGIN SELECT RAISE(ABORT, 'a bill is never deleted'); END;
CREATE TRIGGER bill_lines_before_their_bill BEFORE INSERT ON bill_lines
WHEN EXISTS (SELECT 1 FROM bills WHERE id = NEW.bill_id)
BEGIN SELECT RAISE(ABORT, 'a bill gets no more lines'); END;
CREATE TRIGGER bill_lines_no_update BEFORE UPDATE ON bill_lines
BEGIN SELECT RAISE(ABORT, 'a bill line never changes'); END;
CREATE TRIGGER bill_lines_no_delete BEFORE DELETE ON bill_lines
BEGIN SELECT RAISE(ABORT, 'a bill line is never deleted'); END;

CREATE TRIGGER payments_stay BEFORE UPDATE ON payments
WHEN NEW.applied_minor < OLD.applied_minor
  OR (NEW.id, NEW.number, NEW.direction, NEW.customer_id, NEW.supplier_id, NEW.method,
      NEW.received_on, NEW.external_key, NEW.currency, NEW.amount_minor, NEW.created_at)
     IS DISTINCT FROM
     (OLD.id, OLD.number, OLD.direction, OLD.customer_id, OLD.supplier_id, OLD.method,
      OLD.received_on, OLD.external_key, OLD.currency, OLD.amount_minor, OLD.created_at)
BEGIN SELECT RAISE(ABORT, 'a payment never changes'); END;
CREATE TRIGGER payments_no_delete BEFORE DELETE ON payments
BEGIN SELECT RAISE(ABORT, 'a payment is never deleted'); END;
CREATE TRIGGER payment_allocations_no_update BEFORE UPDATE ON payment_allocations
BEGIN SELECT RAISE(ABORT, 'an allocation never changes'); END;
CREATE TRIGGER payment_allocations_no_delete BEFORE DELETE ON payment_allocations
BEGIN SELECT RAISE(ABORT, 'an allocation is never deleted'); END;

-- Debit equals credit: not a check after the fact but the condition of being written.
CREATE TRIGGER journal_entries_balance BEFORE INSERT ON journal_entries
BEGIN
    SELECT RAISE(ABORT, 'a journal entry has at least two lines')
    WHERE (SELECT COUNT(*) FROM journal_lines WHERE entry_id = NEW.id) < 2;
    SELECT RAISE(ABORT, 'a journal entry balances')
    WHERE (SELECT SUM(debit_minor) - SUM(credit_minor) FROM journal_lines
           WHERE entry_id = NEW.id) <> 0;
END;
CREATE TRIGGER journal_entries_no_update BEFORE UPDATE ON journal_entries
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_entries_no_delete BEFORE DELETE ON journal_entries
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_lines_before_their_entry BEFORE INSERT ON journal_lines
WHEN EXISTS (SELECT 1 FROM journal_entries WHERE id = NEW.entry_id)
BEGIN SELECT RAISE(ABORT, 'a posted entry gets no more lines'); END;
CREATE TRIGGER journal_lines_no_update BEFORE UPDATE ON journal_lines
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_lines_no_delete BEFORE DELETE ON journal_lines
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
