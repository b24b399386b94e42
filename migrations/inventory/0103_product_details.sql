-- Categories, variants, units, measures and a search of products.

CREATE TABLE categories (
    id         UUID PRIMARY KEY,
    code       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    -- Said once: a tree that cannot be bent cannot become a circle.
    parent_id  UUID REFERENCES categories (id),
    version    BIGINT NOT NULL CHECK (version > 0),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX categories_by_parent ON categories (parent_id, id);

-- What variants have in common, and in what they may differ: `attributes` is a JSON array of
-- {name, values}.
CREATE TABLE product_templates (
    id         UUID PRIMARY KEY,
    code       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    attributes TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

ALTER TABLE products ADD COLUMN category_id UUID REFERENCES categories (id);
ALTER TABLE products ADD COLUMN external_id TEXT;
ALTER TABLE products ADD COLUMN template_id UUID REFERENCES product_templates (id);
-- Which of the template's values it has: a JSON object, its keys in order.
ALTER TABLE products ADD COLUMN options TEXT;
ALTER TABLE products ADD COLUMN weight_g BIGINT CHECK (weight_g >= 0);
ALTER TABLE products ADD COLUMN length_mm BIGINT CHECK (length_mm >= 0);
ALTER TABLE products ADD COLUMN width_mm BIGINT CHECK (width_mm >= 0);
ALTER TABLE products ADD COLUMN height_mm BIGINT CHECK (height_mm >= 0);
-- Whether its words are in product_words; those of an older version are put there by a job.
ALTER TABLE products ADD COLUMN is_indexed BOOLEAN NOT NULL DEFAULT FALSE;
CREATE UNIQUE INDEX products_by_external_id ON products (external_id);
CREATE UNIQUE INDEX products_one_a_variant ON products (template_id, options)
    WHERE template_id IS NOT NULL;
CREATE INDEX products_by_template ON products (template_id, id);
CREATE INDEX products_by_category ON products (category_id, id);
CREATE INDEX products_to_index ON products (id) WHERE NOT is_indexed;

-- The words of SKU, name and barcodes. Bytes, because those are sorted alike everywhere,
-- which a search for what begins with them needs.
CREATE TABLE product_words (
    product_id UUID NOT NULL REFERENCES products (id),
    word       BYTEA NOT NULL,
    PRIMARY KEY (product_id, word)
);
CREATE INDEX product_words_by_word ON product_words (word, product_id);

-- Other units of a product: one of it is numerator / denominator of the product's own.
CREATE TABLE product_units (
    product_id  UUID NOT NULL REFERENCES products (id),
    code        TEXT NOT NULL,
    numerator   BIGINT NOT NULL CHECK (numerator BETWEEN 1 AND 1000000000),
    denominator BIGINT NOT NULL CHECK (denominator BETWEEN 1 AND 1000000000),
    barcode     TEXT UNIQUE,
    PRIMARY KEY (product_id, code)
);
