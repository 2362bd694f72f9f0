-- What a sender tells of all metrics of a name, and what series of proxies tell of edges.

CREATE TABLE metric_family (
  name TEXT PRIMARY KEY,
  type INTEGER NOT NULL,             -- enum family_type
  unit TEXT NOT NULL, description TEXT NOT NULL,
  seen_s INTEGER NOT NULL            -- when it was told last, to the hour
) WITHOUT ROWID;

-- Two services of which series tell, without versions; 0 is an unknown part.
CREATE TABLE edge_pair (
  id INTEGER PRIMARY KEY,
  caller_service INTEGER NOT NULL, callee_service INTEGER NOT NULL,
  caller_namespace INTEGER NOT NULL, caller_cluster INTEGER NOT NULL,
  callee_namespace INTEGER NOT NULL, callee_cluster INTEGER NOT NULL,
  -- The last minute in which each teller was heard: the callee's proxy, the caller's, statistics of the caller's clusters.
  callee_minute INTEGER NOT NULL, caller_minute INTEGER NOT NULL, cluster_minute INTEGER NOT NULL,
  UNIQUE (caller_service, callee_service, caller_namespace, caller_cluster, callee_namespace, callee_cluster)
);
CREATE TABLE edge_told (
  id INTEGER PRIMARY KEY,
  pair INTEGER NOT NULL,
  caller INTEGER NOT NULL, callee INTEGER NOT NULL,   -- nodes
  connection_type INTEGER NOT NULL, protocol INTEGER NOT NULL, crossing INTEGER NOT NULL,
  teller INTEGER NOT NULL,                            -- enum series_teller
  unreached INTEGER NOT NULL,                         -- 1: calls that the caller's proxy answered itself
  bounds BLOB NOT NULL,                               -- all upper bounds ever told, as `buckets` below, without counts
  UNIQUE (caller, callee, connection_type, protocol, crossing, teller, unreached)
);
CREATE INDEX edge_told_of_pair ON edge_told (pair);
CREATE INDEX edge_of_via ON edge (via) WHERE via != 0; -- calls through a gateway: counters tell of the ways to it and from it
-- Rates of counters, whether they count in edge_minute or not: there a pair's rows stand only where no span tells of it.
CREATE TABLE edge_told_minute (
  minute INTEGER NOT NULL, told INTEGER NOT NULL,
  wide INTEGER NOT NULL,             -- between two samples of which 1: the first, 2: the second does not lie in this minute
  calls INTEGER NOT NULL, errors INTEGER NOT NULL, client_errors INTEGER NOT NULL,
  gone INTEGER NOT NULL,             -- calls whose client left
  timeouts INTEGER NOT NULL,         -- of the errors: the caller gave up
  retries INTEGER NOT NULL, duration_ns_sum INTEGER NOT NULL,
  plaintext INTEGER NOT NULL, tls INTEGER NOT NULL, mtls INTEGER NOT NULL,
  buckets BLOB NOT NULL,             -- upper bound in ns and how many calls took no longer, as pairs of eight bytes
  PRIMARY KEY (minute, told, wide)
) WITHOUT ROWID;
-- When the series of one name were scraped from one target: a series that was not among them began at 0.
CREATE TABLE edge_target (
  resource INTEGER NOT NULL, name TEXT NOT NULL,
  first_ns INTEGER NOT NULL, before_ns INTEGER NOT NULL, newest_ns INTEGER NOT NULL,
  PRIMARY KEY (resource, name)
) WITHOUT ROWID;

DROP VIEW metric_series;
CREATE VIEW metric_series AS SELECT
  s.id AS series_id, s.name AS name,
  CASE WHEN s.type > 1 OR coalesce(f.type, 0) = 0 THEN
    CASE s.type WHEN 0 THEN 'gauge' WHEN 1 THEN 'sum' WHEN 2 THEN 'histogram' WHEN 3 THEN 'exponential_histogram' ELSE 'summary' END
  WHEN f.type = 1 OR (f.type IN (3, 4, 5) AND f.name != s.name) THEN 'sum' ELSE 'gauge' END AS type,
  CASE s.unit WHEN '' THEN coalesce(f.unit, '') ELSE s.unit END AS unit,
  coalesce(r.json, '{}') AS resource, s.attributes AS attributes
FROM metric_series_row s LEFT JOIN metric_resource r ON r.id = s.resource
  LEFT JOIN metric_family f ON f.name = coalesce(
    (SELECT name FROM metric_family WHERE name = s.name),
    CASE WHEN s.name LIKE '%\_total' ESCAPE '\' OR s.name LIKE '%\_count' ESCAPE '\' THEN substr(s.name, 1, length(s.name) - 6)
      WHEN s.name LIKE '%\_bucket' ESCAPE '\' THEN substr(s.name, 1, length(s.name) - 7)
      WHEN s.name LIKE '%\_sum' ESCAPE '\' THEN substr(s.name, 1, length(s.name) - 4) END);

UPDATE help_row SET text = 'both callee_only caller_only link log request_id entry; of series: which proxies tell, the callee''s, the caller''s or both'
  WHERE view_name = 'edge_minute' AND column_name = 'known_by';
UPDATE help_row SET text = 'failures that began here; of series all, for they do not tell what was passed on'
  WHERE view_name = 'edge_minute' AND column_name = 'errors_origin';
UPDATE help_row SET text = 'calls of one caller to one callee in one minute of event time, by spans; where none tell of the two, by series of proxies'
  WHERE view_name = 'edge_minute' AND column_name = '';
