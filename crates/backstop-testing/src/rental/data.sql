-- Rows from a seed: the same seed gives the same bytes, on every version.

-- A number from 0 to n - 1 that depends on the row, on what it is for, and on the seed.
CREATE FUNCTION pg_temp.pick(i bigint, purpose bigint, n bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN (hashint8extended(i, :seed::bigint * 64 + purpose) & 9223372036854775807) % n;

INSERT INTO vehicle_classes (code, title, daily_rate, seats) VALUES
    ('mini', 'City car', 29.90, 4),
    ('compact', 'Compact', 39.90, 5),
    ('estate', 'Estate', 54.50, 5),
    ('van', 'Van, nine seats', 89.00, 9),
    ('truck', 'Light truck', 99.00, 3),
    ('electric', 'Electric car', 64.00, 5);

INSERT INTO customers (id, name, email, phone, city, loyalty, born_on, created_at)
SELECT i,
       (ARRAY['Ada', 'Björn', 'Chidi', 'Dana', 'Emeka', 'Freya', 'Goran', 'Hana', 'Ivo', 'José', 'Kaori', 'Lena'])
           [1 + pg_temp.pick(i, 1, 12)] || ' ' ||
       (ARRAY['Almeida', 'Berg', 'Costa', 'Dvořák', 'Eriksen', 'Fischer', 'García', 'Horvat', 'Ito', 'Janssen', 'O''Neill'])
           [1 + pg_temp.pick(i, 2, 11)],
       'customer' || i || '@example.com',
       CASE WHEN pg_temp.pick(i, 3, 8) > 0 THEN '+49 30 ' || lpad(pg_temp.pick(i, 4, 10000000)::text, 7, '0') END,
       (ARRAY['Berlin', 'Lisbon', 'Oslo', 'Prague', 'Turin', 'Kraków', 'Porto'])[1 + pg_temp.pick(i, 5, 7)],
       pg_temp.pick(i, 6, 6),
       date '1950-01-01' + pg_temp.pick(i, 7, 20000)::int,
       timestamptz '2024-01-01 08:00:00+00' + pg_temp.pick(i, 8, 31536000) * interval '1 second'
FROM generate_series(1, 20000) AS i;

INSERT INTO vehicles (id, plate, class_code, mileage, status, features, tags, bought_on)
SELECT i,
       'B-' || chr(65 + pg_temp.pick(i, 11, 26)::int) || chr(65 + pg_temp.pick(i, 12, 26)::int) || ' ' || i,
       (ARRAY['mini', 'compact', 'estate', 'van', 'truck', 'electric'])[1 + pg_temp.pick(i, 13, 6)],
       pg_temp.pick(i, 14, 180000),
       (ARRAY['available', 'available', 'available', 'rented', 'workshop', 'sold'])[1 + pg_temp.pick(i, 15, 6)]::vehicle_status,
       jsonb_build_object('doors', 3 + pg_temp.pick(i, 16, 3), 'automatic', pg_temp.pick(i, 17, 2) = 1),
       CASE pg_temp.pick(i, 18, 3) WHEN 0 THEN ARRAY['winter tyres'] WHEN 1 THEN ARRAY['tow bar', 'child seat'] ELSE '{}' END,
       date '2019-01-01' + pg_temp.pick(i, 19, 2200)::int
FROM generate_series(1, 2400) AS i;

INSERT INTO reservations (id, customer_id, vehicle_id, starts_on, ends_on, status, total, updated_at)
SELECT i, 1 + pg_temp.pick(i, 21, 20000), 1 + pg_temp.pick(i, 22, 2400), starts_on, starts_on + days,
       (ARRAY['booked', 'active', 'returned', 'returned', 'returned', 'cancelled'])[1 + pg_temp.pick(i, 24, 6)]::reservation_status,
       (days + 1) * (30 + pg_temp.pick(i, 25, 90)) + 0.50,
       starts_on::timestamp AT TIME ZONE 'UTC'
FROM (
    SELECT i, date '2025-01-01' + pg_temp.pick(i, 23, 470)::int AS starts_on, pg_temp.pick(i, 26, 14)::int AS days
    FROM generate_series(1, 80000) AS i
) AS r;

-- One payment for each reservation, and a second for three in eight.
INSERT INTO payments (id, reservation_id, paid_on, amount, method)
SELECT row_number() OVER (ORDER BY r.id, part), r.id, r.starts_on + part,
       round(r.total / 2, 2),
       (ARRAY['card', 'card', 'transfer', 'cash'])[1 + pg_temp.pick(r.id * 2 + part, 31, 4)]
FROM reservations r
CROSS JOIN generate_series(0, 1) AS part
WHERE part = 0 OR r.id % 8 < 3;

INSERT INTO notes (id, body, n)
SELECT i, 'note ' || i, pg_temp.pick(i, 41, 100) FROM generate_series(1, 10) AS i;
