-- The ways of calls: physical hops, hairpins, clear text, what happens to edges; clocks; who drops trace context.

ALTER TABLE shape ADD COLUMN host INTEGER NOT NULL DEFAULT 0;     -- whose clock it is
ALTER TABLE shape ADD COLUMN address INTEGER NOT NULL DEFAULT 0;  -- its own, as others reach it
ALTER TABLE edge_minute_row ADD COLUMN added_ns_sum INTEGER NOT NULL DEFAULT 0;  -- of hairpins: what the detour took
ALTER TABLE edge_minute_row ADD COLUMN detours INTEGER NOT NULL DEFAULT 0;       -- hairpins of which that is known
ALTER TABLE edge_minute_row ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;         -- of hairpins, as the gateway says

CREATE TABLE hop (
  id INTEGER PRIMARY KEY,
  caller INTEGER NOT NULL, callee INTEGER NOT NULL,
  kind INTEGER NOT NULL, name INTEGER NOT NULL,
  -- of a network hop: where from (a gateway by name; else the caller) and where to, see hop_place in collector/model/graph.h
  from_name INTEGER NOT NULL, from_place INTEGER NOT NULL, to_place INTEGER NOT NULL,
  UNIQUE (caller, callee, kind, name, from_name, from_place, to_place)
);
CREATE TABLE hop_minute_row (
  minute INTEGER NOT NULL, hop INTEGER NOT NULL,
  calls INTEGER NOT NULL, errors INTEGER NOT NULL, client_errors INTEGER NOT NULL,
  time_ns_sum INTEGER NOT NULL,
  p50_ns INTEGER, p95_ns INTEGER, p99_ns INTEGER,
  histogram BLOB NOT NULL,        -- of the calls of which the time is known
  PRIMARY KEY (minute, hop)
) WITHOUT ROWID;

-- Two services that call one another, whatever their versions: what events are told of.
CREATE TABLE relation (
  id INTEGER PRIMARY KEY,
  caller INTEGER NOT NULL, callee INTEGER NOT NULL,  -- nodes without version
  first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, calls INTEGER NOT NULL,
  gone_ns INTEGER NOT NULL,       -- since when it is gone; 0: it is not
  bits INTEGER NOT NULL,          -- 1 clear text was seen, 2 a hairpin
  UNIQUE (caller, callee)
);
CREATE TABLE relation_version (
  relation INTEGER NOT NULL, side INTEGER NOT NULL,      -- 0 caller, 1 callee
  version INTEGER NOT NULL,
  PRIMARY KEY (relation, side, version)
) WITHOUT ROWID;
CREATE TABLE edge_event_row (
  id INTEGER PRIMARY KEY,
  at_ns INTEGER NOT NULL, kind INTEGER NOT NULL,
  caller INTEGER NOT NULL, callee INTEGER NOT NULL,
  detail TEXT NOT NULL,
  told_s INTEGER NOT NULL         -- when it was written, Unix seconds: retention counts from here
);

CREATE TABLE allow_plaintext (    -- security.allow_plaintext as GLOB patterns; written anew by every start and reload
  caller_cluster TEXT NOT NULL, caller_namespace TEXT NOT NULL, caller_service TEXT NOT NULL,
  callee_cluster TEXT NOT NULL, callee_namespace TEXT NOT NULL, callee_service TEXT NOT NULL
);

CREATE TABLE clock (              -- host_b's clock less host_a's lies between low and high
  host_a TEXT NOT NULL, host_b TEXT NOT NULL,
  low_ns INTEGER NOT NULL, high_ns INTEGER NOT NULL, samples INTEGER NOT NULL,
  updated_ns INTEGER NOT NULL,
  PRIMARY KEY (host_a, host_b)
) WITHOUT ROWID;

CREATE TABLE gap (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL, operation INTEGER NOT NULL,
  reason INTEGER NOT NULL,        -- see enum gap_reason in collector/store/gaps.h
  UNIQUE (node, operation, reason)
);
CREATE TABLE gap_minute_row (
  minute INTEGER NOT NULL, gap INTEGER NOT NULL, broken INTEGER NOT NULL,
  PRIMARY KEY (minute, gap)
) WITHOUT ROWID;

CREATE VIEW hop_minute AS SELECT
  m.minute * 60000000000 AS minute_ns,
  strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
  rc.text AS caller_cluster, rn.text AS caller_namespace, rs.text AS caller_service, rv.text AS caller_version, rr.text AS caller_role,
  ec.text AS callee_cluster, en.text AS callee_namespace, es.text AS callee_service, ev.text AS callee_version, er.text AS callee_role,
  wh.text AS hop, nh.text AS hop_name,
  m.calls AS calls, m.errors AS errors, m.client_errors AS client_errors, m.time_ns_sum AS time_ns_sum,
  m.p50_ns AS p50_ns, m.p95_ns AS p95_ns, m.p99_ns AS p99_ns
