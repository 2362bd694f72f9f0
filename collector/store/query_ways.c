/* query_ways.c - what calls cross, who could read them, and which turn round at a gateway: lists of
 * pairs of services over a window of whole minutes. Versions are summed, unknown clusters and
 * namespaces folded as in the graph of that window; shares are of all calls of the window.
 */
#include "collector/base/clock.h"
#include "collector/model/rollup.h"
#include "collector/store/query_folded.h"

/* s: a row an edge; w: the same with names and without versions. Parameters: ?1 cluster, ?2
 * namespace, ?3 service of either end, ?6 and ?7 the minutes, ?8 who stands for whom. */
#define WAYS                                                                                       \
    "WITH s AS MATERIALIZED (SELECT edge, sum(calls) AS calls, sum(errors_origin + "               \
    "errors_carried) AS errors, sum(transit_ns_sum) AS transit, "                                  \
    "sum(histogram_count(transit_histogram)) AS timed, sum(mtls) AS mtls, sum(tls) AS "            \
    "tls, sum(plaintext) AS plaintext, sum(security_unknown) AS unknown, sum(hairpins) AS "        \
    "hairpins, sum(added_ns_sum) AS added, sum(detours) AS detours, sum(bytes) AS bytes FROM "     \
    "edge_minute_row WHERE minute >= ?6 AND minute < ?7 GROUP BY edge), w AS (SELECT rc.text AS "  \
    "caller_cluster, rn.text AS caller_namespace, rs.text AS caller_service, rr.text AS "          \
    "caller_role, ec.text AS callee_cluster, en.text AS callee_namespace, es.text AS "             \
    "callee_service, er.text AS callee_role, nv.text AS via, wc.text AS crossing, s.*, (SELECT "   \
    "sum(calls) FROM s) AS "                                                                       \
    "total FROM s JOIN edge e ON e.id = s.edge JOIN node r ON r.id = folded(?8, e.caller) JOIN "   \
    "node c ON c.id = folded(?8, e.callee) JOIN name rc ON rc.id = r.cluster JOIN name rn ON "     \
    "rn.id = r.namespace JOIN "                                                                    \
    "name rs ON rs.id = r.service JOIN name ec ON ec.id = c.cluster JOIN name en ON en.id = "      \
    "c.namespace JOIN name es ON es.id = c.service JOIN word rr ON rr.list = 'role' AND "          \
    "rr.number = r.role JOIN word er ON er.list = 'role' AND er.number = c.role JOIN name nv ON "  \
    "nv.id = e.via JOIN word wc ON wc.list = 'crossing' AND wc.number = e.crossing WHERE ((?1 = "  \
    "'' OR rc.text = ?1) AND (?2 "                                                                 \
    "= '' OR rn.text = ?2) AND (?3 = '' OR rs.text = ?3)) OR ((?1 = '' OR ec.text = ?1) AND (?2 "  \
    "= '' OR en.text = ?2) AND (?3 = '' OR es.text = ?3))) "
#define ENDS                                                                                       \
    "caller_cluster, caller_namespace, caller_service, '', caller_role, callee_cluster, "          \
    "callee_namespace, callee_service, '', callee_role"
#define GROUPED                                                                                    \
    " GROUP BY caller_cluster, caller_namespace, caller_service, caller_role, callee_cluster, "    \
    "callee_namespace, callee_service, callee_role"
#define BY_NAME                                                                                    \
    "caller_service, caller_namespace, caller_cluster, caller_role, callee_service, "              \
    "callee_namespace, callee_cluster, callee_role"
#define PAGE " LIMIT ?4 OFFSET ?5"

#define TALLY_ZONE_TEXT "9"
_Static_assert(TALLY_ZONE == 9, "TALLY_ZONE_TEXT is the number of this channel");

enum way_column { WAY_PLAIN, WAY_SHARE, WAY_BOOL };
struct way_list {
    const char *sql; /* ten columns of caller and callee, then these */
    struct {
        const char *name;
        enum way_column kind;
    } columns[8];
};

