-- Version 1. Tables are private; the views at the end are the contract. Times are ns, Unix or durations.
--
-- Texts that recur stand once, in `name`. Rows of a trace are keyed by trace_no, given in the order in which
-- traces were cut: tables grow at their right edge, retention takes from the left.

CREATE TABLE name (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
);
INSERT INTO name (id, text) VALUES (0, '');

CREATE TABLE word (            -- the words of closed lists; numbers are those of the program
  list TEXT NOT NULL,
  number INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (list, number)
) WITHOUT ROWID;

CREATE TABLE node (
  id INTEGER PRIMARY KEY,
  cluster INTEGER NOT NULL, namespace INTEGER NOT NULL, service INTEGER NOT NULL, version INTEGER NOT NULL,
  role INTEGER NOT NULL,
  first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
  UNIQUE (service, namespace, cluster, version, role)
);
INSERT INTO node VALUES (0, 0, 0, 0, 0, 0, 0, 0);

CREATE TABLE operation_row (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL, name INTEGER NOT NULL, kind INTEGER NOT NULL,
  first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL,
  UNIQUE (node, name, kind)
);

-- Written anew with every generation (100,000 traces), so that what old traces used can go with them.
CREATE TABLE resource (id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, json TEXT NOT NULL);
CREATE TABLE attribute_set (id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, json TEXT NOT NULL);
CREATE TABLE shape (
  id INTEGER PRIMARY KEY, generation INTEGER NOT NULL,
  node INTEGER NOT NULL, instance INTEGER NOT NULL, zone INTEGER NOT NULL, operation INTEGER NOT NULL,
  upstream_cluster INTEGER NOT NULL, peer INTEGER NOT NULL, peer_namespace INTEGER NOT NULL,
  peer_address INTEGER NOT NULL, url_host INTEGER NOT NULL, protocol INTEGER NOT NULL,
  resource INTEGER NOT NULL,
  kind INTEGER NOT NULL, proxy INTEGER NOT NULL, peer_role INTEGER NOT NULL, security INTEGER NOT NULL,
  format INTEGER NOT NULL,
  bits INTEGER NOT NULL        -- 1 database, 2 messaging, 4 peer resolvable, 8 mirrored, 16 shared
);

CREATE TABLE trace_row (
  trace_no INTEGER PRIMARY KEY,
  id BLOB NOT NULL,            -- 16 bytes
  start_ns INTEGER NOT NULL, duration_ns INTEGER,
  entry INTEGER NOT NULL, entry_operation INTEGER NOT NULL,
  origin INTEGER NOT NULL, origin_operation INTEGER NOT NULL, origin_reason INTEGER NOT NULL,
  span_count INTEGER NOT NULL, service_count INTEGER NOT NULL, error_count INTEGER NOT NULL,
  parts INTEGER NOT NULL,
  bits INTEGER NOT NULL,       -- 1 error, 2 complete, 4 spans kept
  reopened INTEGER NOT NULL,
  stored_s INTEGER NOT NULL,   -- when it was stored, Unix seconds: retention counts from here
  services INTEGER NOT NULL,   -- a bit for each service in it, by name id modulo 62: search skips what cannot match
  calls BLOB NOT NULL          -- its calls as they were counted; a reopening subtracts exactly these
);

CREATE TABLE trace_key (       -- trace id to trace_no, in runs of 100,000 traces: new keys land in a small range
  run INTEGER NOT NULL, hash INTEGER NOT NULL, trace_no INTEGER NOT NULL,
  PRIMARY KEY (run, hash, trace_no)
) WITHOUT ROWID;

CREATE TABLE span_row (      -- no NOT NULL: SQLite would test each for every row, and what writes here is feed.c
  trace_no INTEGER, i INTEGER,
  shape INTEGER, attribute_set INTEGER,
  span_id INTEGER, parent_id INTEGER,
  start_offset INTEGER, -- to the trace's start; to 0 where the bit for it is set
  duration_ns INTEGER,
  covered_ns INTEGER,            -- duration less self time; NULL: self time is not known
  bits INTEGER,         -- see span_bits in collector/store/rows.h
  http_status INTEGER, grpc_status INTEGER,
  flags_text INTEGER,
  node INTEGER, peer INTEGER,
  arrival INTEGER,      -- minute of receipt << 6 | format << 2 | transport
  own TEXT, events TEXT, links TEXT, message TEXT, name TEXT,
  weight REAL, request_id INTEGER,
  PRIMARY KEY (trace_no, i)
) WITHOUT ROWID;

