-- Searching for failed traces reads failed traces only.
CREATE INDEX trace_failed ON trace_row (trace_no) WHERE bits & 1;
