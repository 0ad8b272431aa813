-- The version that a decision about a gate compares and raises. Installation 0 is the whole service.
CREATE TABLE IF NOT EXISTS gate (
  installation BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (installation, name)
)
