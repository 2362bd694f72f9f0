/* traces.h - traces and spans of a turn to rows (traces.c, feed.c), trace ids to numbers of traces
 * (keys.c), minutes to ranges of those (trace_minutes.c).
 */
#ifndef STORE_TRACES_H
#define STORE_TRACES_H

#include <pthread.h>
#include <sqlite3.h>

#include "collector/base/map.h"
#include "collector/model/turn.h"

struct store;

#define RUN_TRACES 100000u /* traces of a run, and of a generation of dictionaries */

/* Row ids of what a span refers to. */
struct span_ids {
    int64_t shape, set, node, peer, flags_text;
};

/* traces.c; all give 0 or an SQLite code */
int traces_open(struct store *store);
void traces_close(struct store *store);
int traces_apply(struct store *store, const struct turn *turn);

/* feed.c: makes turn_span, which shows store->feed_turn. */
int feed_register(struct store *store);

/* Bloom filter of one full run. */
struct run_filter {
    uint64_t run;
    uint64_t stored_s; /* when its last trace was stored */
    uint8_t *bits;     /* NULL: not built yet, everything may be in it */
};

struct keys {
    pthread_mutex_t mutex; /* the writer adds, the stitcher looks: held for nanoseconds */
    uint64_t open_run;
    struct trace_id *ids; /* of the open run, by trace_no − open_run × RUN_TRACES; zero: none */
    struct map open_map;  /* hash of id -> index into ids */
    struct map low_map;   /* hash of the lower half of ids of 128 bits, one of each -> the same */
    bool cut_short;       /* somebody sends ids of 64 bits: low_map is kept */
    bool has_short;       /* a trace of the open run, or a later one, had an id of 64 bits */
    struct run_filter *filters; /* of full runs, oldest first */
    size_t n_filters, cap_filters;
    sqlite3_stmt *add;
};

/* keys.c */
int keys_open(struct store *store);
void keys_close(struct store *store);
/* After the rows of a trace were written, the first time or under an id that it did not have.
 * `cut_short`: it is found by the lower half of its id too. */
int keys_add(struct store *store, struct trace_id id, uint64_t trace_no, bool cut_short);
/* Builds one missing filter; false when there is none. */
bool keys_build_filter(struct store *store);
int64_t trace_id_key(struct trace_id id);
/* Runs that may hold this id, newest first: at most `max`; UINT64_MAX − n never. Any thread. */
size_t keys_candidates(struct store *store, struct trace_id id, uint64_t *runs, size_t max,
                       uint64_t *trace_no);
/* Whether a trace may be stored under the lower half of an id alone. Any thread. */
bool keys_have_short(struct store *store);
/* For an id of 64 bits: a trace of the open run with the same lower half, whose whole id and number
 * these become. Any thread. */
bool keys_kin(struct store *store, struct trace_id *id, uint64_t *trace_no);

/* Numbers of the traces that start in one minute, since the last commit. */
#define TRACE_MINUTES 64
struct trace_minute {
    uint64_t minute, first_no, last_no;
};
struct trace_minutes {
    struct trace_minute rows[TRACE_MINUTES];
    unsigned n;
};

/* trace_minutes.c; all give 0 or an SQLite code */
int trace_minutes_open(struct store *store);
void trace_minutes_close(struct store *store);
int trace_minutes_add(struct store *store, uint64_t start_ns, uint64_t trace_no);
/* Before a commit. */
int trace_minutes_write(struct store *store);
/* The transaction was rolled back. */
void trace_minutes_forget(struct store *store);

#endif
