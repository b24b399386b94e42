-- Kits: products that are made of others. A kit is in no warehouse; what is reserved,
-- picked, issued and taken back is its parts.

ALTER TABLE products ADD COLUMN is_kit BOOLEAN NOT NULL DEFAULT FALSE
    CHECK (NOT is_kit OR (tracking = 'none' AND unit_decimals = 0));

CREATE TABLE kit_components (
    kit_id     UUID NOT NULL REFERENCES products (id),
    product_id UUID NOT NULL REFERENCES products (id),
    -- Of it in one kit.
    quantity   BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (kit_id, product_id),
    CHECK (kit_id <> product_id)
);
CREATE INDEX kit_components_by_product ON kit_components (product_id);

-- Order lines for kits. `reserved` is how many kits the order was told are reserved: as many
-- as the reservations of the parts make whole.
CREATE TABLE kit_lines (
    order_line_id UUID PRIMARY KEY,
    order_id      UUID NOT NULL,
    kit_id        UUID NOT NULL REFERENCES products (id),
    reserved      BIGINT NOT NULL CHECK (reserved >= 0 AND reserved % 1000000 = 0),
    UNIQUE (order_line_id, kit_id)
);
CREATE INDEX kit_lines_by_kit ON kit_lines (kit_id);

-- What an order line was made into when it was first reserved; it stays so, whatever the kit
-- is made of later. The id is the order line under which reservations, backorders, picking
-- lines and moves of the part are kept.
CREATE TABLE kit_parts (
    id            UUID PRIMARY KEY,
    order_line_id UUID NOT NULL,
    kit_id        UUID NOT NULL,
    product_id    UUID NOT NULL REFERENCES products (id),
    per_kit       BIGINT NOT NULL CHECK (per_kit > 0),
    UNIQUE (order_line_id, product_id),
    FOREIGN KEY (order_line_id, kit_id) REFERENCES kit_lines (order_line_id, kit_id)
);

-- The order line and the kit that a part is held for.
ALTER TABLE reservations ADD COLUMN kit_line_id UUID REFERENCES kit_lines (order_line_id);
ALTER TABLE reservations ADD COLUMN kit_id UUID REFERENCES products (id)
    CHECK ((kit_id IS NULL) = (kit_line_id IS NULL));
ALTER TABLE backorders ADD COLUMN kit_line_id UUID REFERENCES kit_lines (order_line_id);
ALTER TABLE backorders ADD COLUMN kit_id UUID REFERENCES products (id)
    CHECK ((kit_id IS NULL) = (kit_line_id IS NULL));
ALTER TABLE picking_lines ADD COLUMN kit_line_id UUID REFERENCES kit_lines (order_line_id);
ALTER TABLE picking_lines ADD COLUMN kit_id UUID REFERENCES products (id)
    CHECK ((kit_id IS NULL) = (kit_line_id IS NULL));

-- A kit is made of what is stocked, is not stocked itself, and stays a kit.
CREATE TRIGGER kit_components_of_kits BEFORE INSERT ON kit_components
WHEN NOT EXISTS (SELECT 1 FROM products p WHERE p.id = NEW.kit_id AND p.is_kit)
BEGIN SELECT RAISE(ABORT, 'only a kit has components'); END;
CREATE TRIGGER kit_components_no_kits BEFORE INSERT ON kit_components
WHEN EXISTS (SELECT 1 FROM products p WHERE p.id = NEW.product_id AND p.is_kit)
BEGIN SELECT RAISE(ABORT, 'a kit is no component'); END;
CREATE TRIGGER kit_components_no_update BEFORE UPDATE ON kit_components
BEGIN SELECT RAISE(ABORT, 'components are replaced'); END;
CREATE TRIGGER products_become_kits BEFORE UPDATE OF is_kit ON products
WHEN NEW.is_kit AND NOT OLD.is_kit
BEGIN
    SELECT RAISE(ABORT, 'a component is no kit')
    WHERE EXISTS (SELECT 1 FROM kit_components c WHERE c.product_id = NEW.id);
    SELECT RAISE(ABORT, 'a kit has no stock')
    WHERE EXISTS (SELECT 1 FROM stock_levels s WHERE s.product_id = NEW.id);
END;
CREATE TRIGGER products_stay_kits BEFORE UPDATE OF is_kit ON products
WHEN OLD.is_kit AND NOT NEW.is_kit
BEGIN SELECT RAISE(ABORT, 'a kit stays a kit'); END;
CREATE TRIGGER stock_levels_of_no_kit BEFORE INSERT ON stock_levels
WHEN EXISTS (SELECT 1 FROM products p WHERE p.id = NEW.product_id AND p.is_kit)
BEGIN SELECT RAISE(ABORT, 'a kit has no stock'); END;
CREATE TRIGGER kit_lines_stay BEFORE UPDATE ON kit_lines
WHEN NEW.order_line_id <> OLD.order_line_id OR NEW.order_id <> OLD.order_id
    OR NEW.kit_id <> OLD.kit_id
BEGIN SELECT RAISE(ABORT, 'a line stays for its kit'); END;
CREATE TRIGGER kit_lines_no_delete BEFORE DELETE ON kit_lines
BEGIN SELECT RAISE(ABORT, 'kit lines are kept'); END;
CREATE TRIGGER kit_parts_no_update BEFORE UPDATE ON kit_parts
BEGIN SELECT RAISE(ABORT, 'kit parts stay'); END;
CREATE TRIGGER kit_parts_no_delete BEFORE DELETE ON kit_parts
BEGIN SELECT RAISE(ABORT, 'kit parts are kept'); END;
