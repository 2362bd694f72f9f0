// examples.js: complete questions to begin with.
export const EXAMPLES = [
  ['Where failures began, by version', `-- Failures that began, per minute and version of who they began in
SELECT minute, caller_service || ' ' || caller_version AS place, sum(calls) AS calls,
       sum(errors_origin) AS began, sum(errors_carried) AS passed_on,
       round(100.0 * sum(errors_origin) / sum(calls), 1) AS began_pct
FROM edge_minute
WHERE minute_ns >= :from AND minute_ns < :to
  AND caller_service IN (SELECT caller_service FROM edge_minute
                         WHERE minute_ns >= :from AND minute_ns < :to
                         GROUP BY 1 ORDER BY sum(errors_origin) DESC LIMIT 1)
GROUP BY 1, 2 ORDER BY 1 DESC, 2`],
  ['Slowest operations', `-- Operations by their 95th percentile over the whole window
SELECT service, operation, sum(calls) AS calls,
       round(histogram_quantile(histogram_merge(histogram), 0.95) / 1e6, 1) AS p95_ms
FROM operation_minute
WHERE minute_ns >= :from AND minute_ns < :to AND kind = 'server'
GROUP BY 1, 2 ORDER BY 4 DESC LIMIT 20`],
  ['New edges', `-- Relations that were first seen in this window, and other news of edges
SELECT at, kind, caller_service, callee_service, detail
FROM edge_event
WHERE at_ns >= :from AND at_ns < :to ORDER BY at_ns DESC LIMIT 100`],
  ['Clear text', `-- Who sends what anybody on the way can read
SELECT caller_service, callee_service, sum(plaintext) AS clear_text, sum(calls) AS calls
FROM edge_minute
WHERE minute_ns >= :from AND minute_ns < :to
GROUP BY 1, 2 HAVING sum(plaintext) > 0 ORDER BY 3 DESC`],
  ['Hairpins and what they cost', `-- Calls that go out by a gateway and come back in by it
SELECT caller_service, gateway, callee_service, sum(calls) AS calls,
       round(1.0 * sum(added_ns_sum) / sum(calls) / 1e6, 2) AS added_ms
FROM hairpin
WHERE minute_ns >= :from AND minute_ns < :to
GROUP BY 1, 2, 3 ORDER BY sum(added_ns_sum) DESC`],
  ['Error messages, grouped', `-- What failures say where they began
SELECT service, operation, coalesce(nullif(status_message, ''), 'HTTP ' || http_status, response_flags) AS says,
       count(*) AS spans, min(trace_id) AS trace_id
FROM span
WHERE start_ns >= :from AND start_ns < :to AND fault = 'origin'
GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 50`],
  ['Retries that saved a request', `-- Calls that failed at first and were good in the end
SELECT minute, caller_service, callee_service, sum(retries) AS retries, sum(recovered) AS recovered
FROM edge_minute
WHERE minute_ns >= :from AND minute_ns < :to AND retries > 0
GROUP BY 1, 2, 3 ORDER BY 1 DESC, 5 DESC`],
  ['The ledger: what was received', `-- Every received record is in one of these columns
SELECT minute, format, transport, received, stored, rejected, duplicate, paired, orphan, late
FROM ingest_minute
WHERE minute_ns >= :from AND minute_ns < :to ORDER BY minute_ns DESC`],
];
