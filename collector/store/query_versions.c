/* query_versions.c - services of which two versions take calls, and traces that show a version. */
#include "collector/base/clock.h"
#include "collector/store/query_internal.h"
#include "collector/store/statements.h"

/* Traces to show are looked for among so many of the newest with the service in them. */
#define AMONG_TEXT "5000"

int query_cohort_services(struct query *query, struct window window, struct names *names,
                          struct cohort_service *services, size_t max, size_t *n, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    *n = 0;
    if (query_begin(query,
                    "SELECT c.text, s.text, a.text FROM (SELECT p.cluster AS cluster, p.namespace "
                    "AS space, p.service AS service, p.version AS version, sum(t.n) AS calls FROM "
                    "tally_row t JOIN tally_key k ON k.id = t.tally JOIN node p ON p.id = k.peer "
                    "WHERE t.minute >= ?1 AND t.minute < ?2 AND k.channel = ?3 AND p.version > 0 "
                    "GROUP BY 1, 2, 3, 4 HAVING calls > 0) v JOIN name c ON c.id = v.cluster JOIN "
                    "name s ON s.id = v.space JOIN name a ON a.id = v.service GROUP BY v.cluster, "
                    "v.space, v.service HAVING count(*) > 1 ORDER BY sum(v.calls) - max(v.calls) "
                    "DESC, 3 LIMIT ?4",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    sqlite3_bind_int(select, 3, TALLY_CALL);
    sqlite3_bind_int64(select, 4, (int64_t)max);
    while ((code = sqlite3_step(select)) == SQLITE_ROW && *n < max) {
        struct str texts[3];
        for (int i = 0; i < 3; i++)
            texts[i] = names_text(names, names_add(names, column_str(select, i)));
        services[(*n)++] = (struct cohort_service){texts[0], texts[1], texts[2]};
    }
    return query_end(query, select, code, err);
}

size_t query_version_examples(struct query *query, struct window window, const struct node *node,
                              const struct names *names, struct trace_text *ids, size_t max)
{
    struct str service = names_text(names, node->service),
               version = names_text(names, node->version);
    struct err err = {0};
    sqlite3_stmt *select;
    size_t n = 0;
    int code = SQLITE_DONE;
    if (query_begin(query,
                    "SELECT lower(hex(t.id)), t.trace_no FROM (SELECT id, trace_no, bits, "
                    "duration_ns FROM trace_row WHERE trace_no >= ?3 AND start_ns >= ?1 AND "
                    "start_ns < ?2 AND services & ?4 AND bits & 4 ORDER BY trace_no DESC "
                    "LIMIT " AMONG_TEXT ") t WHERE EXISTS (SELECT 1 FROM span_row s WHERE "
                    "s.trace_no = t.trace_no AND s.node IN (SELECT o.id FROM node o JOIN name a ON "
                    "a.id = o.service JOIN name v ON v.id = o.version WHERE a.text = ?5 AND "
                    "v.text = ?6)) ORDER BY t.bits & 1 DESC, t.duration_ns DESC LIMIT ?7",
                    &select, &err))
        return 0;
    sqlite3_bind_int64(select, 1, (int64_t)window.from_ns);
    sqlite3_bind_int64(select, 2, (int64_t)window.to_ns);
    sqlite3_bind_int64(select, 3, first_stored_after(query, window.from_ns));
    sqlite3_bind_int64(select, 4, service_bit(query, service));
    statement_bind_text(select, 5, service);
    statement_bind_text(select, 6, version);
    sqlite3_bind_int64(select, 7, (int64_t)max);
    while (n < max && (code = sqlite3_step(select)) == SQLITE_ROW) {
        struct str id = column_str(select, 0);
        memcpy(ids[n].id, id.p, id.len < 32 ? id.len : 32);
        ids[n].id[32] = '\0';
        ids[n++].trace_no = sqlite3_column_int64(select, 1);
    }
    query_end(query, select, code, &err);
    return n;
}
