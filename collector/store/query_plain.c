/* query_plain.c - what the page without scripts shows. */
#include "collector/store/query_internal.h"

int query_plain_calls(struct query *query, uint64_t since_ns,
                      bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                      struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(query,
                    "SELECT caller_service, callee_service, via, sum(calls), sum(retries), "
                    "sum(errors), sum(errors_origin), sum(client_ns_sum) / max(sum(calls), 1), "
                    "max(p95_ns) FROM edge_minute WHERE minute_ns >= ? GROUP BY caller_cluster, "
                    "caller_namespace, caller_service, callee_cluster, callee_namespace, "
                    "callee_service, via, connection_type ORDER BY sum(errors_origin) DESC, "
                    "sum(calls) DESC LIMIT 500",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)since_ns);
    return query_each(query, select, row, ctx, err);
}

int query_plain_traces(struct query *query, bool (*row)(const struct query_rows *rows, void *ctx),
                       void *ctx, struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(query,
                    "SELECT trace_id, substr(start_time, 12, 12), entry_service || ' ' || "
                    "entry_operation, duration_ns, span_count, error_count, origin_service || ' ' "
                    "|| origin_reason FROM trace_numbered ORDER BY trace_no DESC LIMIT 50",
                    &select, err))
        return err->code;
    return query_each(query, select, row, ctx, err);
}

int query_plain_incidents(struct query *query,
                          bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                          struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(query,
                    "SELECT id, substr(onset, 12, 8), summary FROM incident WHERE state = 'open' "
                    "ORDER BY affected_calls DESC LIMIT 20",
                    &select, err))
        return err->code;
    return query_each(query, select, row, ctx, err);
}