CREATE TABLE edge (
  id INTEGER PRIMARY KEY,
  caller INTEGER NOT NULL, callee INTEGER NOT NULL, connection_type INTEGER NOT NULL, protocol INTEGER NOT NULL,
  via INTEGER NOT NULL, crossing INTEGER NOT NULL, known_by INTEGER NOT NULL,
  UNIQUE (caller, callee, connection_type, protocol, via, crossing, known_by)
);

CREATE TABLE edge_minute_row (
  minute INTEGER NOT NULL, edge INTEGER NOT NULL,
  calls INTEGER NOT NULL, errors_origin INTEGER NOT NULL, errors_carried INTEGER NOT NULL,
  client_errors INTEGER NOT NULL, retries INTEGER NOT NULL, recovered INTEGER NOT NULL,
  client_ns_sum INTEGER NOT NULL, server_ns_sum INTEGER NOT NULL, transit_ns_sum INTEGER NOT NULL,
  plaintext INTEGER NOT NULL, tls INTEGER NOT NULL, mtls INTEGER NOT NULL, security_unknown INTEGER NOT NULL,
  adjusted_1024 INTEGER NOT NULL, hairpins INTEGER NOT NULL,
  p50_ns INTEGER, p95_ns INTEGER, p99_ns INTEGER, max_ns INTEGER,
  touched_s INTEGER NOT NULL, histogram BLOB NOT NULL, transit_histogram BLOB NOT NULL,
  PRIMARY KEY (minute, edge)
) WITHOUT ROWID;

CREATE TABLE operation_minute_row (
  minute INTEGER NOT NULL, operation INTEGER NOT NULL,
  calls INTEGER NOT NULL, errors INTEGER NOT NULL, client_errors INTEGER NOT NULL,
  duration_ns_sum INTEGER NOT NULL,
  p50_ns INTEGER, p95_ns INTEGER, p99_ns INTEGER,
  touched_s INTEGER NOT NULL, histogram BLOB NOT NULL,
  PRIMARY KEY (minute, operation)
) WITHOUT ROWID;

CREATE TABLE ingest_minute_row (
  minute INTEGER NOT NULL, format INTEGER NOT NULL, transport INTEGER NOT NULL,
  received INTEGER NOT NULL, rejected INTEGER NOT NULL, duplicate INTEGER NOT NULL, pending INTEGER NOT NULL,
  paired INTEGER NOT NULL, caller_only INTEGER NOT NULL, callee_only INTEGER NOT NULL, entry INTEGER NOT NULL,
  orphan INTEGER NOT NULL, local INTEGER NOT NULL, stored INTEGER NOT NULL,
  late INTEGER NOT NULL, conflict INTEGER NOT NULL,
  PRIMARY KEY (minute, format, transport)
) WITHOUT ROWID;

CREATE TABLE position (        -- one row: how far the inbox is dealt with
  id INTEGER PRIMARY KEY CHECK (id = 1),
  booked_to INTEGER NOT NULL, needed_from INTEGER NOT NULL, next_trace_no INTEGER NOT NULL,
  n_spans INTEGER NOT NULL
);
INSERT INTO position VALUES (1, 0, 1, 1, 0);

-- The same as `span` and `trace`, with the private number that finds one trace fast.
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
  coalesce(s.events, '[]') AS events, coalesce(s.links, '[]') AS links
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

CREATE VIEW trace_numbered AS SELECT
  t.trace_no AS trace_no, t.services AS services,
  lower(hex(t.id)) AS trace_id,
  t.start_ns AS start_ns,
  strftime('%Y-%m-%dT%H:%M:%S', t.start_ns / 1000000000, 'unixepoch') || printf('.%09dZ', t.start_ns % 1000000000) AS start_time,
  t.duration_ns AS duration_ns,
  nc.text AS entry_cluster, nn.text AS entry_namespace, ns.text AS entry_service, no.text AS entry_operation,
  t.span_count AS span_count, t.service_count AS service_count, t.error_count AS error_count,
  CASE WHEN t.bits & 1 THEN 'error' ELSE 'ok' END AS status,
  nos.text AS origin_service, noo.text AS origin_operation, nor.text AS origin_reason,
  CASE WHEN t.bits & 2 THEN 1 ELSE 0 END AS complete,
  t.parts AS parts, t.reopened AS reopened,
  CASE WHEN t.bits & 4 THEN 1 ELSE 0 END AS kept
