-- Who holds a gate. A row, no heartbeat: it goes with the event that ends the holder.
CREATE TABLE IF NOT EXISTS gate_ticket (
  scope BIGINT NOT NULL,
  gate VARCHAR(255) NOT NULL,
  holder VARCHAR(255) NOT NULL,
  kind VARCHAR(16) NOT NULL,
  installation BIGINT NOT NULL,
  run BINARY(16) NOT NULL,
  granted_at BIGINT NOT NULL,
  PRIMARY KEY (scope, gate, holder)
)
