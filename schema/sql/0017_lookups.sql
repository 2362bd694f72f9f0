-- Names are looked up where a column is asked for. As joins they were a dozen tables to the planner, which knows no sizes: it began
-- with a small one and read all spans again for each of its rows, so that counting spans by service had no end.
-- CROSS JOIN: from the row to what it names, in that order.

DROP VIEW span_numbered;
CREATE VIEW span_numbered AS SELECT
  s.trace_no AS trace_no, s.i AS i, s.bits AS bits,
  lower(hex(t.id)) AS trace_id,
  printf('%016x', s.span_id) AS span_id,
  CASE s.parent_id WHEN 0 THEN '' ELSE printf('%016x', s.parent_id) END AS parent_span_id,
  (SELECT text FROM name WHERE id = (SELECT cluster FROM node WHERE id = s.node)) AS cluster,
  (SELECT text FROM name WHERE id = (SELECT namespace FROM node WHERE id = s.node)) AS namespace,
  (SELECT text FROM name WHERE id = (SELECT service FROM node WHERE id = s.node)) AS service,
  (SELECT text FROM name WHERE id = (SELECT version FROM node WHERE id = s.node)) AS version,
  (SELECT text FROM name WHERE id = (SELECT instance FROM shape WHERE id = s.shape)) AS instance,
  (SELECT text FROM word WHERE list = 'role' AND number = (SELECT role FROM node WHERE id = s.node)) AS role,
  coalesce(s.name, (SELECT text FROM name WHERE id = (SELECT operation FROM shape WHERE id = s.shape))) AS operation,
  (SELECT text FROM word WHERE list = 'kind' AND number = (SELECT kind FROM shape WHERE id = s.shape)) AS kind,
  CASE WHEN s.bits & 65536 THEN 0 ELSE t.start_ns END + s.start_offset AS start_ns,
  strftime('%Y-%m-%dT%H:%M:%S', (CASE WHEN s.bits & 65536 THEN 0 ELSE t.start_ns END + s.start_offset) / 1000000000, 'unixepoch')
    || printf('.%09dZ', (CASE WHEN s.bits & 65536 THEN 0 ELSE t.start_ns END + s.start_offset) % 1000000000) AS start_time,
  s.duration_ns AS duration_ns,
  s.duration_ns - s.covered_ns AS self_ns,
  CASE s.bits & 3 WHEN 0 THEN 'unset' WHEN 1 THEN 'ok' ELSE 'error' END AS status,
  coalesce(s.message, '') AS status_message,
  s.http_status AS http_status, s.grpc_status AS grpc_status, (SELECT text FROM name WHERE id = s.flags_text) AS response_flags,
  (SELECT text FROM word WHERE list = 'fault' AND number = (s.bits >> 2) & 7) AS fault,
  (SELECT text FROM name WHERE id = (SELECT service FROM node WHERE id = s.peer)) AS peer,
  (SELECT text FROM word WHERE list = 'format' AND number = (SELECT format FROM shape WHERE id = s.shape)) AS format,
  '{' || coalesce((SELECT json FROM resource WHERE id = (SELECT resource FROM shape WHERE id = s.shape)), '') || '}' AS resource,
  '{' || coalesce((SELECT json FROM attribute_set WHERE id = s.attribute_set), '')
    || CASE WHEN s.own IS NOT NULL AND length((SELECT json FROM attribute_set WHERE id = s.attribute_set)) THEN ',' ELSE '' END
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
  JOIN trace_row t ON t.trace_no = s.trace_no;