FROM trace_row t
  JOIN node d ON d.id = t.entry
  JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace JOIN name ns ON ns.id = d.service
  JOIN name no ON no.id = t.entry_operation
  JOIN node o ON o.id = t.origin JOIN name nos ON nos.id = o.service
  JOIN name noo ON noo.id = t.origin_operation JOIN name nor ON nor.id = t.origin_reason;

CREATE VIEW trace AS SELECT
  trace_id, start_ns, start_time, duration_ns, entry_cluster, entry_namespace, entry_service, entry_operation,
  span_count, service_count, error_count, status, origin_service, origin_operation, origin_reason, complete, parts,
  reopened, kept
FROM trace_numbered;

CREATE VIEW edge_minute AS SELECT
  m.minute * 60000000000 AS minute_ns,
  strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
  rc.text AS caller_cluster, rn.text AS caller_namespace, rs.text AS caller_service, rv.text AS caller_version, rr.text AS caller_role,
  ec.text AS callee_cluster, en.text AS callee_namespace, es.text AS callee_service, ev.text AS callee_version, er.text AS callee_role,
  wt.text AS connection_type, np.text AS protocol, nv.text AS via, wc.text AS crossing, wb.text AS known_by,
  m.calls AS calls, m.errors_origin + m.errors_carried AS errors, m.client_errors AS client_errors,
  m.errors_origin AS errors_origin, m.errors_carried AS errors_carried, m.retries AS retries, m.recovered AS recovered,
  m.client_ns_sum AS client_ns_sum, m.server_ns_sum AS server_ns_sum, m.transit_ns_sum AS transit_ns_sum,
  m.p50_ns AS p50_ns, m.p95_ns AS p95_ns, m.p99_ns AS p99_ns, m.max_ns AS max_ns, m.histogram AS histogram,
  m.plaintext AS plaintext, m.tls AS tls, m.mtls AS mtls, m.security_unknown AS security_unknown,
  m.adjusted_1024 / 1024.0 AS adjusted_calls
FROM edge_minute_row m
  JOIN edge e ON e.id = m.edge
  JOIN node r ON r.id = e.caller JOIN node c ON c.id = e.callee
  JOIN name rc ON rc.id = r.cluster JOIN name rn ON rn.id = r.namespace JOIN name rs ON rs.id = r.service JOIN name rv ON rv.id = r.version
  JOIN name ec ON ec.id = c.cluster JOIN name en ON en.id = c.namespace JOIN name es ON es.id = c.service JOIN name ev ON ev.id = c.version
  JOIN word rr ON rr.list = 'role' AND rr.number = r.role JOIN word er ON er.list = 'role' AND er.number = c.role
  JOIN word wt ON wt.list = 'connection_type' AND wt.number = e.connection_type
  JOIN name np ON np.id = e.protocol JOIN name nv ON nv.id = e.via
  JOIN word wc ON wc.list = 'crossing' AND wc.number = e.crossing
  JOIN word wb ON wb.list = 'known_by' AND wb.number = e.known_by;

CREATE VIEW operation_minute AS SELECT
  m.minute * 60000000000 AS minute_ns,
  strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
  nc.text AS cluster, nn.text AS namespace, ns.text AS service, nv.text AS version, wr.text AS role,
  no.text AS operation, wk.text AS kind,
  m.calls AS calls, m.errors AS errors, m.client_errors AS client_errors, m.duration_ns_sum AS duration_ns_sum,
  m.p50_ns AS p50_ns, m.p95_ns AS p95_ns, m.p99_ns AS p99_ns, m.histogram AS histogram
FROM operation_minute_row m
  JOIN operation_row p ON p.id = m.operation
  JOIN node d ON d.id = p.node
  JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace JOIN name ns ON ns.id = d.service JOIN name nv ON nv.id = d.version
  JOIN name no ON no.id = p.name
  JOIN word wr ON wr.list = 'role' AND wr.number = d.role
  JOIN word wk ON wk.list = 'kind' AND wk.number = p.kind;

