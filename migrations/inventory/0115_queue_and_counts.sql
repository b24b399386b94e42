-- The first hold the line of an order had: broken and filled again, it is as old as it was. None:
-- this is the first.
ALTER TABLE reservations ADD COLUMN first_id UUID;
ALTER TABLE backorders ADD COLUMN first_id UUID;
