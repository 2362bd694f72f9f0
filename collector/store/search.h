/* search.h - traces of a window that fit a search line: the scan that list, overview and comparison
 * share. Private to the query_search_*.c files.
 *
 * It reads trace_row from the newest number down, decides what it can from the row and its calls,
 * and looks at spans only where a condition needs them. Names, nodes, shapes and attribute sets are
 * read once.
 */
#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include "collector/base/map.h"
#include "collector/model/graph.h"
#include "collector/store/query_internal.h"
#include "collector/store/rows.h"
#include "collector/store/search_text.h"

/* After this a scan stops: an answer is better than waiting, and what is left out is said. */
#define SEARCH_SCAN_NS (UINT64_C(2500) * 1000000)

struct search_node {
    struct str cluster, namespace, service, version;
    uint8_t role;
};

/* A row of trace_row; ids are row ids of nodes and names. */
struct search_trace {
    int64_t trace_no;
    const unsigned char *id;        /* 16 bytes; until the next row */
    uint64_t start_ns, duration_ns; /* DURATION_UNKNOWN */
    uint32_t entry, origin;
    int64_t entry_operation, origin_operation, origin_reason;
    uint32_t span_count, service_count, error_count, parts;
    bool error, complete, kept;
    uint32_t reopened;
    struct str calls; /* until the next row */
};

/* What stands between two spans' texts: read once a row id. */
struct search_text_row {
    int64_t id;
    struct str text;
    uint32_t fits; /* bit c: condition c is satisfied by it; attribute sets and resources */
};

struct search_shape {
    int64_t id, operation, instance, resource;
    uint8_t kind, format;
};

/* Texts by row id, one list for each table. */
struct search_cache {
    struct map map;
    struct search_text_row *rows;
    uint32_t n, cap;
    sqlite3_stmt *select;
    bool attributes; /* its texts are attributes: `fits` is kept */
};

struct search {
    struct query *query;
    struct arena arena;
    struct search_text text;
    struct window window;
    struct search_node *nodes; /* by row id */
    uint32_t n_nodes;
    uint8_t *node_fits[MAX_CONDITIONS]; /* by row id; of conditions on nodes */
    struct search_cache names, sets, resources;
    struct search_shape *shapes;
    uint32_t n_shapes, cap_shapes;
    struct map shape_map;
    sqlite3_stmt *spans, *shape, *flags, *row;
    uint64_t until_ns;      /* monotonic; the scan stops here and says so */
    bool stopped;           /* it did */
    uint64_t stopped_at_ns; /* start of the last trace that it saw */
};

/* Reads the search line and the nodes. On success the caller must close it. */
int search_open(struct search *search, struct query *query, struct window window, struct str q,
                struct err *err);
void search_close(struct search *search);

/* Called for each trace that fails at most one condition (`only_whole`: none). `failed`: bits of
 * the conditions that do not hold. Returns false to stop. */
typedef bool search_visit(struct search *search, const struct search_trace *trace, uint32_t failed,
                          void *ctx);
int search_scan(struct search *search, bool only_whole, search_visit *visit, void *ctx,
                struct err *err);

/* '' for 0 and for what is not there. */
struct str search_name(struct search *search, int64_t id);
const struct search_node *search_node_of(const struct search *search, uint64_t id);
const struct search_shape *search_shape_of(struct search *search, int64_t id);
/* The text and what is remembered of it; NULL when memory is short. */
struct search_text_row *search_cached(struct search *search, struct search_cache *cache,
                                      int64_t id);

/* Where the failure began, as people read it: with a caller where the callee never spoke. */
struct search_origin {
    const struct search_node *caller, *callee; /* caller may be NULL; callee NULL: unknown */
};
struct search_origin search_origin_of(const struct search *search,
                                      const struct search_trace *trace);
/* "cart v2→redis", "catalog v1", '' when unknown: the value of a `began=` condition. */
void search_origin_text(const struct search_origin *origin, struct buf *out);

/* {"cluster", …, "role"} */
void search_node_json(const struct search_node *node, struct buf *out);
/* Adds `,"services":[…]`, of a trace in the order in which calls reach them, also those that sent
 * no span; the first 32. */
void search_services_json(const struct search *search, uint32_t entry, struct str calls,
                          struct buf *out);
struct search_box;
bool search_in_box(const struct search_box *box, const struct search_trace *trace);

#endif
