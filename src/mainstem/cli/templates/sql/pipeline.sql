-- Orders and customers: what was paid, by day and country.
CREATE PIPELINE orders;

CREATE SOURCE orders (
    order_id bigint not null, customer string not null, ordered_at timestamp not null,
    amount decimal(12,2), status string not null
) FROM files('data/orders.csv');

CREATE SOURCE customers (customer string not null, country string not null)
FROM files('data/customers.jsonl', format => 'json');

CREATE PARAM status string DEFAULT 'paid';

-- Orders that count; another status with `mainstem run --param status=open`.
CREATE VIEW paid AS
SELECT customer, CAST(ordered_at AS date) AS day, amount
FROM orders
WHERE status = :status;

-- One row for each day and country, in that order.
CREATE TABLE by_country INTO files('out/by_country.csv') AS
SELECT o.day, c.country, count(*) AS orders, sum(o.amount) AS total
FROM paid o JOIN customers c ON c.customer = o.customer
GROUP BY o.day, c.country
ORDER BY o.day, c.country;

-- Customers and what they paid; no sink, so it is kept for `mainstem query`.
CREATE TABLE best AS
SELECT customer, sum(amount) AS total FROM paid GROUP BY customer;
