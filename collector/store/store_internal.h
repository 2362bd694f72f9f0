/* store_internal.h - struct store, which the files of the writing half share, and its transaction.
 * All of it is the writer thread's but what is marked.
 *
 *   store.c       the thread, and what it does when
 *   transaction.c what is applied becomes one transaction, or is applied again; checkpoints
 *   parts.h       parts.c: when each part opens, writes, forgets and closes
 *   file.h        file.c: the lock, opening, migrating, setting a corrupt file aside
 *   statements.h  statements.c: SQL that is prepared, bound, asked and run
 *   dictionary.h  dictionary.c: local numbers of names, nodes, shapes … to row ids
 *   minutes.h     minutes.c, hop_minutes.c, rollups.c: rows of a minute gathered in memory
 *   relations.h   relations.c, clocks.c, knowledge.c, plaintext.c: what is known of a mesh
 *   gaps.h        gaps.c: who does not hand trace context on
 *   traces.h      traces.c, feed.c, keys.c, trace_minutes.c: traces to rows, ids to their numbers
 *   points.h      metrics.c, metric_series.c, metric_families.c, logs.c: points, log records
 *   told.h        told.c, told_edges.c, told_minutes.c: edges that counters of proxies tell of
 *   retention.h   retention.c, keep.c: what goes again
 *   incidents.c   incidents, suspects, evidence, pinned traces
 *   kafka_positions.c  the next message of each Kafka partition
 *   replay_mark.c what a replay from files has done
 *   finder.c, finder_requests.c  reading back for the stitcher, on a connection of their own
 */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "collector/base/clock.h"
#include "collector/base/jumps.h"
#include "collector/base/queue.h"
#include "collector/base/stats.h"
#include "collector/store/dictionary.h"
#include "collector/store/gaps.h"
#include "collector/store/minutes.h"
#include "collector/store/points.h"
#include "collector/store/relations.h"
#include "collector/store/retention.h"
#include "collector/store/store.h"
#include "collector/store/told.h"
#include "collector/store/traces.h"

#define REST_NS (2 * NS_PER_S) /* without a commit: what is in the log goes into the file */

/* What keeps the writer: of all but the last it tries again. UNWRITTEN: whatever else, for example
 * a disk that fails for a moment or another program that holds the file. */
enum store_state {
    STATE_GOOD,
    STATE_DISK_FULL,
    STATE_MEMORY,
    STATE_UNWRITTEN,
    STATE_DAMAGED,
    STATE_TAKEN_AWAY, /* the file was removed or replaced: nothing is committed that no start finds
                       */
    STATE_FAILED
};

struct kafka_positions {
    struct kafka_place *items; /* the offset is that of the next message */
    uint32_t n;
    pthread_mutex_t mutex; /* guards the two: the receiver asks */
    sqlite3_stmt *put;
};

struct position {
    uint64_t booked_to, needed_from, next_trace_no, n_spans;
    uint64_t kept_to; /* keep.c has looked at the traces below */
};

struct store {
    struct store_settings settings;
    int lock_fd;
    sqlite3 *db;
    struct dictionary dictionary;
    struct minutes minutes;
    struct rollups rollups;
    struct hop_minutes hop_minutes;
    struct relations relations;
    struct clocks clocks;
    struct gaps gaps;
    struct kafka_positions kafka;
    struct keys keys;
    struct keep keep;
    struct trace_minutes trace_minutes;
    struct metrics metrics;
    struct told told;
    struct logs logs;
    struct position position; /* with what is applied; committed with the transaction */
    sqlite3_stmt *put_trace, *put_spans, *drop_trace, *mark_trace, *drop_spans, *put_position,
        *put_trace_minute;
    struct buf calls_blob;
    const struct turn *feed_turn; /* what turn_span shows, and the ids of its spans */
    struct span_ids *feed_ids;
    size_t cap_feed_ids;

    struct queue *queue; /* struct turn */
    pthread_t thread;
    bool running;
    struct turn *applied_first, *applied_last; /* in the open transaction */
    bool in_transaction;
    uint64_t begun_ns;     /* when the transaction was begun */
    uint64_t committed_ns; /* when the last one was committed */
    unsigned n_damaged;    /* transactions in a row that found the file damaged */
    uint64_t truncate_ns;  /* monotonic; before, the log is not truncated: a reader stays */
    uint64_t looked_ns;    /* monotonic time when the file was last looked for */
    bool in_log;           /* since then nothing was checkpointed to the end */
    uint64_t retention_ns; /* monotonic time of the last look */
    struct jumps jumps;    /* of the wall clock, as retention looks at it */
    uint64_t deleting_to;  /* retention deletes traces below this number; 0: nothing to do */
    uint64_t dropping_to;  /* keep.c looks at the traces below this number; 0: nothing to do */
    bool in_need;          /* the file was larger than it may be when it was looked at */
    bool shrinking;        /* retention gives free pages back to the disk */
    int64_t oldest_trace_no;
    int64_t first_of_run; /* the first number that this process gave */
    uint64_t n_gone;      /* spans that retention deleted in the open transaction */

    /* Any thread. */
    _Atomic(char *) new_rules; /* security.allow_plaintext, not written yet */
    pthread_mutex_t incidents_mutex;
    struct incident *incidents; /* to be written, the oldest first; the writer alone takes away */
    _Atomic bool vacuuming;     /* store_vacuum() waits */
    _Atomic uint64_t progress_ns;
    _Atomic enum store_state state;
    _Atomic uint64_t committed_booked_to, committed_needed_from, committed_next_trace_no;
    struct stat_series *bytes, *wal_bytes, *commit_seconds, *n_spans, *oldest_seconds, *n_deleted;
};

/* transaction.c: one is open or none. Codes are SQLite's. */
int transaction_read_position(struct store *store);
int transaction_begin(struct store *store);
int transaction_apply(struct store *store, const struct turn *turn);
/* Until it is through; turns are handed on. */
void transaction_commit(struct store *store);
/* Once. */
int transaction_try(struct store *store);
void transaction_roll_back(struct store *store, int code);
/* One without turns, which nobody waits for; `code` is why, 0 when it has done nothing. */
void transaction_drop(struct store *store, int code);
/* Rolls back, and does the same turns again until they are committed. */
void transaction_start_over(struct store *store, int code);
void transaction_checkpoint(struct store *store);
/* To the gauges of the file and its log. */
void transaction_tell_sizes(struct store *store);
/* Is the file that is open the one that the next start would find? Told once when it is not. */
bool transaction_has_file(struct store *store);
/* Nothing may be committed behind a sync that failed: ends the process if this code says so. */
void transaction_note_sync(struct store *store, int code);

/* incidents.c */
bool incidents_wait(struct store *store);
/* Before a commit; says how many are written, to be forgotten once it is through. */
int incidents_write(struct store *store, unsigned *n_written);
void incidents_forget(struct store *store, unsigned n);

/* kafka_positions.c */
int kafka_open(struct store *store);
void kafka_close(struct store *store);
int kafka_add(struct store *store, const struct turn *turn);
void kafka_committed(struct store *store, const struct turn *turn);

#endif