DROP VIEW trace_numbered;
CREATE VIEW trace_numbered AS SELECT
  t.trace_no AS trace_no, t.services AS services,
  lower(hex(t.id)) AS trace_id,
  t.start_ns AS start_ns,
  strftime('%Y-%m-%dT%H:%M:%S', t.start_ns / 1000000000, 'unixepoch') || printf('.%09dZ', t.start_ns % 1000000000) AS start_time,
  t.duration_ns AS duration_ns,
  (SELECT text FROM name WHERE id = d.cluster) AS entry_cluster,
  (SELECT text FROM name WHERE id = d.namespace) AS entry_namespace,
  (SELECT text FROM name WHERE id = d.service) AS entry_service,
  (SELECT text FROM name WHERE id = t.entry_operation) AS entry_operation,
  t.span_count AS span_count, t.service_count AS service_count, t.error_count AS error_count,
  CASE WHEN t.bits & 1 THEN 'error' ELSE 'ok' END AS status,
  (SELECT text FROM name WHERE id = o.service) AS origin_service,
  (SELECT text FROM name WHERE id = t.origin_operation) AS origin_operation,
  (SELECT text FROM name WHERE id = t.origin_reason) AS origin_reason,
  CASE WHEN t.bits & 2 THEN 1 ELSE 0 END AS complete,
  t.parts AS parts, t.reopened AS reopened,
  CASE WHEN t.bits & 4 THEN 1 ELSE 0 END AS kept
FROM trace_row t
  CROSS JOIN node d ON d.id = t.entry
  CROSS JOIN node o ON o.id = t.origin;

DROP VIEW edge_minute;
CREATE VIEW edge_minute AS SELECT
  m.minute * 60000000000 AS minute_ns,
  strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
  (SELECT text FROM name WHERE id = r.cluster) AS caller_cluster,
  (SELECT text FROM name WHERE id = r.namespace) AS caller_namespace,
  (SELECT text FROM name WHERE id = r.service) AS caller_service,
  (SELECT text FROM name WHERE id = r.version) AS caller_version,
  (SELECT text FROM word WHERE list = 'role' AND number = r.role) AS caller_role,
  (SELECT text FROM name WHERE id = c.cluster) AS callee_cluster,
  (SELECT text FROM name WHERE id = c.namespace) AS callee_namespace,
  (SELECT text FROM name WHERE id = c.service) AS callee_service,
  (SELECT text FROM name WHERE id = c.version) AS callee_version,
  (SELECT text FROM word WHERE list = 'role' AND number = c.role) AS callee_role,
  (SELECT text FROM word WHERE list = 'connection_type' AND number = e.connection_type) AS connection_type,
  (SELECT text FROM name WHERE id = e.protocol) AS protocol,
  (SELECT text FROM name WHERE id = e.via) AS via,
  (SELECT text FROM word WHERE list = 'crossing' AND number = e.crossing) AS crossing,
  (SELECT text FROM word WHERE list = 'known_by' AND number = e.known_by) AS known_by,
  m.calls AS calls, m.errors_origin + m.errors_carried AS errors, m.client_errors AS client_errors,
  m.errors_origin AS errors_origin, m.errors_carried AS errors_carried, m.retries AS retries, m.recovered AS recovered,
  m.client_ns_sum AS client_ns_sum, m.server_ns_sum AS server_ns_sum, m.transit_ns_sum AS transit_ns_sum,
  m.p50_ns AS p50_ns, m.p95_ns AS p95_ns, m.p99_ns AS p99_ns, m.max_ns AS max_ns, m.histogram AS histogram,
  m.plaintext AS plaintext, m.tls AS tls, m.mtls AS mtls, m.security_unknown AS security_unknown,
  m.adjusted_1024 / 1024.0 AS adjusted_calls
FROM edge_minute_row m
  CROSS JOIN edge e ON e.id = m.edge
  CROSS JOIN node r ON r.id = e.caller CROSS JOIN node c ON c.id = e.callee;

DROP VIEW operation_minute;
CREATE VIEW operation_minute AS SELECT
  m.minute * 60000000000 AS minute_ns,
  strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
  (SELECT text FROM name WHERE id = d.cluster) AS cluster,
  (SELECT text FROM name WHERE id = d.namespace) AS namespace,
  (SELECT text FROM name WHERE id = d.service) AS service,
  (SELECT text FROM name WHERE id = d.version) AS version,
  (SELECT text FROM word WHERE list = 'role' AND number = d.role) AS role,
  (SELECT text FROM name WHERE id = p.name) AS operation,
  (SELECT text FROM word WHERE list = 'kind' AND number = p.kind) AS kind,
  m.calls AS calls, m.errors AS errors, m.client_errors AS client_errors, m.duration_ns_sum AS duration_ns_sum,
  m.p50_ns AS p50_ns, m.p95_ns AS p95_ns, m.p99_ns AS p99_ns, m.histogram AS histogram
