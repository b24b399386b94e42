-- An account's balance is kept in parts, so that postings to one account at the same time
-- need not wait for each other. What was carried before stays in account_balances.
CREATE TABLE account_balance_parts (
    account      TEXT NOT NULL REFERENCES accounts (code),
    part         BIGINT NOT NULL CHECK (part BETWEEN 0 AND 15),
    debit_minor  BIGINT NOT NULL CHECK (debit_minor BETWEEN 0 AND 4000000000000000000),
    credit_minor BIGINT NOT NULL CHECK (credit_minor BETWEEN 0 AND 4000000000000000000),
    PRIMARY KEY (account, part)
);

CREATE VIEW account_totals AS
    SELECT account, CAST(SUM(debit_minor) AS BIGINT) AS debit_minor,
        CAST(SUM(credit_minor) AS BIGINT) AS credit_minor
    FROM (SELECT account, debit_minor, credit_minor FROM account_balances
          UNION ALL SELECT account, debit_minor, credit_minor FROM account_balance_parts) AS b
    GROUP BY account;
