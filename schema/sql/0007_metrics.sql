-- Metrics: series and their points; log records of traces, which stand with their spans.
--
-- Points lie in generations by when they were stored: what comes is written at the right edge, retention takes whole generations
-- from the left. A series' newest time tells whether a point can have been stored before.

CREATE TABLE metric_resource (id INTEGER PRIMARY KEY, json TEXT NOT NULL UNIQUE); -- a JSON object
CREATE TABLE metric_series_row (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL, type INTEGER NOT NULL, unit TEXT NOT NULL,
  temporality INTEGER NOT NULL, -- 1 from point to point (delta), 2 since the beginning (cumulative), 0 not said
  monotonic INTEGER NOT NULL,
  scope TEXT NOT NULL, resource INTEGER NOT NULL, attributes TEXT NOT NULL,
  description TEXT NOT NULL,
  overflow INTEGER NOT NULL,        -- 1: takes the points of what came when there were too many series
  last_generation INTEGER NOT NULL, -- newest that has points of it
  last_ns INTEGER NOT NULL,         -- newest time in the generations before that; -1: none
  UNIQUE (name, attributes, resource, scope, type, unit, temporality, monotonic)
);
CREATE TABLE metric_generation (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- never one that was there before: series name theirs
  begun_s INTEGER NOT NULL, bytes INTEGER NOT NULL
);
CREATE TABLE metric_point_row (
  generation INTEGER NOT NULL, series INTEGER NOT NULL, at_ns INTEGER NOT NULL,
  part INTEGER NOT NULL,            -- of an overflow: which series it came from; else 0
  value, count INTEGER, sum REAL, histogram BLOB,
  PRIMARY KEY (generation, series, at_ns, part)
) WITHOUT ROWID;

CREATE TABLE log_row (
  id INTEGER PRIMARY KEY,
  stored_s INTEGER NOT NULL,
  trace_id BLOB NOT NULL, span_id INTEGER NOT NULL, -- 0: of the trace, shown with its spans without a parent
  at_ns INTEGER NOT NULL, hash INTEGER NOT NULL,    -- of the content: a record that is sent again is the same
  json TEXT NOT NULL                                -- empty: beyond limit.events
);
CREATE UNIQUE INDEX log_of_span ON log_row (trace_id, span_id, at_ns, hash);
CREATE TABLE log_limit (n INTEGER NOT NULL);        -- limit.events; written by every start
INSERT INTO log_limit VALUES (128);

DROP VIEW span;
DROP VIEW span_numbered;
CREATE VIEW span_numbered AS SELECT
  s.trace_no AS trace_no, s.i AS i, s.bits AS bits,
  lower(hex(t.id)) AS trace_id,
  printf('%016x', s.span_id) AS span_id,
  CASE s.parent_id WHEN 0 THEN '' ELSE printf('%016x', s.parent_id) END AS parent_span_id,
  nc.text AS cluster, nn.text AS namespace, ns.text AS service, nv.text AS version,
  ni.text AS instance, wr.text AS role,
  coalesce(s.name, no.text) AS operation, wk.text AS kind,
  CASE WHEN s.bits & 65536 THEN 0 ELSE t.start_ns END + s.start_offset AS start_ns,
  strftime('%Y-%m-%dT%H:%M:%S', (CASE WHEN s.bits & 65536 THEN 0 ELSE t.start_ns END + s.start_offset) / 1000000000, 'unixepoch')
    || printf('.%09dZ', (CASE WHEN s.bits & 65536 THEN 0 ELSE t.start_ns END + s.start_offset) % 1000000000) AS start_time,
  s.duration_ns AS duration_ns,
  s.duration_ns - s.covered_ns AS self_ns,
  CASE s.bits & 3 WHEN 0 THEN 'unset' WHEN 1 THEN 'ok' ELSE 'error' END AS status,
  coalesce(s.message, '') AS status_message,
  s.http_status AS http_status, s.grpc_status AS grpc_status, nf.text AS response_flags,
  wf.text AS fault, np.text AS peer, wfo.text AS format,
  '{' || coalesce(r.json, '') || '}' AS resource,
  '{' || coalesce(a.json, '') || CASE WHEN length(coalesce(a.json, '')) AND s.own IS NOT NULL THEN ',' ELSE '' END
    || coalesce(s.own, '') || '}' AS attributes,
  CASE WHEN NOT EXISTS (SELECT 1 FROM log_row l WHERE l.trace_id = t.id AND l.span_id IN (s.span_id, CASE s.parent_id WHEN 0 THEN 0 ELSE s.span_id END) AND l.json != '')
    THEN coalesce(s.events, '[]')
    ELSE coalesce(substr(s.events, 1, length(s.events) - 1), '[') || coalesce((
      SELECT CASE WHEN s.events IS NULL THEN '' ELSE ',' END || group_concat(x.json, ',') FROM (
        SELECT l.json AS json, row_number() OVER (ORDER BY l.at_ns, l.id) AS k FROM log_row l
        WHERE l.trace_id = t.id AND l.span_id IN (s.span_id, CASE s.parent_id WHEN 0 THEN 0 ELSE s.span_id END) AND l.json != '') x
      WHERE x.k <= (SELECT n FROM log_limit) - json_array_length(coalesce(s.events, '[]'))), '') || ']'
  END AS events,
  coalesce(s.links, '[]') AS links