FROM hop_minute_row m
  JOIN hop h ON h.id = m.hop
  JOIN node r ON r.id = h.caller JOIN node c ON c.id = h.callee
  JOIN name rc ON rc.id = r.cluster JOIN name rn ON rn.id = r.namespace JOIN name rs ON rs.id = r.service JOIN name rv ON rv.id = r.version
  JOIN name ec ON ec.id = c.cluster JOIN name en ON en.id = c.namespace JOIN name es ON es.id = c.service JOIN name ev ON ev.id = c.version
  JOIN word rr ON rr.list = 'role' AND rr.number = r.role JOIN word er ON er.list = 'role' AND er.number = c.role
  JOIN word wh ON wh.list = 'hop' AND wh.number = h.kind
  JOIN name nh ON nh.id = h.name;

CREATE VIEW edge_event AS SELECT
  v.at_ns AS at_ns,
  strftime('%Y-%m-%dT%H:%M:%S', v.at_ns / 1000000000, 'unixepoch') || printf('.%09dZ', v.at_ns % 1000000000) AS at,
  wk.text AS kind,
  rc.text AS caller_cluster, rn.text AS caller_namespace, rs.text AS caller_service, rv.text AS caller_version, rr.text AS caller_role,
  ec.text AS callee_cluster, en.text AS callee_namespace, es.text AS callee_service, ev.text AS callee_version, er.text AS callee_role,
  v.detail AS detail
FROM edge_event_row v
  JOIN node r ON r.id = v.caller JOIN node c ON c.id = v.callee
  JOIN name rc ON rc.id = r.cluster JOIN name rn ON rn.id = r.namespace JOIN name rs ON rs.id = r.service JOIN name rv ON rv.id = r.version
  JOIN name ec ON ec.id = c.cluster JOIN name en ON en.id = c.namespace JOIN name es ON es.id = c.service JOIN name ev ON ev.id = c.version
  JOIN word rr ON rr.list = 'role' AND rr.number = r.role JOIN word er ON er.list = 'role' AND er.number = c.role
  JOIN word wk ON wk.list = 'edge_event' AND wk.number = v.kind;

-- The subquery's own columns bear the same names: m. is needed.
CREATE VIEW edge_violation AS SELECT
  minute_ns, minute,
  caller_cluster, caller_namespace, caller_service, caller_version, caller_role,
  callee_cluster, callee_namespace, callee_service, callee_version, callee_role,
  connection_type, protocol, via, crossing,
  sum(calls) AS calls, sum(plaintext) AS plaintext
FROM edge_minute m
WHERE plaintext > 0 AND NOT EXISTS (
  SELECT 1 FROM allow_plaintext a
  WHERE m.caller_cluster GLOB a.caller_cluster AND m.caller_namespace GLOB a.caller_namespace AND m.caller_service GLOB a.caller_service
    AND m.callee_cluster GLOB a.callee_cluster AND m.callee_namespace GLOB a.callee_namespace AND m.callee_service GLOB a.callee_service)
GROUP BY minute_ns,
  caller_cluster, caller_namespace, caller_service, caller_version, caller_role,
  callee_cluster, callee_namespace, callee_service, callee_version, callee_role,
  connection_type, protocol, via, crossing;

CREATE VIEW hairpin AS SELECT
  m.minute * 60000000000 AS minute_ns,
  strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
  rc.text AS caller_cluster, rn.text AS caller_namespace, rs.text AS caller_service, rv.text AS caller_version, rr.text AS caller_role,
  nv.text AS gateway,
  ec.text AS callee_cluster, en.text AS callee_namespace, es.text AS callee_service, ev.text AS callee_version, er.text AS callee_role,
  sum(m.hairpins) AS calls, sum(m.added_ns_sum) AS added_ns_sum, sum(m.bytes) AS bytes
FROM edge_minute_row m
  JOIN edge e ON e.id = m.edge
  JOIN node r ON r.id = e.caller JOIN node c ON c.id = e.callee
  JOIN name rc ON rc.id = r.cluster JOIN name rn ON rn.id = r.namespace JOIN name rs ON rs.id = r.service JOIN name rv ON rv.id = r.version
  JOIN name ec ON ec.id = c.cluster JOIN name en ON en.id = c.namespace JOIN name es ON es.id = c.service JOIN name ev ON ev.id = c.version
  JOIN word rr ON rr.list = 'role' AND rr.number = r.role JOIN word er ON er.list = 'role' AND er.number = c.role
  JOIN name nv ON nv.id = e.via
WHERE m.hairpins > 0
GROUP BY m.minute, e.caller, e.via, e.callee;

CREATE VIEW clock_offset AS SELECT
  host_a, host_b, (low_ns + high_ns) / 2 AS offset_ns, abs(high_ns - low_ns) / 2 AS error_ns, samples, updated_ns,
  strftime('%Y-%m-%dT%H:%M:%S', updated_ns / 1000000000, 'unixepoch') || printf('.%09dZ', updated_ns % 1000000000) AS updated
FROM clock;

