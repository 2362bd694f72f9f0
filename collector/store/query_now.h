/* query_now.h - what the answer for the page Now is made of.
 *
 *   query_now.c      what users asked for, the sharpest way of failures; the whole
 *   query_changes.c  what is new in the window, and when failures began
 *   query_standing.c what is no failure and stays: ways round, clear text, lost trace context
 */
#ifndef STORE_QUERY_NOW_H
#define STORE_QUERY_NOW_H

#include "collector/store/query_series.h"

#define MOST_ORIGINS 3
#define MOST_CHANGES 12
#define MOST_PATH 16

struct entry {     /* an operation that users ask for */
    uint32_t node; /* of the graph */
    const char *name;
    int64_t row;
    struct traffic now, was; /* calls, began (all failures), client errors, histogram */
};

enum change_kind { NEW_SERVICE, NEW_VERSION, NEW_EDGE, PLAINTEXT, FAILURES };
struct change {
    enum change_kind kind;
    uint64_t at_ns;
    uint32_t edge;                /* of the graph; for the last three */
    const struct mesh_node *node; /* for the first two */
    int64_t calls;
};

struct gap {              /* an operation behind which traces begin anew */
    uint32_t node;        /* of the graph */
    struct str operation; /* empty when only the service is known */
    int64_t broken;
};

struct now {
    struct graph_answer answer;
    struct steps steps;
    struct series *users;                 /* calls from users */
    struct series *origins[MOST_ORIGINS]; /* where most began */
    uint32_t origin_edges[MOST_ORIGINS], n_origins;
    struct entry *entries;
    uint32_t n_entries;
    struct map entry_map; /* by row of the operation */
    struct change changes[MOST_CHANGES];
    uint32_t n_changes;
    struct gap *gaps;
    uint32_t n_gaps, cap_gaps;
    uint32_t path[MOST_PATH], n_path;    /* edges, from the users on */
    uint64_t *first_ns, *first_plain_ns; /* by edge of the graph: its first minute */
};

/* Goes through the rows of users' calls, of the worst origins and of what is new once more: fills
 * the series and the first minutes. */
int now_look_again(struct now *now, struct err *err);
/* Latest first. */
void now_find_changes(struct now *now);
/* ,"changes":[…] */
void now_changes_json(const struct now *now, struct buf *out);
/* Who drops trace context in the window. */
int now_find_gaps(struct now *now, struct err *err);
/* ,"standing":[…] */
void now_standing_json(const struct now *now, struct buf *out);

#endif
