-- Incidents: what users felt, since when, who is suspected and by what evidence. Texts stand in the rows: they are few, and outlive the dictionaries.
CREATE TABLE incident_row (
  id INTEGER PRIMARY KEY,
  onset_ns INTEGER NOT NULL, opened_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL, closed_ns INTEGER, -- NULL: open
  cluster TEXT NOT NULL, namespace TEXT NOT NULL, service TEXT NOT NULL, version TEXT NOT NULL, role TEXT NOT NULL, operation TEXT NOT NULL, -- the entry
  symptom TEXT NOT NULL, failed_share REAL NOT NULL, affected_calls INTEGER NOT NULL, summary TEXT NOT NULL
);
CREATE TABLE suspect_row (
  incident_id INTEGER NOT NULL, rank INTEGER NOT NULL, kind TEXT NOT NULL,
  cluster TEXT NOT NULL, namespace TEXT NOT NULL, service TEXT NOT NULL, version TEXT NOT NULL, role TEXT NOT NULL,
  instance TEXT NOT NULL, operation TEXT NOT NULL, peer TEXT NOT NULL,
  score REAL NOT NULL, confidence REAL NOT NULL, significant INTEGER NOT NULL, reason TEXT NOT NULL, examples TEXT NOT NULL,
  whole TEXT NOT NULL, brief TEXT NOT NULL, -- the suspect as the API gives it, with and without its evidence
  PRIMARY KEY (incident_id, rank)
) WITHOUT ROWID;
CREATE TABLE evidence_row (
  incident_id INTEGER NOT NULL, rank INTEGER NOT NULL, place INTEGER NOT NULL, kind TEXT NOT NULL, metric TEXT NOT NULL, unit TEXT NOT NULL,
  baseline REAL NOT NULL, observed REAL NOT NULL, deviation REAL NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (incident_id, rank, place)
) WITHOUT ROWID;
-- Traces that an incident names: retention leaves them.
CREATE TABLE pinned_trace (
  trace_no INTEGER NOT NULL, incident_id INTEGER NOT NULL,
  PRIMARY KEY (trace_no, incident_id)
) WITHOUT ROWID;

CREATE VIEW incident AS SELECT
  id, CASE WHEN closed_ns IS NULL THEN 'open' ELSE 'closed' END AS state,
  onset_ns, strftime('%Y-%m-%dT%H:%M:%S', onset_ns / 1000000000, 'unixepoch') || printf('.%09dZ', onset_ns % 1000000000) AS onset,
  opened_ns, strftime('%Y-%m-%dT%H:%M:%S', opened_ns / 1000000000, 'unixepoch') || printf('.%09dZ', opened_ns % 1000000000) AS opened,
  updated_ns, strftime('%Y-%m-%dT%H:%M:%S', updated_ns / 1000000000, 'unixepoch') || printf('.%09dZ', updated_ns % 1000000000) AS updated,
  closed_ns,
  CASE WHEN closed_ns IS NULL THEN '' ELSE strftime('%Y-%m-%dT%H:%M:%S', closed_ns / 1000000000, 'unixepoch') || printf('.%09dZ', closed_ns % 1000000000) END AS closed,
  cluster AS entry_cluster, namespace AS entry_namespace, service AS entry_service, operation AS entry_operation,
  symptom, failed_share, affected_calls, summary
FROM incident_row;
CREATE VIEW suspect AS SELECT
  incident_id, rank, kind, cluster, namespace, service, version, role, instance, operation, peer, score, confidence, significant, reason,
  examples AS example_trace_ids
FROM suspect_row;
CREATE VIEW evidence AS SELECT
  incident_id, rank, kind, metric, unit, baseline, observed, deviation, text
FROM evidence_row;

INSERT INTO help_row (view_name, column_name, text) VALUES
  ('incident', '', 'a time in which users'' requests failed or were slow'),
  ('incident', 'id', 'its number, from 1'),
  ('incident', 'state', 'open closed'),
  ('incident', 'onset_ns', 'when it began, as far as the counts tell, Unix time, ns'),
  ('incident', 'onset', 'the same as text'),
  ('incident', 'opened_ns', 'when it was found, ns'),
  ('incident', 'opened', 'the same as text'),
  ('incident', 'updated_ns', 'end of the last step that was looked at, ns'),
  ('incident', 'updated', 'the same as text'),
  ('incident', 'closed_ns', 'when it was closed, after a time of calm; NULL: open'),
  ('incident', 'closed', 'the same as text; empty: open'),
  ('incident', 'entry_cluster', 'of the entry that shows it most'),
  ('incident', 'entry_namespace', 'of that entry'),
  ('incident', 'entry_service', 'of that entry'),
  ('incident', 'entry_operation', 'of that entry'),
  ('incident', 'symptom', 'errors latency traffic'),
  ('incident', 'failed_share', 'share of that entry''s requests that failed or were slow when it was looked at last and bad'),
  ('incident', 'affected_calls', 'requests of all entries since the onset that failed or, for latency, were slower than normal''s p95'),
  ('incident', 'summary', 'a sentence'),
  ('suspect', '', 'where an incident may have begun; rank 1 is the likeliest'),
  ('suspect', 'incident_id', 'incident.id'),
  ('suspect', 'rank', 'from 1'),
  ('suspect', 'kind', 'service version instance operation edge hop'),
  ('suspect', 'cluster', 'of the suspect'),
  ('suspect', 'namespace', 'of the suspect'),
  ('suspect', 'service', 'of the suspect'),
  ('suspect', 'version', 'of the suspect; empty: all or unknown'),
  ('suspect', 'role', 'workload sidecar gateway waypoint load_balancer database cache queue external user'),
  ('suspect', 'instance', 'of the suspect; empty: all'),
  ('suspect', 'operation', 'of the suspect; empty: all'),
  ('suspect', 'peer', 'the other end, where the trouble lies between two'),
  ('suspect', 'score', 'share of normal request time, or of requests, that is spoilt there'),
  ('suspect', 'confidence', '0 to 1, from sample sizes and the distance to the next'),
  ('suspect', 'significant', '1 when a test says so; 0: a hint'),
  ('suspect', 'reason', 'a sentence'),
  ('suspect', 'example_trace_ids', 'JSON array of trace ids'),
  ('evidence', '', 'a fact behind a suspect'),
  ('evidence', 'incident_id', 'incident.id'),
  ('evidence', 'rank', 'suspect.rank'),
  ('evidence', 'kind', 'self_time gap errors flow traffic metric change'),
  ('evidence', 'metric', 'what was measured'),
  ('evidence', 'unit', 'ns ratio count'),
  ('evidence', 'baseline', 'in normal times'),
  ('evidence', 'observed', 'in the incident'),
  ('evidence', 'deviation', 'in standard errors'),
  ('evidence', 'text', 'a sentence');
