-- store.keep: how far the traces were looked at whose spans need not stay. Of trace_row.bits, 16 marks a trace that
-- showed something new about an edge.

ALTER TABLE position ADD COLUMN kept_to INTEGER NOT NULL DEFAULT 0;
