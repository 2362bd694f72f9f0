-- trace_row.bits has 32 of a part of a trace of which an older one could not be opened again (stitch.reopen_window).

-- Whom proxies served that do not say what they are: what tells a gateway from a sidecar. Minutes are of receipt, Unix minutes,
-- and may lag by ten; 0 is never.
CREATE TABLE proxy (
  service TEXT NOT NULL, namespace TEXT NOT NULL, cluster TEXT NOT NULL,  -- '' is not known
  itself_minute INTEGER NOT NULL,  -- its own application: a sidecar's mark
  others_minute INTEGER NOT NULL,  -- others: a gateway's
  other TEXT NOT NULL,             -- one of those
  PRIMARY KEY (service, namespace, cluster)
) WITHOUT ROWID;
