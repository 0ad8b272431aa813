-- Who asks a gate. scope is the installation of the gate, 0 for the whole service.
CREATE TABLE IF NOT EXISTS gate_wait (
  installation BIGINT NOT NULL,
  scope BIGINT NOT NULL,
  gate VARCHAR(255) NOT NULL,
  holder VARCHAR(255) NOT NULL,
  run BINARY(16) NOT NULL,
  repo BIGINT NOT NULL,
  priority BIGINT NOT NULL,
  asked_at BIGINT NOT NULL,
  source_at BIGINT NOT NULL,
  PRIMARY KEY (installation, scope, gate, holder)
)
