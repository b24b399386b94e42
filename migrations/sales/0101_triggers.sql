-- What has been said to a customer, or has happened, stays as it was.

CREATE TRIGGER sales_facts_no_update BEFORE UPDATE ON sales_facts
BEGIN SELECT RAISE(ABORT, 'sales_facts is append-only'); END;
CREATE TRIGGER sales_facts_no_delete BEFORE DELETE ON sales_facts
BEGIN SELECT RAISE(ABORT, 'sales_facts is append-only'); END;

CREATE TRIGGER receivable_entries_no_update BEFORE UPDATE ON receivable_entries
BEGIN SELECT RAISE(ABORT, 'receivable_entries is append-only'); END;
CREATE TRIGGER receivable_entries_no_delete BEFORE DELETE ON receivable_entries
BEGIN SELECT RAISE(ABORT, 'receivable_entries is append-only'); END;

-- A committed order stays on its customer's account until it is cancelled.
CREATE TRIGGER credit_exposures_no_way_back BEFORE UPDATE ON credit_exposures
WHEN OLD.state = 'committed' AND NEW.state NOT IN ('committed', 'released')
BEGIN SELECT RAISE(ABORT, 'a committed exposure can only be released'); END;
CREATE TRIGGER credit_exposures_no_delete BEFORE DELETE ON credit_exposures
BEGIN SELECT RAISE(ABORT, 'credit_exposures keeps every order'); END;

-- The machine of quotations (service/quotation_machine.rs), once more.
CREATE TRIGGER quotations_machine BEFORE UPDATE ON quotations
WHEN OLD.status <> NEW.status
    AND OLD.status || '>' || NEW.status NOT IN ('draft>sent', 'draft>cancelled', 'sent>accepted',
        'sent>rejected', 'sent>expired', 'sent>cancelled', 'accepted>converted')
BEGIN SELECT RAISE(ABORT, 'a quotation cannot go that way'); END;
CREATE TRIGGER quotations_terms_stand BEFORE UPDATE ON quotations
WHEN OLD.status <> 'draft' AND (OLD.number <> NEW.number
    OR OLD.customer_id <> NEW.customer_id OR OLD.warehouse_id <> NEW.warehouse_id
    OR OLD.quoted_on <> NEW.quoted_on OR OLD.valid_until <> NEW.valid_until
    OR OLD.currency <> NEW.currency OR OLD.prices_include_tax <> NEW.prices_include_tax
    OR OLD.rounding_mode <> NEW.rounding_mode OR OLD.net_minor <> NEW.net_minor
    OR OLD.tax_minor <> NEW.tax_minor OR OLD.total_minor <> NEW.total_minor)
BEGIN SELECT RAISE(ABORT, 'the terms of a quotation stand once it is sent'); END;
CREATE TRIGGER quotations_customer_stands BEFORE UPDATE ON quotations
WHEN OLD.status NOT IN ('draft', 'sent') AND OLD.customer <> NEW.customer
BEGIN SELECT RAISE(ABORT, 'the customer of a quotation stands once it is decided'); END;
CREATE TRIGGER quotations_order_stands BEFORE UPDATE ON quotations
WHEN OLD.order_id IS NOT NULL AND OLD.order_id <> NEW.order_id
BEGIN SELECT RAISE(ABORT, 'a quotation becomes one order'); END;
CREATE TRIGGER quotations_no_delete BEFORE DELETE ON quotations
BEGIN SELECT RAISE(ABORT, 'quotations are kept'); END;

CREATE TRIGGER quotation_lines_no_insert BEFORE INSERT ON quotation_lines
WHEN (SELECT status FROM quotations WHERE id = NEW.quotation_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'the lines of a quotation stand once it is sent'); END;
CREATE TRIGGER quotation_lines_no_update BEFORE UPDATE ON quotation_lines
WHEN (SELECT status FROM quotations WHERE id = OLD.quotation_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'the lines of a quotation stand once it is sent'); END;
CREATE TRIGGER quotation_lines_no_delete BEFORE DELETE ON quotation_lines
WHEN (SELECT status FROM quotations WHERE id = OLD.quotation_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'the lines of a quotation stand once it is sent'); END;
CREATE TRIGGER quotation_taxes_no_insert BEFORE INSERT ON quotation_taxes
WHEN (SELECT status FROM quotations WHERE id = NEW.quotation_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'the taxes of a quotation stand once it is sent'); END;
CREATE TRIGGER quotation_taxes_no_update BEFORE UPDATE ON quotation_taxes
WHEN (SELECT status FROM quotations WHERE id = OLD.quotation_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'the taxes of a quotation stand once it is sent'); END;
CREATE TRIGGER quotation_taxes_no_delete BEFORE DELETE ON quotation_taxes
WHEN (SELECT status FROM quotations WHERE id = OLD.quotation_id) <> 'draft'
BEGIN SELECT RAISE(ABORT, 'the taxes of a quotation stand once it is sent'); END;
