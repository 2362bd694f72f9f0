/* retention.h - what goes again: what is too old or too much (retention.c), and spans of ordinary
 * traces that need not stay (keep.c).
 */
#ifndef STORE_RETENTION_H
#define STORE_RETENTION_H

#include <sqlite3.h>

#include "collector/base/map.h"

struct store;

/* retention.c */
/* Is it time to look, or a pass under way? */
bool retention_is_due(const struct store *store);
/* Deletes for 50 ms when something is too old or too much; true when it did. Inside a transaction.
 */
bool retention_step(struct store *store, uint64_t now_wall_ns, int *code);

/* What keep.c learns of entries, and its statements. */
struct keep {
    struct keep_entry *entries; /* NULL until the first trace */
    uint32_t n;
    struct map map;
    sqlite3_stmt *select, *mark;
};

/* keep.c; only where store.keep is not `all` */
int keep_open(struct store *store);
void keep_close(struct store *store);
/* A slice of the traces from position.kept_to up to dropping_to. */
int keep_slice(struct store *store);

#endif
