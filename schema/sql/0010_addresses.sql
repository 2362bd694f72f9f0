-- Who is at which address, as spans said of themselves: what names callees and callers that a trace gives by address alone.
CREATE TABLE address (
  address TEXT NOT NULL, service TEXT NOT NULL,
  cluster TEXT NOT NULL, namespace TEXT NOT NULL, version TEXT NOT NULL,  -- '' is not known
  seen_minute INTEGER NOT NULL,  -- of receipt, Unix minutes; may lag by ten
  PRIMARY KEY (address, service)
) WITHOUT ROWID;

UPDATE help_row SET text = 'the call out that began a trace of its own; '''' when only the service is known'
  WHERE view_name = 'propagation_gap' AND column_name = 'operation';
