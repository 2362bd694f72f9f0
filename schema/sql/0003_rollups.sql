-- Roll-ups of the localiser: counters a minute, by who did it (collector/model/rollup.h says what each channel counts).
CREATE TABLE tally_key (
  id INTEGER PRIMARY KEY,
  channel INTEGER NOT NULL, what INTEGER NOT NULL,
  node INTEGER NOT NULL, peer INTEGER NOT NULL, name INTEGER NOT NULL, detail INTEGER NOT NULL,
  UNIQUE (node, peer, name, detail, channel, what)
);
CREATE TABLE tally_row (
  minute INTEGER NOT NULL, tally INTEGER NOT NULL,
  n INTEGER NOT NULL, bad INTEGER NOT NULL,
  client_errors INTEGER NOT NULL, origins INTEGER NOT NULL, retries INTEGER NOT NULL, recovered INTEGER NOT NULL,
  sum_ns INTEGER NOT NULL, histogram BLOB NOT NULL,
  PRIMARY KEY (minute, tally)
) WITHOUT ROWID;

-- When rows of a minute were last written: what age counts from. A row a minute, so that looking for old ones reads little.
CREATE TABLE minute_age (
  minute INTEGER PRIMARY KEY,
  touched_s INTEGER NOT NULL,
  tallies INTEGER NOT NULL -- 1 while tally_row may have rows of this minute
);
INSERT INTO minute_age
  SELECT minute, max(touched_s), 0 FROM
    (SELECT minute, touched_s FROM edge_minute_row UNION ALL SELECT minute, touched_s FROM operation_minute_row)
  GROUP BY minute;
