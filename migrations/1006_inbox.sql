-- Deliveries as GitHub sent them. pending is 1 until one is done or parked, then NULL, so that history leaves the index.
CREATE TABLE IF NOT EXISTS inbox (
  installation BIGINT NOT NULL,
  id BINARY(16) NOT NULL,
  app BIGINT NOT NULL,
  guid VARCHAR(64) NOT NULL,
  tag BINARY(32) NOT NULL,
  event VARCHAR(64) NOT NULL,
  action VARCHAR(64) NULL,
  repo BIGINT NOT NULL,
  lane VARCHAR(255) NOT NULL,
  received_at BIGINT NOT NULL,
  pending BIGINT NULL,
  tries BIGINT NOT NULL,
  done_at BIGINT NULL,
  parked_at BIGINT NULL,
  outcome VARCHAR(500) NULL,
  data_key VARBINARY(100) NOT NULL,
  parts BIGINT NOT NULL,
  PRIMARY KEY (installation, id),
  UNIQUE (app, guid),
  UNIQUE (app, tag)
)
