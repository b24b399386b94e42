-- Where a role counts, if not everywhere. Which warehouses there are is inventory's business.
CREATE TABLE role_warehouses (
    role_id      UUID NOT NULL REFERENCES roles (id),
    warehouse_id UUID NOT NULL,
    PRIMARY KEY (role_id, warehouse_id)
);