CREATE VIEW service AS SELECT
  nc.text AS cluster, nn.text AS namespace, ns.text AS service, nv.text AS version, wr.text AS role,
  d.first_seen_ns AS first_seen_ns,
  strftime('%Y-%m-%dT%H:%M:%S', d.first_seen_ns / 1000000000, 'unixepoch') || printf('.%09dZ', d.first_seen_ns % 1000000000) AS first_seen,
  d.last_seen_ns AS last_seen_ns,
  strftime('%Y-%m-%dT%H:%M:%S', d.last_seen_ns / 1000000000, 'unixepoch') || printf('.%09dZ', d.last_seen_ns % 1000000000) AS last_seen
FROM node d
  JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace JOIN name ns ON ns.id = d.service JOIN name nv ON nv.id = d.version
  JOIN word wr ON wr.list = 'role' AND wr.number = d.role
WHERE d.last_seen_ns > 0;

CREATE VIEW operation AS SELECT
  nc.text AS cluster, nn.text AS namespace, ns.text AS service, nv.text AS version, wr.text AS role,
  no.text AS operation, wk.text AS kind,
  p.first_seen_ns AS first_seen_ns,
  strftime('%Y-%m-%dT%H:%M:%S', p.first_seen_ns / 1000000000, 'unixepoch') || printf('.%09dZ', p.first_seen_ns % 1000000000) AS first_seen,
  p.last_seen_ns AS last_seen_ns,
  strftime('%Y-%m-%dT%H:%M:%S', p.last_seen_ns / 1000000000, 'unixepoch') || printf('.%09dZ', p.last_seen_ns % 1000000000) AS last_seen
FROM operation_row p
  JOIN node d ON d.id = p.node
  JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace JOIN name ns ON ns.id = d.service JOIN name nv ON nv.id = d.version
  JOIN name no ON no.id = p.name
  JOIN word wr ON wr.list = 'role' AND wr.number = d.role
  JOIN word wk ON wk.list = 'kind' AND wk.number = p.kind;

CREATE VIEW ingest_minute AS SELECT
  m.minute * 60000000000 AS minute_ns,
  strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
  wf.text AS format, wt.text AS transport,
  m.received, m.rejected, m.duplicate, m.pending, m.paired, m.caller_only, m.callee_only, m.entry, m.orphan,
  m.local, m.stored, m.late, m.conflict
FROM ingest_minute_row m
  JOIN word wf ON wf.list = 'format' AND wf.number = m.format
  JOIN word wt ON wt.list = 'transport' AND wt.number = m.transport;