-- Who gets no calls at all may begin traces: that drops nothing.
CREATE VIEW propagation_gap AS SELECT minute_ns, minute, cluster, namespace, service, version, role, operation, calls, broken, detail FROM (
  SELECT
    m.minute * 60000000000 AS minute_ns,
    strftime('%Y-%m-%dT%H:%M:%S', m.minute * 60, 'unixepoch') || '.000000000Z' AS minute,
    nc.text AS cluster, nn.text AS namespace, ns.text AS service, nv.text AS version, wr.text AS role,
    no.text AS operation,
    (SELECT coalesce(sum(i.calls), 0) FROM edge e JOIN edge_minute_row i ON i.edge = e.id AND i.minute = m.minute WHERE e.callee = g.node) AS calls,
    m.broken AS broken,
    'its proxy began traces of its own' AS detail
  FROM gap_minute_row m
    JOIN gap g ON g.id = m.gap
    JOIN node d ON d.id = g.node
    JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace JOIN name ns ON ns.id = d.service JOIN name nv ON nv.id = d.version
    JOIN word wr ON wr.list = 'role' AND wr.number = d.role
    JOIN name no ON no.id = g.operation)
WHERE calls > 0;

INSERT INTO help_row (view_name, column_name, text)
  SELECT 'hop_minute', column_name, text FROM help_row WHERE view_name = 'edge_minute' AND (column_name LIKE 'minute%' OR column_name LIKE 'caller_%' OR column_name LIKE 'callee_%');
INSERT INTO help_row (view_name, column_name, text)
  SELECT 'edge_event', column_name, text FROM help_row WHERE view_name = 'edge_minute' AND (column_name LIKE 'caller_%' OR column_name LIKE 'callee_%');
INSERT INTO help_row (view_name, column_name, text)
  SELECT 'edge_violation', column_name, text FROM help_row WHERE view_name = 'edge_minute' AND
    (column_name LIKE 'minute%' OR column_name LIKE 'caller_%' OR column_name LIKE 'callee_%' OR column_name IN ('connection_type', 'protocol', 'via', 'crossing', 'calls', 'plaintext'));
INSERT INTO help_row (view_name, column_name, text)
  SELECT 'hairpin', column_name, text FROM help_row WHERE view_name = 'edge_minute' AND (column_name LIKE 'minute%' OR column_name LIKE 'caller_%' OR column_name LIKE 'callee_%');
INSERT INTO help_row (view_name, column_name, text)
  SELECT 'propagation_gap', column_name, text FROM help_row WHERE view_name = 'operation_minute' AND column_name IN ('minute_ns', 'minute', 'cluster', 'namespace', 'service', 'version', 'role');
INSERT INTO help_row (view_name, column_name, text) VALUES
  ('hop_minute', '', 'a physical hop of the calls of one caller to one callee in one minute of event time'),
  ('hop_minute', 'hop', 'application sidecar_out gateway load_balancer waypoint network sidecar_in'),
  ('hop_minute', 'hop_name', 'whose hop it is; of network: to whom it leads'),
  ('hop_minute', 'calls', 'calls that went through it'),
  ('hop_minute', 'errors', 'failed there'),
  ('hop_minute', 'client_errors', 'answered there with a client error'),
  ('hop_minute', 'time_ns_sum', 'sum of the time spent there, ns, where it is known'),
  ('hop_minute', 'p50_ns', 'median of that time, ns; NULL when it is not known'),
  ('hop_minute', 'p95_ns', '95th percentile, ns'),
  ('hop_minute', 'p99_ns', '99th percentile, ns'),
  ('edge_event', '', 'something new about who calls whom'),
  ('edge_event', 'at_ns', 'event time, Unix time, ns'),
  ('edge_event', 'at', 'the same as text'),
  ('edge_event', 'kind', 'new gone returned first_plaintext new_version hairpin'),
  ('edge_event', 'detail', 'version, gateway, or for how long'),
  ('edge_violation', '', 'clear text where security.allow_plaintext does not allow it, in one minute of event time'),
  ('hairpin', '', 'calls that left by a gateway to come back in, in one minute of event time'),
  ('hairpin', 'gateway', 'by which they came back, several in order of passing'),
  ('hairpin', 'calls', 'such calls'),
  ('hairpin', 'added_ns_sum', 'sum of what the way to and through the gateway took, ns, where it is known'),
  ('hairpin', 'bytes', 'bytes of requests and answers, as the gateway says'),
  ('clock_offset', '', 'the offset between the clocks of two hosts, from calls between them'),
  ('clock_offset', 'host_a', 'a host'),
  ('clock_offset', 'host_b', 'another one'),
  ('clock_offset', 'offset_ns', 'host_b''s clock less host_a''s, ns'),
  ('clock_offset', 'error_ns', 'how far it may be off either way, ns'),
  ('clock_offset', 'samples', 'calls it was estimated from'),
  ('clock_offset', 'updated_ns', 'when, Unix time, ns'),
  ('clock_offset', 'updated', 'the same as text'),
  ('propagation_gap', '', 'a service that does not hand trace context on, in one minute of event time'),
  ('propagation_gap', 'operation', 'that did not; '''' when only the service is known'),
  ('propagation_gap', 'calls', 'calls it got in this minute'),
  ('propagation_gap', 'broken', 'traces that began anew behind it'),
  ('propagation_gap', 'detail', 'how it is known');
