/* sql_examples.c - complete questions to begin with, as the page of SQL offers them. Each takes
 * :from and :to, the window in ns.
 */
#include "collector/store/query_internal.h"

/* clang-format off: SQL by lines */
static const struct {
    const char *name, *sql;
} examples[] = {
    {"Slowest operations",
     "-- Operations by their 95th percentile over the whole window\n"
     "SELECT service, operation, sum(calls) AS calls,\n"
     "       round(histogram_quantile(histogram_merge(histogram), 0.95) / 1e6, 1) AS p95_ms\n"
     "FROM operation_minute\n"
     "WHERE minute_ns >= :from AND minute_ns < :to AND kind = 'server'\n"
     "GROUP BY 1, 2 ORDER BY 4 DESC LIMIT 20"},
    {"Where failures began, by version",
     "-- Failures that began, per minute and version of who they began in\n"
     "SELECT minute, caller_service || ' ' || caller_version AS place, sum(calls) AS calls,\n"
     "       sum(errors_origin) AS began, sum(errors_carried) AS passed_on,\n"
     "       round(100.0 * sum(errors_origin) / sum(calls), 1) AS began_pct\n"
     "FROM edge_minute\n"
     "WHERE minute_ns >= :from AND minute_ns < :to\n"
     "  AND caller_service IN (SELECT caller_service FROM edge_minute\n"
     "                         WHERE minute_ns >= :from AND minute_ns < :to\n"
     "                         GROUP BY 1 ORDER BY sum(errors_origin) DESC LIMIT 1)\n"
     "GROUP BY 1, 2 ORDER BY 1 DESC, 2"},
    {"Edges first seen",
     "-- Relations that were first seen in this window, and other news of edges\n"
     "SELECT at, kind, caller_service, callee_service, detail\n"
     "FROM edge_event\n"
     "WHERE at_ns >= :from AND at_ns < :to ORDER BY at_ns DESC LIMIT 100"},
    {"Plaintext edges",
     "-- Who sends what anybody on the way can read\n"
     "SELECT caller_service, callee_service, sum(plaintext) AS clear_text, sum(calls) AS calls\n"
     "FROM edge_minute\n"
     "WHERE minute_ns >= :from AND minute_ns < :to\n"
     "GROUP BY 1, 2 HAVING sum(plaintext) > 0 ORDER BY 3 DESC"},
    {"Hairpins and what they cost",
     "-- Calls that go out by a gateway and come back in by it\n"
     "SELECT caller_service, gateway, callee_service, sum(calls) AS calls,\n"
     "       round(1.0 * sum(added_ns_sum) / sum(calls) / 1e6, 2) AS added_ms\n"
     "FROM hairpin\n"
     "WHERE minute_ns >= :from AND minute_ns < :to\n"
     "GROUP BY 1, 2, 3 ORDER BY sum(added_ns_sum) DESC"},
    {"Error messages, grouped", "-- What failures say where they began\n"
                                "SELECT service, operation, coalesce(nullif(status_message, ''), "
                                "'HTTP ' || http_status, response_flags) AS says,\n"
                                "       count(*) AS spans, min(trace_id) AS trace_id\n"
                                "FROM span\n"
                                "WHERE start_ns >= :from AND start_ns < :to AND fault = 'origin'\n"
                                "GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 50"},
    {"Retries that saved a request",
     "-- Calls that failed at first and were good in the end\n"
     "SELECT minute, caller_service, callee_service, sum(retries) AS retries, sum(recovered) AS "
     "recovered\n"
     "FROM edge_minute\n"
     "WHERE minute_ns >= :from AND minute_ns < :to AND retries > 0\n"
     "GROUP BY 1, 2, 3 ORDER BY 1 DESC, 5 DESC"},
    {"The ledger: what was received",
     "-- Every received record is in one of these columns\n"
     "SELECT minute, format, transport, received, stored, rejected, duplicate, paired, orphan, "
     "late\n"
     "FROM ingest_minute\n"
     "WHERE minute_ns >= :from AND minute_ns < :to ORDER BY minute_ns DESC"},
};
/* clang-format on */

void query_examples_json(uint64_t timeout_ns, uint64_t rows, struct buf *out)
{
    buf_add_c(out, "{\"items\":[");
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        buf_add_c(out, i ? ",{" : "{");
        json_member(out, "name", str_of(examples[i].name));
        json_member(out, "sql", str_of(examples[i].sql));
        buf_add_char(out, '}');
    }
    buf_addf(out, "],\"next\":null,\"timeout_ns\":%llu,\"rows\":%llu}",
             (unsigned long long)timeout_ns, (unsigned long long)rows);
}
