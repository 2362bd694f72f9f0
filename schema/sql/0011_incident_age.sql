-- How old an incident is counts from when its row was written, not from its own time: a replay's incidents are of long ago.

ALTER TABLE incident_row ADD COLUMN touched_s INTEGER NOT NULL DEFAULT 0;
UPDATE incident_row SET touched_s = CAST(strftime('%s', 'now') AS INTEGER);