FROM span_row s
  JOIN trace_row t ON t.trace_no = s.trace_no
  JOIN shape h ON h.id = s.shape
  JOIN node d ON d.id = s.node
  JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace
  JOIN name ns ON ns.id = d.service JOIN name nv ON nv.id = d.version
  JOIN name ni ON ni.id = h.instance JOIN name no ON no.id = h.operation
  JOIN name nf ON nf.id = s.flags_text
  JOIN node dp ON dp.id = s.peer JOIN name np ON np.id = dp.service
  JOIN word wr ON wr.list = 'role' AND wr.number = d.role
  JOIN word wk ON wk.list = 'kind' AND wk.number = h.kind
  JOIN word wf ON wf.list = 'fault' AND wf.number = (s.bits >> 2) & 7
  JOIN word wfo ON wfo.list = 'format' AND wfo.number = h.format
  LEFT JOIN resource r ON r.id = h.resource
  LEFT JOIN attribute_set a ON a.id = s.attribute_set;

CREATE VIEW span AS SELECT
  trace_id, span_id, parent_span_id, cluster, namespace, service, version, instance, role, operation, kind,
  start_ns, start_time, duration_ns, self_ns, status, status_message, http_status, grpc_status, response_flags,
  fault, peer, format, resource, attributes, events, links
FROM span_numbered;


CREATE VIEW metric_series AS SELECT
  s.id AS series_id, s.name AS name,
  CASE s.type WHEN 0 THEN 'gauge' WHEN 1 THEN 'sum' WHEN 2 THEN 'histogram' WHEN 3 THEN 'exponential_histogram' ELSE 'summary' END AS type,
  s.unit AS unit, coalesce(r.json, '{}') AS resource, s.attributes AS attributes
FROM metric_series_row s LEFT JOIN metric_resource r ON r.id = s.resource;
-- CROSS JOIN: for a series, each generation is looked into by its key.
CREATE VIEW metric_point AS SELECT
  p.series AS series_id, p.at_ns AS at_ns,
  strftime('%Y-%m-%dT%H:%M:%S', p.at_ns / 1000000000, 'unixepoch') || printf('.%09dZ', p.at_ns % 1000000000) AS at,
  p.value AS value, p.count AS count, p.sum AS sum, p.histogram AS histogram
FROM metric_generation g CROSS JOIN metric_point_row p ON p.generation = g.id;

INSERT INTO help_row (view_name, column_name, text) VALUES
  ('metric_series', '', 'a metric of one sender with one set of attributes'),
  ('metric_series', 'series_id', 'its number'),
  ('metric_series', 'name', 'of the metric'),
  ('metric_series', 'type', 'gauge sum histogram exponential_histogram summary'),
  ('metric_series', 'unit', 'as the sender names it'),
  ('metric_series', 'resource', 'resource attributes, JSON'),
  ('metric_series', 'attributes', 'attributes of its points, JSON; faultline.overflow: of series beyond the bound'),
  ('metric_point', '', 'a point of a series; the same series and time come once'),
  ('metric_point', 'series_id', 'metric_series.series_id'),
  ('metric_point', 'at_ns', 'time of the point, Unix time, ns'),
  ('metric_point', 'at', 'the same as text'),
  ('metric_point', 'value', 'of a gauge or a sum; NULL for others and where nothing was recorded'),
  ('metric_point', 'count', 'of a histogram or a summary: how many values; NULL for others'),
  ('metric_point', 'sum', 'of a histogram or a summary: their sum in the unit; NULL when not said'),
  ('metric_point', 'histogram', 'blob for histogram_quantile(): in ns where the unit is a time, else in the unit; NULL without buckets');
