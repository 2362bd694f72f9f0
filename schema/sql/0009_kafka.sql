-- How far each Kafka partition is in the ledger; committed with what its messages brought.

CREATE TABLE kafka_position (
  topic INTEGER NOT NULL,        -- FNV-1a of its name, 64 bits
  partition INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
