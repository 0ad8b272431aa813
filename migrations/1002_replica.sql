-- One row per started process. A silent one gives its work back.
CREATE TABLE IF NOT EXISTS replica (
  incarnation BINARY(16) NOT NULL,
  name VARCHAR(255) NOT NULL,
  started_at BIGINT NOT NULL,
  beat_at BIGINT NOT NULL,
  PRIMARY KEY (incarnation)
)