CREATE TABLE help_row (view_name TEXT NOT NULL, column_name TEXT NOT NULL, text TEXT NOT NULL);
CREATE VIEW help AS SELECT view_name, column_name, text FROM help_row;
INSERT INTO help_row (view_name, column_name, text) VALUES
  ('span', '', 'a span'),
  ('span', 'trace_id', '32 hexadecimal digits'),
  ('span', 'span_id', '16 hexadecimal digits'),
  ('span', 'parent_span_id', 'its parent''s id, '''' for none'),
  ('span', 'cluster', 'of the node it speaks for'),
  ('span', 'namespace', 'of the node'),
  ('span', 'service', 'of the node'),
  ('span', 'version', 'of the node'),
  ('span', 'instance', 'pod or process'),
  ('span', 'role', 'workload sidecar gateway waypoint load_balancer'),
  ('span', 'operation', 'what it did; for a proxy method and templated path'),
  ('span', 'kind', 'unset internal server client producer consumer'),
  ('span', 'start_ns', 'Unix time, ns'),
  ('span', 'start_time', 'the same as text'),
  ('span', 'duration_ns', 'ns; NULL when not known'),
  ('span', 'self_ns', 'duration less its children; NULL for bad times'),
  ('span', 'status', 'unset ok error'),
  ('span', 'status_message', 'the sender''s text'),
  ('span', 'http_status', 'HTTP status code; NULL without'),
  ('span', 'grpc_status', 'gRPC status code; NULL without'),
  ('span', 'response_flags', 'Envoy''s flags as they came'),
  ('span', 'fault', ''''' not failed, origin carried recovered client_gone client_error'),
  ('span', 'peer', 'service at the other end of its call'),
  ('span', 'format', 'format it came in'),
  ('span', 'resource', 'resource attributes, JSON'),
  ('span', 'attributes', 'attributes, JSON'),
  ('span', 'events', 'events and logs, JSON array'),
  ('span', 'links', 'links, JSON array'),
  ('trace', '', 'a stitched trace'),
  ('trace', 'trace_id', '32 hexadecimal digits'),
  ('trace', 'start_ns', 'start of its entry, Unix time, ns'),
  ('trace', 'start_time', 'the same as text'),
  ('trace', 'duration_ns', 'of its entry, ns; NULL when not known'),
  ('trace', 'entry_cluster', 'node where it entered'),
  ('trace', 'entry_namespace', 'node where it entered'),
  ('trace', 'entry_service', 'node where it entered'),
  ('trace', 'entry_operation', 'operation that was asked for'),
  ('trace', 'span_count', 'spans stored'),
  ('trace', 'service_count', 'different services'),
  ('trace', 'error_count', 'failed spans'),
  ('trace', 'status', 'error when the entry call failed, else ok'),
  ('trace', 'origin_service', 'where the failure began; '''' when ok'),
  ('trace', 'origin_operation', 'operation in which it began'),
  ('trace', 'origin_reason', 'flag, code or message it began with'),
  ('trace', 'complete', '1: one piece, no orphan, all stitched'),
  ('trace', 'parts', 'pieces not connected by parents'),
  ('trace', 'reopened', 'how often a late span changed it'),
  ('trace', 'kept', '0 when its spans were dropped by store.keep'),
  ('edge_minute', '', 'calls of one caller to one callee in one minute of event time'),
  ('edge_minute', 'minute_ns', 'start of the minute, Unix time, ns'),
  ('edge_minute', 'minute', 'the same as text'),
  ('edge_minute', 'caller_cluster', 'caller: of the node; empty: unknown'),
  ('edge_minute', 'caller_namespace', 'caller: of the node; empty: unknown'),
  ('edge_minute', 'caller_service', 'caller: of the node'),
  ('edge_minute', 'caller_version', 'caller: of the node; empty: unknown'),
  ('edge_minute', 'caller_role', 'caller: workload sidecar gateway waypoint load_balancer database cache queue external user'),
  ('edge_minute', 'callee_cluster', 'callee: of the node; empty: unknown'),
  ('edge_minute', 'callee_namespace', 'callee: of the node; empty: unknown'),
  ('edge_minute', 'callee_service', 'callee: of the node'),
  ('edge_minute', 'callee_version', 'callee: of the node; empty: unknown'),
  ('edge_minute', 'callee_role', 'callee: workload sidecar gateway waypoint load_balancer database cache queue external user'),
  ('edge_minute', 'connection_type', ''''' plain call, messaging_system database virtual_node'),
  ('edge_minute', 'protocol', 'http grpc … or the system; '''' unknown'),
  ('edge_minute', 'via', 'gateways between, in order of passing'),
  ('edge_minute', 'crossing', 'inside in out cross_namespace cross_cluster cross_zone unknown'),
  ('edge_minute', 'known_by', 'both callee_only caller_only link log request_id entry'),
  ('edge_minute', 'calls', 'logical calls, retries folded'),
  ('edge_minute', 'errors', 'failed calls: origin + carried'),
  ('edge_minute', 'client_errors', '4xx and their like; not in errors'),
  ('edge_minute', 'errors_origin', 'failures that began here'),
  ('edge_minute', 'errors_carried', 'failures explained by one beneath'),
  ('edge_minute', 'retries', 'attempts beyond the first'),
  ('edge_minute', 'recovered', 'calls that a retry saved'),
  ('edge_minute', 'client_ns_sum', 'sum of the callers'' durations, ns'),
  ('edge_minute', 'server_ns_sum', 'sum of the callees'' durations, ns'),
  ('edge_minute', 'transit_ns_sum', 'sum of caller less callee, ns'),
  ('edge_minute', 'p50_ns', 'median, ns, from the histogram'),
  ('edge_minute', 'p95_ns', '95th percentile, ns'),
  ('edge_minute', 'p99_ns', '99th percentile, ns'),
  ('edge_minute', 'max_ns', 'upper bound of the highest bucket, ns'),
  ('edge_minute', 'histogram', 'blob for histogram_quantile()'),
  ('edge_minute', 'plaintext', 'calls in clear text'),
  ('edge_minute', 'tls', 'calls over TLS'),
  ('edge_minute', 'mtls', 'calls over mutual TLS'),
  ('edge_minute', 'security_unknown', 'calls of unknown security'),
  ('edge_minute', 'adjusted_calls', 'calls weighted by sampling'),
  ('operation_minute', '', 'spans of one operation of a node in one minute of event time'),
  ('operation_minute', 'minute_ns', 'start of the minute, Unix time, ns'),
  ('operation_minute', 'minute', 'the same as text'),
  ('operation_minute', 'cluster', 'of the node; empty: unknown'),
  ('operation_minute', 'namespace', 'of the node; empty: unknown'),
  ('operation_minute', 'service', 'of the node'),
  ('operation_minute', 'version', 'of the node; empty: unknown'),
  ('operation_minute', 'role', 'workload sidecar gateway waypoint load_balancer database cache queue external user'),
  ('operation_minute', 'operation', 'what was done'),
  ('operation_minute', 'kind', 'unset internal server client producer consumer'),
  ('operation_minute', 'calls', 'spans'),
  ('operation_minute', 'errors', 'failed spans'),
  ('operation_minute', 'client_errors', 'spans with a client error'),
  ('operation_minute', 'duration_ns_sum', 'sum of durations, ns'),
  ('operation_minute', 'p50_ns', 'median, ns, from the histogram'),
  ('operation_minute', 'p95_ns', '95th percentile, ns'),
  ('operation_minute', 'p99_ns', '99th percentile, ns'),
  ('operation_minute', 'histogram', 'blob for histogram_quantile()'),
  ('service', '', 'a node that was seen'),
  ('service', 'cluster', 'of the node; empty: unknown'),
  ('service', 'namespace', 'of the node; empty: unknown'),
  ('service', 'service', 'of the node'),
  ('service', 'version', 'of the node; empty: unknown'),
  ('service', 'role', 'workload sidecar gateway waypoint load_balancer database cache queue external user'),
  ('service', 'first_seen_ns', 'event time of the first span, ns'),
  ('service', 'first_seen', 'the same as text'),
  ('service', 'last_seen_ns', 'event time of the last span, ns'),
  ('service', 'last_seen', 'the same as text'),
  ('operation', '', 'an operation of a node that was seen'),
  ('operation', 'cluster', 'of the node; empty: unknown'),
  ('operation', 'namespace', 'of the node; empty: unknown'),
  ('operation', 'service', 'of the node'),
  ('operation', 'version', 'of the node; empty: unknown'),
  ('operation', 'role', 'workload sidecar gateway waypoint load_balancer database cache queue external user'),
  ('operation', 'operation', 'what was done'),
  ('operation', 'kind', 'unset internal server client producer consumer'),
  ('operation', 'first_seen_ns', 'event time of the first span, ns'),
  ('operation', 'first_seen', 'the same as text'),
  ('operation', 'last_seen_ns', 'event time of the last span, ns'),
  ('operation', 'last_seen', 'the same as text'),
  ('ingest_minute', '', 'the ledger: what became of the records received in one minute'),
  ('ingest_minute', 'minute_ns', 'start of the minute, Unix time, ns'),
  ('ingest_minute', 'minute', 'the same as text'),
  ('ingest_minute', 'format', 'wire format'),
  ('ingest_minute', 'transport', 'http grpc kafka file'),
  ('ingest_minute', 'received', 'records received: the sum of the next ten'),
  ('ingest_minute', 'rejected', 'refused one by one'),
  ('ingest_minute', 'duplicate', 'received before'),
  ('ingest_minute', 'pending', 'in the inbox, not cut yet'),
  ('ingest_minute', 'paired', 'both halves of a call came'),
  ('ingest_minute', 'caller_only', 'a caller''s half alone'),
  ('ingest_minute', 'callee_only', 'a callee''s half alone'),
  ('ingest_minute', 'entry', 'no parent'),
  ('ingest_minute', 'orphan', 'parent named, never came'),
  ('ingest_minute', 'local', 'inside one service'),
  ('ingest_minute', 'stored', 'metric points and logs'),
  ('ingest_minute', 'late', 'reopened a trace'),
  ('ingest_minute', 'conflict', 'duplicates with other content'),
  ('help', '', 'this list'),
  ('help', 'view_name', 'a view'),
  ('help', 'column_name', 'a column of it, '''' for the view itself'),
  ('help', 'text', 'what it means');
