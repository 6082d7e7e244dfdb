-- Keys, triggers and the materialised view, after the rows: many times faster.

ALTER TABLE customers ADD UNIQUE (email);
ALTER TABLE vehicles ADD UNIQUE (plate);
ALTER TABLE vehicles ADD FOREIGN KEY (class_code) REFERENCES vehicle_classes (code);
CREATE INDEX reservations_customer ON reservations (customer_id);
CREATE INDEX reservations_vehicle ON reservations (vehicle_id, starts_on);
ALTER TABLE reservations
    ADD FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE,
    ADD FOREIGN KEY (vehicle_id) REFERENCES vehicles (id) ON DELETE CASCADE;
ALTER TABLE payments ADD PRIMARY KEY (id, paid_on);
CREATE INDEX payments_reservation ON payments (reservation_id);
ALTER TABLE payments ADD FOREIGN KEY (reservation_id) REFERENCES reservations (id) ON DELETE CASCADE;

CREATE TRIGGER reservations_touch BEFORE UPDATE ON reservations
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER reservations_audit AFTER UPDATE OR DELETE ON reservations
    FOR EACH ROW EXECUTE FUNCTION audit_change();
CREATE TRIGGER payments_audit AFTER INSERT OR UPDATE OR DELETE ON payments
    FOR EACH ROW EXECUTE FUNCTION audit_change();

CREATE MATERIALIZED VIEW monthly_revenue AS
    SELECT date_trunc('month', paid_on)::date AS month, method, count(*) AS payments, sum(amount) AS revenue
    FROM payments
    GROUP BY 1, 2;
CREATE UNIQUE INDEX monthly_revenue_key ON monthly_revenue (month, method);

COMMENT ON TABLE customers IS 'who rents';
COMMENT ON COLUMN reservations.total IS 'what the whole rental costs, in euro';
