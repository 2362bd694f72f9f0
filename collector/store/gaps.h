/* gaps.h - who does not hand trace context on, by the minute. All give 0 or an SQLite code. */
#ifndef STORE_GAPS_H
#define STORE_GAPS_H

#include <sqlite3.h>

#include "collector/model/turn.h"

struct store;

/* How it is known that a service does not hand trace context on. The numbers are stored: append,
 * never renumber. */
enum gap_reason {
    GAP_NONE,
    GAP_OWN_TRACE /* its proxy began a trace with a call of its */
};

struct gap_count {
    int64_t node, operation; /* row ids */
    uint8_t reason;          /* enum gap_reason */
    uint64_t minute;
    int64_t n;
};

struct gaps {
    struct gap_count counts[64]; /* of the turn that is applied */
    uint32_t n;
    sqlite3_stmt *find, *put, *drop;
};

int gaps_open(struct store *store);
void gaps_close(struct store *store);
int gaps_add(struct store *store, const struct turn *turn, const struct graph *graph, int sign);
/* Writes what was added; after the last trace of a turn. */
int gaps_apply(struct store *store);
/* The transaction was rolled back. */
void gaps_forget(struct store *store);

#endif