FROM operation_minute_row m
  CROSS JOIN operation_row p ON p.id = m.operation
  CROSS JOIN node d ON d.id = p.node;

DROP VIEW service;
CREATE VIEW service AS SELECT
  (SELECT text FROM name WHERE id = d.cluster) AS cluster,
  (SELECT text FROM name WHERE id = d.namespace) AS namespace,
  (SELECT text FROM name WHERE id = d.service) AS service,
  (SELECT text FROM name WHERE id = d.version) AS version,
  (SELECT text FROM word WHERE list = 'role' AND number = d.role) AS role,
  d.first_seen_ns AS first_seen_ns,
  strftime('%Y-%m-%dT%H:%M:%S', d.first_seen_ns / 1000000000, 'unixepoch') || printf('.%09dZ', d.first_seen_ns % 1000000000) AS first_seen,
  d.last_seen_ns AS last_seen_ns,
  strftime('%Y-%m-%dT%H:%M:%S', d.last_seen_ns / 1000000000, 'unixepoch') || printf('.%09dZ', d.last_seen_ns % 1000000000) AS last_seen
FROM node d
WHERE d.last_seen_ns > 0;

DROP VIEW operation;
CREATE VIEW operation AS SELECT
  (SELECT text FROM name WHERE id = d.cluster) AS cluster,
  (SELECT text FROM name WHERE id = d.namespace) AS namespace,
  (SELECT text FROM name WHERE id = d.service) AS service,
  (SELECT text FROM name WHERE id = d.version) AS version,
  (SELECT text FROM word WHERE list = 'role' AND number = d.role) AS role,
  (SELECT text FROM name WHERE id = p.name) AS operation,
  (SELECT text FROM word WHERE list = 'kind' AND number = p.kind) AS kind,
  p.first_seen_ns AS first_seen_ns,
  strftime('%Y-%m-%dT%H:%M:%S', p.first_seen_ns / 1000000000, 'unixepoch') || printf('.%09dZ', p.first_seen_ns % 1000000000) AS first_seen,
  p.last_seen_ns AS last_seen_ns,
  strftime('%Y-%m-%dT%H:%M:%S', p.last_seen_ns / 1000000000, 'unixepoch') || printf('.%09dZ', p.last_seen_ns % 1000000000) AS last_seen
FROM operation_row p
  CROSS JOIN node d ON d.id = p.node;

DROP VIEW hop_minute;
CREATE VIEW hop_minute AS SELECT
  m.minute * 60000000000 AS minute_ns,
  strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
  (SELECT text FROM name WHERE id = r.cluster) AS caller_cluster,
  (SELECT text FROM name WHERE id = r.namespace) AS caller_namespace,
  (SELECT text FROM name WHERE id = r.service) AS caller_service,
  (SELECT text FROM name WHERE id = r.version) AS caller_version,
  (SELECT text FROM word WHERE list = 'role' AND number = r.role) AS caller_role,
  (SELECT text FROM name WHERE id = c.cluster) AS callee_cluster,
  (SELECT text FROM name WHERE id = c.namespace) AS callee_namespace,
  (SELECT text FROM name WHERE id = c.service) AS callee_service,
  (SELECT text FROM name WHERE id = c.version) AS callee_version,
  (SELECT text FROM word WHERE list = 'role' AND number = c.role) AS callee_role,
  (SELECT text FROM word WHERE list = 'hop' AND number = h.kind) AS hop,
  (SELECT text FROM name WHERE id = h.name) AS hop_name,
  m.calls AS calls, m.errors AS errors, m.client_errors AS client_errors, m.time_ns_sum AS time_ns_sum,
  m.p50_ns AS p50_ns, m.p95_ns AS p95_ns, m.p99_ns AS p99_ns
