/* store.h - the database: opening, migrating, and the one thread that writes and checkpoints.
 *
 * Tables are private (schema/sql); views are the contract. The writer takes turns from the
 * stitcher, applies them inside one transaction, commits every commit_interval (or at once for a
 * turn with `flush`), then tells who asked: turns go on to `committed`, in order.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "collector/base/err.h"
#include "collector/model/incident.h"
#include "collector/model/turn.h"

struct store_settings {
    const char *path;
    uint64_t commit_interval_ns;
    uint64_t retention_ns;        /* since it was stored */
    uint64_t max_size;            /* bytes of the database file */
    uint64_t minute_retention_ns; /* since last touched */
    uint64_t cache_bytes;
    uint64_t reopen_window_ns; /* traces this far back can be found by id for reopening */
    uint64_t reopen_memory;    /* bytes of Bloom filters */
    uint64_t edges_max;        /* limit.edges */
    unsigned keep_percent;     /* share of ordinary traces whose spans stay; 100: all */
    uint32_t events_max;       /* limit.events: events and logs of a span */
    /* After a commit, from the writer's thread: takes the turn. */
    void (*committed)(struct turn *turn, void *ctx);
    /* The disk has no room for the database: somebody may make some. From the writer's thread, or
     * whose is store_close(). */
    void (*no_room)(void *ctx);
    /* A sync of the database failed: ends the process. */
    void (*failed)(const struct err *err, void *ctx);
    void *ctx;
};

struct store;

/* Takes the lock file (path + "-lock"), opens or makes the database, migrates it in one
 * transaction, sets aside a corrupt one under a dated name (logged). ERR_IO for a newer schema, a
 * foreign file, a taken lock; ERR_BUSY when memory is short, or the disk has no room. */
int store_open(const struct store_settings *settings, struct store **store, struct err *err);
/* Where the web of a collector is for other programs on its machine. */
struct store_web {
    char url[300]; /* by a name it answers to: "http://localhost:4319"; '': it has none */
    char at[300];  /* where it listens: "127.0.0.1:4319", "unix:/path" */
};
void store_tell_web(struct store *store, const struct store_web *web);
/* Has a collector this database open? Then `web` gets what it told. */
bool store_is_running(const char *path, struct store_web *web);
/* Something could not be read at the start: if the file is damaged, the next start sets it aside.
 * Before store_start(). */
void store_look_for_damage(struct store *store);
/* What the last commit said. */
uint64_t store_booked_to(struct store *store);
uint64_t store_needed_from(struct store *store);
uint64_t store_next_trace_no(struct store *store);

/* Where clear text is allowed: 'caller -> callee' each (CONTRACT §1, nodes). Copied; in the file
 * soon after, or with the next commit. ERR_INVALID for what cannot be read: then all stays. Any
 * thread. */
int store_allow_plaintext(struct store *store, const char *const *rules, size_t n, struct err *err);

/* The next message of a partition (`topic`: its hash, see body.h), by what is committed; -1 when
 * none ever came. Any thread. */
int64_t store_kafka_next(struct store *store, uint64_t topic, int32_t partition);

/* Who wants to know what was learnt across traces: who is at which address, the newest first, and
 * whom proxies serve. Texts live for the call. Each returns false to have no more. */
struct store_learner {
    bool (*address)(void *ctx, const struct known_address *known);
    bool (*proxy)(void *ctx, const struct known_proxy *known);
    void *ctx;
};
/* Before the start. */
int store_learn(struct store *store, const struct store_learner *learner, struct err *err);

/* A replay from files. While it is under way the database knows of it, so that after an
 * interruption the same replay can go on: bodies are the pieces of its files, numbered from
 * first_seq on. */
struct replay_mark {
    uint64_t files;       /* which files, and how they are read; 0: it cannot be told */
    uint64_t received_ns; /* of all its bodies */
    int64_t shift_ns;
    uint64_t first_seq;
    uint64_t n_done; /* first bodies of which everything is stored */
};
/* Before the start: notes that this replay begins, or fills the mark with what an interrupted one
 * of the same files noted. Any other is forgotten. */
int store_begin_replay(struct store *store, struct replay_mark *mark, struct err *err);
/* All of it is stored, or somebody else numbers bodies from now on: forgets it. Before the start or
 * behind store_join(). ERR_BUSY when the disk has no room. */
int store_end_replay(struct store *store, struct err *err);

int store_start(struct store *store, struct err *err);
/* Takes the turn; waits while the writer's queue is full. False when the store is stopping. */
bool store_push(struct store *store, struct turn *turn);
/* Takes the incident: its rows are written with the next commit, in place of those it had. Any
 * thread. */
void store_put_incident(struct store *store, struct incident *incident);
/* Waits until those that were put are committed; false past the deadline (time on the wall). */
bool store_wait_incidents(struct store *store, uint64_t deadline_ns);
/* Applies and commits what was pushed (no thread; tests and replay). */
int store_step(struct store *store, struct err *err);
/* Gives free pages back to the disk, all of them, while turns come; waits. Says how large the file
 * was and is, bytes. ERR_BUSY when the writer has not done so past the deadline (time on the wall).
 */
int store_vacuum(struct store *store, uint64_t deadline_ns, uint64_t bytes[2], struct err *err);
/* Commits everything pushed, checkpoints, ends the thread. */
void store_join(struct store *store);
void store_close(struct store *store);

/* Version of the SQLite library in use. */
const char *store_sqlite_version(void);

uint64_t
store_progress_ns(struct store *store); /* monotonic time when the writer last was not in vain */
const char *store_state(struct store *store); /* "", "disk_full", "memory" or "store_failed" */

/* Somebody removed or replaced its file. */
bool store_is_taken_away(struct store *store);

/* ---- reading back for the stitcher; its own read-only connection, one thread ---- */

struct trace_finder;
/* Traces of `max_spans` and more are not read back whole. */
int trace_finder_open(struct store *store, uint32_t max_spans, struct trace_finder **finder,
                      struct err *err);
void trace_finder_close(struct trace_finder *finder);
/* Could this trace be stored? Bloom filters and the open run: no false 'no' for traces of the
 * reopen window. */
bool trace_finder_maybe(struct trace_finder *finder, struct trace_id id);
/* Reads a stored trace into `arena` with numbers of the given tables: id, trace_no, reopened and
 * `now` of *found; of one that is too big its spans' number as `base`, and not the spans. 1 found,
 * 0 not, 2 found and too old to be opened again, -1 failed. */
int trace_finder_fetch(struct trace_finder *finder, struct trace_id id, struct names *names,
                       struct nodes *nodes, struct shapes *shapes, struct arena *arena,
                       struct cut_trace *found, struct err *err);
/* Tells the spans of a trace that is too big. */
void trace_finder_span_keys(struct trace_finder *finder, const struct cut_trace *found,
                            void (*tell)(void *ctx, struct trace_id id, uint64_t span_id,
                                         uint64_t start_ns),
                            void *ctx);
/* Tells every span with a request id of the newest 10 minutes, at most some 32,768, in the order in
 * which their traces were cut; `known` lives for the call. Before the start. */
int trace_finder_requests(struct trace_finder *finder, struct names *names, struct nodes *nodes,
                          struct shapes *shapes,
                          void (*tell)(void *ctx, const struct known_request *known), void *ctx,
                          struct err *err);

#endif
