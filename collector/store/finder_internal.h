/* finder_internal.h - what finder.c (a stored trace) and finder_requests.c (request ids of the last
 * minutes) share: the connection, and shapes and names with the stitcher's numbers.
 */
#ifndef STORE_FINDER_INTERNAL_H
#define STORE_FINDER_INTERNAL_H

#include "collector/store/store_internal.h"

struct trace_finder {
    struct store *store;
    sqlite3 *db;
    uint32_t max_spans; /* of a trace that is read back */
    sqlite3_stmt *key, *trace, *spans, *shape, *set, *resource, *name, *node;
};

/* One reading: where texts and numbers go. */
struct fetching {
    struct trace_finder *finder;
    struct names *names;
    struct nodes *nodes;
    struct shapes *shapes;
    struct arena *arena;
    bool failed; /* something could not be read: what was read is of no use */
};

/* Steps; false at the end, and with `failed` set when it cannot be read. */
bool finder_next_row(struct fetching *fetching, sqlite3_stmt *select);
name_no finder_name(struct fetching *fetching, int64_t id);
/* NULL when memory or the table is full. */
const struct shape *finder_shape(struct fetching *fetching, int64_t id, uint32_t *number);
uint64_t finder_ns(sqlite3_stmt *row, int column);  /* NULL: DURATION_UNKNOWN */
int16_t finder_code(sqlite3_stmt *row, int column); /* NULL: CODE_NONE */

#endif
