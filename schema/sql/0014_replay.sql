-- A replay that was interrupted, so that the same command can go on with it: its files stand for the inbox. One row at most.
CREATE TABLE replay_row (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  files INTEGER NOT NULL,       -- what was replayed and how, as a number
  first_seq INTEGER NOT NULL,   -- number of the body that was its first piece
  received_ns INTEGER NOT NULL, -- when it began: time of receipt of all its bodies
  shift_ns INTEGER NOT NULL     -- what --shift added to all times
);
