-- A rental company: who rents what, when, and what was paid.

CREATE TYPE vehicle_status AS ENUM ('available', 'rented', 'workshop', 'sold');
CREATE TYPE reservation_status AS ENUM ('booked', 'active', 'returned', 'cancelled');
CREATE DOMAIN money_amount AS numeric(10, 2) CHECK (VALUE >= 0);

CREATE TABLE customers (
    id          bigint PRIMARY KEY,
    name        text NOT NULL,
    email       text NOT NULL,
    phone       text,
    city        text NOT NULL,
    loyalty     smallint NOT NULL DEFAULT 0 CHECK (loyalty BETWEEN 0 AND 5),
    born_on     date NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE TABLE vehicle_classes (
    code        text PRIMARY KEY,
    title       text NOT NULL,
    daily_rate  money_amount NOT NULL,
    seats       smallint NOT NULL
);

CREATE TABLE vehicles (
    id          bigint PRIMARY KEY,
    plate       text NOT NULL,
    class_code  text NOT NULL,
    mileage     integer NOT NULL CHECK (mileage >= 0),
    status      vehicle_status NOT NULL DEFAULT 'available',
    features    jsonb NOT NULL DEFAULT '{}',
    tags        text[] NOT NULL DEFAULT '{}',
    bought_on   date NOT NULL
);

CREATE TABLE reservations (
    id          bigint PRIMARY KEY,
    customer_id bigint NOT NULL,
    vehicle_id  bigint NOT NULL,
    starts_on   date NOT NULL,
    ends_on     date NOT NULL,
    status      reservation_status NOT NULL DEFAULT 'booked',
    total       money_amount NOT NULL,
    updated_at  timestamptz NOT NULL,
    CHECK (ends_on >= starts_on)
);

CREATE TABLE payments (
    id             bigint NOT NULL,
    reservation_id bigint NOT NULL,
    paid_on        date NOT NULL,
    amount         money_amount NOT NULL,
    method         text NOT NULL CHECK (method IN ('card', 'transfer', 'cash'))
) PARTITION BY RANGE (paid_on);

CREATE TABLE payments_2025_q1 PARTITION OF payments FOR VALUES FROM ('2025-01-01') TO ('2025-04-01');
CREATE TABLE payments_2025_q2 PARTITION OF payments FOR VALUES FROM ('2025-04-01') TO ('2025-07-01');
CREATE TABLE payments_2025_q3 PARTITION OF payments FOR VALUES FROM ('2025-07-01') TO ('2025-10-01');
CREATE TABLE payments_2025_q4 PARTITION OF payments FOR VALUES FROM ('2025-10-01') TO ('2026-01-01');
CREATE TABLE payments_2026_01 PARTITION OF payments FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE payments_2026_02 PARTITION OF payments FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE payments_2026_03 PARTITION OF payments FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TABLE payments_2026_04 PARTITION OF payments FOR VALUES FROM ('2026-04-01') TO ('2026-05-01');
CREATE TABLE payments_rest PARTITION OF payments DEFAULT;

-- Who changed a reservation or a payment, and what it was before.
CREATE TABLE rental_audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name  text NOT NULL,
    verb        text NOT NULL,
    row_id      bigint NOT NULL,
    before      jsonb,
    after       jsonb,
    changed_by  text NOT NULL DEFAULT current_user,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

-- Scratch space, without triggers or foreign keys.
CREATE TABLE notes (
    id    integer PRIMARY KEY,
    body  text,
    n     integer
);

CREATE VIEW open_reservations AS
    SELECT r.id, c.name AS customer, v.plate, r.starts_on, r.ends_on
    FROM reservations r
    JOIN customers c ON c.id = r.customer_id
    JOIN vehicles v ON v.id = r.vehicle_id
    WHERE r.status IN ('booked', 'active');

CREATE FUNCTION paid_for(reservation bigint) RETURNS numeric
    LANGUAGE sql STABLE
    AS $$ SELECT coalesce(sum(amount), 0) FROM payments WHERE reservation_id = reservation $$;

-- With the rights of whoever owns the tables: an agent that may touch a
-- reservation need not be able to write the audit.
CREATE FUNCTION audit_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
BEGIN
    INSERT INTO rental_audit (table_name, verb, row_id, before, after, changed_by)
    VALUES (TG_TABLE_NAME, lower(TG_OP),
            CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END,
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END,
            session_user);
    RETURN NULL;
END $$;

CREATE FUNCTION touch_updated_at() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
