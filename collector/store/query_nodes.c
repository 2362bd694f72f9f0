/* query_nodes.c - lists of who was seen and of what they do, unknown parts folded as in the graph.
 */
#include "collector/store/query_folded.h"

/* The nodes that were seen in the window. */
#define NODES                                                                                      \
    "SELECT id FROM node WHERE last_seen_ns > 0 AND first_seen_ns < ?2 AND last_seen_ns >= ?1"

/* Parameters: ?1 … ?5 of query_bind_filter(), ?6 and ?7 the window, ?8 who stands for whom. */
#define TEXT_OF(ns)                                                                                \
    "strftime('%Y-%m-%dT%H:%M:%S', " ns " / 1000000000, 'unixepoch') || printf('.%09dZ', " ns      \
    " % 1000000000)"
#define NODE "nc.text, nn.text, ns.text, nv.text, wr.text, "
#define TIMES TEXT_OF("s.first_ns") ", " TEXT_OF("s.last_ns") " FROM s "
#define ASKED                                                                                      \
    "JOIN node d ON d.id = s.node JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = "      \
    "d.namespace JOIN name ns ON ns.id = d.service JOIN name nv ON nv.id = d.version JOIN word "   \
    "wr ON wr.list = 'role' AND wr.number = d.role WHERE (?1 = '' OR nc.text = ?1) AND (?2 = '' "  \
    "OR nn.text = ?2) AND (?3 = '' OR ns.text = ?3) "
#define PAGE " LIMIT ?4 OFFSET ?5"

struct node_list {
    const char *sql; /* the five columns of a node, then these */
    const char *columns[5];
};

static const struct node_list services = {
    "WITH s AS MATERIALIZED (SELECT folded(?8, id) AS node, min(first_seen_ns) AS first_ns, "
    "max(last_seen_ns) AS last_ns FROM node WHERE last_seen_ns > 0 AND first_seen_ns < ?7 AND "
    "last_seen_ns >= ?6 GROUP BY 1) SELECT " NODE TIMES ASKED
    "ORDER BY ns.text, nn.text, nc.text, nv.text, wr.text" PAGE,
    {"first_seen", "last_seen"}};

static const struct node_list operations = {
    "WITH s AS MATERIALIZED (SELECT folded(?8, node) AS node, name, kind, min(first_seen_ns) AS "
    "first_ns, max(last_seen_ns) AS last_ns FROM operation_row WHERE first_seen_ns < ?7 AND "
    "last_seen_ns >= ?6 GROUP BY 1, name, kind) SELECT " NODE "no.text, wk.text, " TIMES
    "JOIN name no ON no.id = s.name JOIN word wk ON wk.list = 'kind' AND wk.number = s.kind " ASKED
    "ORDER BY ns.text, no.text, wk.text, nn.text, nc.text, nv.text, wr.text" PAGE,
    {"operation", "kind", "first_seen", "last_seen"}};

static int list_items(struct query *query, struct mesh *mesh, const struct node_list *list,
                      const struct query_filter *filter, struct buf *out, struct err *err)
{
    sqlite3_stmt *select;
    int64_t offset = 0, from_ns = (int64_t)filter->window.from_ns,
            to_ns = (int64_t)filter->window.to_ns;
    uint32_t n = 0;
    int code;
    if (query_offset(filter->cursor, &offset, err) ||
        folded_begin(mesh, query, LEVEL_VERSION, NODES, from_ns, to_ns, err) ||
        query_begin(query, list->sql, &select, err))
        return err->code;
    query_bind_filter(select, filter, offset);
    sqlite3_bind_int64(select, 6, from_ns);
    sqlite3_bind_int64(select, 7, to_ns);
    folded_bind(select, 8, mesh);
    buf_add_c(out, "{\"items\":[");
    while ((code = sqlite3_step(select)) == SQLITE_ROW && n < filter->limit) {
        buf_add_c(out, n++ ? ",{" : "{");
        json_node(out, "node", select, 0);
        for (int i = 0; list->columns[i]; i++)
            json_column(out, list->columns[i], select, 5 + i);
        buf_add_char(out, '}');
    }
    query_end_items(out, code == SQLITE_ROW, (uint64_t)offset + n);
    return query_end(query, select, code, err);
}

static int list_json(struct query *query, const struct node_list *list,
                     const struct query_filter *filter, struct buf *out, struct err *err)
{
    struct mesh mesh = {0};
    int code = list_items(query, &mesh, list, filter, out, err);
    mesh_fini(&mesh);
    return code;
}

int query_services_json(struct query *query, const struct query_filter *filter, struct buf *out,
                        struct err *err)
{
    return list_json(query, &services, filter, out, err);
}

int query_operations_json(struct query *query, const struct query_filter *filter, struct buf *out,
                          struct err *err)
{
    return list_json(query, &operations, filter, out, err);
}
