-- Whether somebody is a supplier is asked when money is sent on account.
CREATE INDEX purchase_orders_by_supplier ON purchase_orders (supplier_id);
