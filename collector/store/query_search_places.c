/* query_search_places.c - what a few letters in the head's search box may mean: edges, services,
 * incidents, operations. */
#include "collector/store/query_internal.h"
#include "collector/store/query_search.h"
#include "collector/store/statements.h"

#define MOST 8
#define MOST_INCIDENTS 2 /* they leave room for operations */
#define NODE_COLUMNS                                                                               \
    "nc.text, nn.text, ns.text, '', (SELECT text FROM word WHERE list = 'role' AND number = "      \
    "d.role)"
#define NODE_NAMES                                                                                 \
    "JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace JOIN name ns ON ns.id " \
    "= d.service "

static const char services_sql[] =
    "SELECT " NODE_COLUMNS ", ns.text FROM node d " NODE_NAMES
    "WHERE instr(lower(ns.text), lower(?1)) AND (?2 = '') AND ns.text != '' "
    "GROUP BY 1, 2, 3 ORDER BY lower(ns.text) != lower(?1), length(ns.text), ns.text LIMIT ?3";
static const char operations_sql[] =
    "SELECT " NODE_COLUMNS ", no.text FROM operation_row p JOIN name no ON no.id = p.name JOIN "
    "node d ON d.id = p.node " NODE_NAMES "WHERE instr(lower(no.text), lower(?4)) "
    "GROUP BY 1, 2, 3, no.text ORDER BY length(no.text), no.text, ns.text LIMIT ?3";
static const char edges_sql[] =
    "SELECT " NODE_COLUMNS
    ", ns.text || ' \xe2\x86\x92 ' || es.text, ec.text, en.text, es.text, '', (SELECT text FROM "
    "word WHERE list = 'role' AND number = e.role) "
    "FROM edge g JOIN node d ON d.id = g.caller " NODE_NAMES
    "JOIN node e ON e.id = g.callee JOIN name ec ON ec.id = e.cluster JOIN name en ON en.id = "
    "e.namespace JOIN name es ON es.id = e.service "
    "WHERE ?2 != '' AND instr(lower(ns.text), lower(?1)) AND instr(lower(es.text), lower(?2)) "
    "GROUP BY 1, 2, 3, 7, 8, 9 ORDER BY length(ns.text) + length(es.text), 6 LIMIT ?3";
/* Every word is one of the incident's; a number is its own, as shares in the summary have any. */
static const char incidents_sql[] =
    "WITH RECURSIVE word(w, rest) AS (SELECT '', lower(?4) || ' ' UNION ALL SELECT substr(rest, 1, "
    "instr(rest, ' ') - 1), substr(rest, instr(rest, ' ') + 1) FROM word WHERE rest != '') "
    "SELECT cluster, namespace, service, version, role, summary, id FROM incident_row WHERE NOT "
    "EXISTS (SELECT 1 FROM word WHERE CASE WHEN w = '' OR w GLOB '*[^0-9]*' THEN NOT "
    "instr(lower('incident ' || operation || ' ' || service || ' ' || summary), w) ELSE CAST(w AS "
    "INTEGER) != id END) ORDER BY id DESC LIMIT ?3";

/* The first two words; an arrow or '>' between them is a blank. */
static void two_words(struct str q, struct str *a, struct str *b)
{
    static const struct str arrow = STR("\xe2\x86\x92");
    size_t n = 0;
    q = str_trim(q);
    while (n < q.len && q.p[n] != ' ' && q.p[n] != '>' && !str_starts(str_skip(q, n), arrow))
        n++;
    *a = (struct str){q.p, n};
    q = str_skip(q, n);
    while (q.len && (q.p[0] == ' ' || q.p[0] == '>' || str_starts(q, arrow)))
        q = str_skip(q, q.p[0] == ' ' || q.p[0] == '>' ? 1 : arrow.len);
    for (n = 0; n < q.len && q.p[n] != ' ';)
        n++;
    *b = (struct str){q.p, n};
}

static void bind(sqlite3_stmt *select, int at, struct str text)
{
    if (at <= sqlite3_bind_parameter_count(select))
        statement_bind_text(select, at, text);
}

static int add_places(struct query *query, const char *kind, const char *sql, struct str q,
                      unsigned *n, struct buf *out, struct err *err)
{
    bool incidents = sql == incidents_sql;
    sqlite3_stmt *select;
    struct str a, b;
    int code;
    if (query_begin(query, sql, &select, err))
        return err->code;
    two_words(q, &a, &b);
    bind(select, 1, a);
    bind(select, 2, b);
    sqlite3_bind_int64(select, 3, incidents ? MOST_INCIDENTS : MOST / 2);
    bind(select, 4, str_trim(q));
    while ((code = sqlite3_step(select)) == SQLITE_ROW && *n < MOST) {
        buf_add_c(out, (*n)++ ? ",{" : "{");
        json_member(out, "kind", str_of(kind));
        json_member(out, "text", column_str(select, 5));
        json_node(out, "node", select, 0);
        if (incidents)
            json_member(out, "id", column_str(select, 6));
        else if (sqlite3_column_count(select) > 6)
            json_node(out, "peer", select, 6);
        buf_add_char(out, '}');
    }
    return query_end(query, select, code, err);
}

int query_search_places_json(struct query *query, struct str q, struct buf *out, struct err *err)
{
    unsigned n = 0;
    q = str_trim(q);
    buf_add_c(out, "{\"items\":[");
    if (q.len && (add_places(query, "edge", edges_sql, q, &n, out, err) ||
                  add_places(query, "service", services_sql, q, &n, out, err) ||
                  add_places(query, "incident", incidents_sql, q, &n, out, err) ||
                  add_places(query, "operation", operations_sql, q, &n, out, err)))
        return err->code;
    buf_add_c(out, "]}");
    return 0;
}
