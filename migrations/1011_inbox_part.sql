-- The body of a delivery, in parts that fit a packet.
CREATE TABLE IF NOT EXISTS inbox_part (
  installation BIGINT NOT NULL,
  inbox BINARY(16) NOT NULL,
  part BIGINT NOT NULL,
  body LONGBLOB NOT NULL,
  PRIMARY KEY (installation, inbox, part)
)
