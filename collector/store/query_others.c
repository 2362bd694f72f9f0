/* query_others.c - names and calls between services, for the query APIs of others. */
#include "collector/store/query_others.h"

#include "collector/base/clock.h"
#include "collector/store/query_internal.h"
#include "collector/store/statements.h"

/* ?2: names in lower case. */
#define NAME(text) "CASE ?2 WHEN 1 THEN lower(" text ") ELSE " text " END"
/* A node is asked for by its service, or service.namespace (?1). */
#define IS_ASKED NAME("?1") " IN (" NAME("s.text") ", " NAME("s.text || '.' || n.text") ") "

static void bind_filter(sqlite3_stmt *select, const struct name_filter *filter)
{
    statement_bind_text(select, 1, filter->service);
    sqlite3_bind_int(select, 2, filter->fold_case);
}

int query_span_services(struct query *query, const struct name_filter *filter,
                        bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                        struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(
            query,
            "SELECT DISTINCT " NAME(
                "s.text") " FROM node d JOIN name s ON s.id = "
                          "d.service WHERE s.text != '' AND EXISTS (SELECT 1 FROM operation_row p "
                          "WHERE p.node = d.id) ORDER BY 1",
            &select, err))
        return err->code;
    bind_filter(select, filter);
    return query_each(query, select, row, ctx, err);
}

int query_span_operations(struct query *query, const struct name_filter *filter,
                          bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                          struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(
            query,
            "SELECT DISTINCT " NAME(
                "o.text") ", k.text FROM node d JOIN name s ON s.id = "
                          "d.service JOIN name n ON n.id = d.namespace JOIN operation_row p ON "
                          "p.node = "
                          "d.id JOIN name o ON o.id = p.name JOIN word k ON k.list = 'kind' AND "
                          "k.number = p.kind WHERE " IS_ASKED "AND (?3 = '' OR k.text = ?3) "
                          "ORDER BY 1, 2",
            &select, err))
        return err->code;
    bind_filter(select, filter);
    statement_bind_text(select, 3, filter->kind);
    return query_each(query, select, row, ctx, err);
}

int query_span_peers(struct query *query, const struct name_filter *filter,
                     bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                     struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(query,
                    "SELECT DISTINCT " NAME(
                        "c.text") " FROM node d JOIN name s ON s.id = "
                                  "d.service JOIN name n ON n.id = d.namespace JOIN edge e ON "
                                  "e.caller = d.id "
                                  "JOIN node p ON p.id = e.callee JOIN name c ON c.id = p.service "
                                  "WHERE c.text != '' AND " IS_ASKED "ORDER BY 1",
                    &select, err))
        return err->code;
    bind_filter(select, filter);
    return query_each(query, select, row, ctx, err);
}

int query_dependencies(struct query *query, struct window window, const struct name_filter *filter,
                       bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                       struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(
            query,
            "SELECT " NAME("r.text") ", " NAME(
                "c.text") ", sum(m.calls), sum(m.errors) "
                          "FROM (SELECT edge, sum(calls) AS calls, sum(errors_origin + "
                          "errors_carried) "
                          "AS errors FROM edge_minute_row WHERE minute BETWEEN ?3 AND ?4 GROUP BY "
                          "edge) "
                          "m JOIN edge e ON e.id = m.edge "
                          "JOIN node dr ON dr.id = e.caller JOIN name r ON r.id = dr.service "
                          "JOIN node dc ON dc.id = e.callee JOIN name c ON c.id = dc.service "
                          "WHERE r.text != '' AND c.text != '' AND dr.role != ?5 "
                          "AND (?1 = '' OR " NAME("?1") " IN (" NAME("r.text") ", " NAME(
                              "c.text") ")) "
                                        "GROUP BY 1, 2 HAVING sum(m.calls) > 0 ORDER BY 1, 2",
            &select, err))
        return err->code;
    bind_filter(select, filter);
    sqlite3_bind_int64(select, 3, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 4, (int64_t)(window.to_ns / NS_PER_MINUTE));
    sqlite3_bind_int(select, 5, ROLE_USER);
    return query_each(query, select, row, ctx, err);
}