FROM hop_minute_row m
  CROSS JOIN hop h ON h.id = m.hop
  CROSS JOIN node r ON r.id = h.caller CROSS JOIN node c ON c.id = h.callee;

DROP VIEW edge_event;
CREATE VIEW edge_event AS SELECT
  v.at_ns AS at_ns,
  strftime('%Y-%m-%dT%H:%M:%S', v.at_ns / 1000000000, 'unixepoch') || printf('.%09dZ', v.at_ns % 1000000000) AS at,
  (SELECT text FROM word WHERE list = 'edge_event' AND number = v.kind) AS kind,
  (SELECT text FROM name WHERE id = r.cluster) AS caller_cluster,
  (SELECT text FROM name WHERE id = r.namespace) AS caller_namespace,
  (SELECT text FROM name WHERE id = r.service) AS caller_service,
  (SELECT text FROM name WHERE id = r.version) AS caller_version,
  (SELECT text FROM word WHERE list = 'role' AND number = r.role) AS caller_role,
  (SELECT text FROM name WHERE id = c.cluster) AS callee_cluster,
  (SELECT text FROM name WHERE id = c.namespace) AS callee_namespace,
  (SELECT text FROM name WHERE id = c.service) AS callee_service,
  (SELECT text FROM name WHERE id = c.version) AS callee_version,
  (SELECT text FROM word WHERE list = 'role' AND number = c.role) AS callee_role,
  v.detail AS detail
FROM edge_event_row v
  CROSS JOIN node r ON r.id = v.caller CROSS JOIN node c ON c.id = v.callee;

DROP VIEW hairpin;
CREATE VIEW hairpin AS SELECT
  m.minute * 60000000000 AS minute_ns,
  strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
  (SELECT text FROM name WHERE id = r.cluster) AS caller_cluster,
  (SELECT text FROM name WHERE id = r.namespace) AS caller_namespace,
  (SELECT text FROM name WHERE id = r.service) AS caller_service,
  (SELECT text FROM name WHERE id = r.version) AS caller_version,
  (SELECT text FROM word WHERE list = 'role' AND number = r.role) AS caller_role,
  (SELECT text FROM name WHERE id = e.via) AS gateway,
  (SELECT text FROM name WHERE id = c.cluster) AS callee_cluster,
  (SELECT text FROM name WHERE id = c.namespace) AS callee_namespace,
  (SELECT text FROM name WHERE id = c.service) AS callee_service,
  (SELECT text FROM name WHERE id = c.version) AS callee_version,
  (SELECT text FROM word WHERE list = 'role' AND number = c.role) AS callee_role,
  sum(m.hairpins) AS calls, sum(m.added_ns_sum) AS added_ns_sum, sum(m.bytes) AS bytes
FROM edge_minute_row m
  CROSS JOIN edge e ON e.id = m.edge
  CROSS JOIN node r ON r.id = e.caller CROSS JOIN node c ON c.id = e.callee
WHERE m.hairpins > 0
GROUP BY m.minute, e.caller, e.via, e.callee;

DROP VIEW propagation_gap;
CREATE VIEW propagation_gap AS SELECT minute_ns, minute, cluster, namespace, service, version, role, operation, calls, broken, detail FROM (
  SELECT
    m.minute * 60000000000 AS minute_ns,
    strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
    (SELECT text FROM name WHERE id = d.cluster) AS cluster,
    (SELECT text FROM name WHERE id = d.namespace) AS namespace,
    (SELECT text FROM name WHERE id = d.service) AS service,
    (SELECT text FROM name WHERE id = d.version) AS version,
    (SELECT text FROM word WHERE list = 'role' AND number = d.role) AS role,
    (SELECT text FROM name WHERE id = g.operation) AS operation,
    (SELECT coalesce(sum(i.calls), 0) FROM edge e JOIN edge_minute_row i ON i.edge = e.id AND i.minute = m.minute WHERE e.callee = g.node) AS calls,
    m.broken AS broken,
    'its proxy began traces of its own' AS detail
  FROM gap_minute_row m
    CROSS JOIN gap g ON g.id = m.gap
    CROSS JOIN node d ON d.id = g.node)
WHERE calls > 0;