static const struct way_list crossings = {
    WAYS "SELECT " ENDS
         ", crossing, via, sum(calls), sum(errors), CAST(sum(calls) AS REAL) / max(total), "
         "sum(transit) / nullif(sum(timed), 0) FROM w" GROUPED
         ", crossing, via ORDER BY sum(errors) DESC, sum(calls) DESC, " BY_NAME
         ", crossing, via" PAGE,
    {{"crossing", WAY_PLAIN},
     {"via", WAY_PLAIN},
     {"calls", WAY_PLAIN},
     {"errors", WAY_PLAIN},
     {"share", WAY_SHARE},
     {"added_ns", WAY_PLAIN}}};

static const struct way_list securities = {
    WAYS "SELECT " ENDS ", sum(calls), CAST(sum(calls) AS REAL) / max(total), sum(mtls), sum(tls), "
         "sum(plaintext), sum(unknown), sum(plaintext) > 0 AND NOT EXISTS (SELECT 1 FROM "
         "allow_plaintext a WHERE w.caller_cluster GLOB a.caller_cluster AND w.caller_namespace "
         "GLOB a.caller_namespace AND w.caller_service GLOB a.caller_service AND w.callee_cluster "
         "GLOB a.callee_cluster AND w.callee_namespace GLOB a.callee_namespace AND "
         "w.callee_service GLOB a.callee_service) AS violation FROM w" GROUPED
         " ORDER BY violation DESC, sum(plaintext) DESC, sum(calls) DESC, " BY_NAME PAGE,
    {{"calls", WAY_PLAIN},
     {"share", WAY_SHARE},
     {"mtls", WAY_PLAIN},
     {"tls", WAY_PLAIN},
     {"plaintext", WAY_PLAIN},
     {"unknown", WAY_PLAIN},
     {"violation", WAY_BOOL}}};

static const struct way_list hairpins = {
    WAYS "SELECT " ENDS
         ", via, sum(hairpins), CAST(sum(hairpins) AS REAL) / max(total), sum(added) / "
         "nullif(sum(detours), 0), sum(bytes) FROM w WHERE hairpins > 0" GROUPED
         ", via ORDER BY sum(added) DESC, sum(hairpins) DESC, " BY_NAME ", via" PAGE,
    {{"gateway", WAY_PLAIN},
     {"calls", WAY_PLAIN},
     {"share", WAY_SHARE},
     {"added_ns", WAY_PLAIN},
     {"bytes", WAY_PLAIN}}};

/* Of the roll-ups of traces, kept as long as traces are; a tally is counted with a time or without
 * one (TALLY_ZONE). */
static const struct way_list zones = {
    "WITH s AS MATERIALIZED (SELECT tally, sum(n) AS calls, sum(bad) AS errors, sum(sum_ns) AS "
    "ns FROM tally_row WHERE minute >= ?6 AND minute < ?7 AND tally IN (SELECT id FROM tally_key "
    "WHERE channel = " TALLY_ZONE_TEXT ") GROUP BY tally), w AS (SELECT rc.text AS "
    "caller_cluster, rn.text AS caller_namespace, rs.text AS caller_service, rr.text AS "
    "caller_role, ec.text AS callee_cluster, en.text AS callee_namespace, es.text AS "
    "callee_service, er.text AS callee_role, zf.text AS from_zone, zt.text AS to_zone, s.*, "
    "k.what AS timed, (SELECT sum(calls) FROM s) AS total FROM s JOIN tally_key k ON k.id = "
    "s.tally JOIN node r ON r.id = folded(?8, k.node) JOIN node c ON c.id = folded(?8, k.peer) "
    "JOIN name rc ON rc.id = "
    "r.cluster JOIN name rn ON rn.id = r.namespace JOIN name rs ON rs.id = r.service JOIN name ec "
    "ON ec.id = c.cluster JOIN name en ON en.id = c.namespace JOIN name es ON es.id = c.service "
    "JOIN word rr ON rr.list = 'role' AND rr.number = r.role JOIN word er ON er.list = 'role' AND "
    "er.number = c.role JOIN name zf ON zf.id = k.name JOIN name zt ON zt.id = k.detail WHERE "
    "((?1 = '' OR rc.text = ?1) AND (?2 = '' OR rn.text = ?2) AND (?3 = '' OR rs.text = ?3)) OR "
    "((?1 = '' OR ec.text = ?1) AND (?2 = '' OR en.text = ?2) AND (?3 = '' OR es.text = ?3))) "
    "SELECT " ENDS ", from_zone, to_zone, sum(calls), sum(errors), CAST(sum(calls) AS REAL) / "
    "max(total), sum(ns * timed) / nullif(sum(calls * timed), 0) FROM w" GROUPED
    ", from_zone, to_zone HAVING sum(calls) > 0 ORDER BY sum(errors) DESC, sum(calls) "
    "DESC, " BY_NAME ", from_zone, to_zone" PAGE,
    {{"from_zone", WAY_PLAIN},
     {"to_zone", WAY_PLAIN},
     {"calls", WAY_PLAIN},
     {"errors", WAY_PLAIN},
     {"share", WAY_SHARE},
     {"added_ns", WAY_PLAIN}}};

