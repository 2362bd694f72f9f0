-- A window of time is a range of trace numbers: traces of a minute lie close together, in the order in
-- which they were cut, and a search reads that part of trace_row alone.

CREATE TABLE trace_minute (
  minute INTEGER PRIMARY KEY,  -- of the traces' start, Unix minutes
  first_no INTEGER NOT NULL, last_no INTEGER NOT NULL
);
INSERT INTO trace_minute SELECT start_ns / 60000000000, min(trace_no), max(trace_no) FROM trace_row GROUP BY 1;