static void add_item(const struct way_list *list, sqlite3_stmt *row, struct buf *out)
{
    buf_add_char(out, '{');
    json_node(out, "caller", row, 0);
    json_node(out, "callee", row, 5);
    for (int i = 0; list->columns[i].name; i++) {
        const char *name = list->columns[i].name;
        if (list->columns[i].kind == WAY_SHARE)
            buf_addf(out, ",\"%s\":%.6g", name, sqlite3_column_double(row, 10 + i));
        else if (list->columns[i].kind == WAY_BOOL)
            buf_addf(out, ",\"%s\":%s", name, sqlite3_column_int(row, 10 + i) ? "true" : "false");
        else
            json_column(out, name, row, 10 + i);
    }
    buf_add_char(out, '}');
}

/* The nodes that the graph of the window has. */
#define NODES                                                                                      \
    "WITH e AS MATERIALIZED (SELECT DISTINCT edge FROM edge_minute_row WHERE minute >= ?1 AND "    \
    "minute < ?2) SELECT caller FROM e JOIN edge ON edge.id = e.edge UNION SELECT callee FROM e "  \
    "JOIN edge ON edge.id = e.edge"

static int list_ways(struct query *query, struct mesh *mesh, const struct way_list *list,
                     const struct query_filter *filter, struct buf *out, struct err *err)
{
    sqlite3_stmt *select;
    struct window window = window_of_minutes(filter->window);
    int64_t offset = 0, from = (int64_t)(window.from_ns / NS_PER_MINUTE),
            to = (int64_t)(window.to_ns / NS_PER_MINUTE);
    uint32_t n = 0;
    int code;
    if (query_offset(filter->cursor, &offset, err) ||
        folded_begin(mesh, query, LEVEL_SERVICE, NODES, from, to, err) ||
        query_begin(query, list->sql, &select, err))
        return err->code;
    query_bind_filter(select, filter, offset);
    sqlite3_bind_int64(select, 6, from);
    sqlite3_bind_int64(select, 7, to);
    folded_bind(select, 8, mesh);
    buf_add_c(out, "{\"items\":[");
    while ((code = sqlite3_step(select)) == SQLITE_ROW && n < filter->limit) {
        if (n++)
            buf_add_char(out, ',');
        add_item(list, select, out);
    }
    query_end_items(out, code == SQLITE_ROW, (uint64_t)offset + n);
    return query_end(query, select, code, err);
}

static int ways_json(struct query *query, const struct way_list *list,
                     const struct query_filter *filter, struct buf *out, struct err *err)
{
    struct mesh mesh = {0};
    int code = list_ways(query, &mesh, list, filter, out, err);
    mesh_fini(&mesh);
    return code;
}

int query_crossings_json(struct query *query, const struct query_filter *filter, struct buf *out,
                         struct err *err)
{
    return ways_json(query, &crossings, filter, out, err);
}

int query_security_json(struct query *query, const struct query_filter *filter, struct buf *out,
                        struct err *err)
{
    return ways_json(query, &securities, filter, out, err);
}

int query_hairpins_json(struct query *query, const struct query_filter *filter, struct buf *out,
                        struct err *err)
{
    return ways_json(query, &hairpins, filter, out, err);
}

int query_zones_json(struct query *query, const struct query_filter *filter, struct buf *out,
                     struct err *err)
{
    return ways_json(query, &zones, filter, out, err);
}
