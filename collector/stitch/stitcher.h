/* stitcher.h - the table of traces in memory, and when a trace leaves it (STITCHING §5).
 *
 *   (no entry) --span--> LIVE --quiet, old, memory or inbox short, flush, stop--> SETTLING --given
 * back--> (no entry)
 *                          ^------------------------- span --------------------------'
 *
 * Bodies come in order of seq. What is cut leaves in turns; a turn comes back when the writer has
 * committed it and the exporters have read it: until then its traces are SETTLING and can be found
 * without the store.
 */
#ifndef STITCH_STITCHER_H
#define STITCH_STITCHER_H

#include "collector/model/body.h"
#include "collector/model/shapes.h"
#include "collector/model/turn.h"
#include "collector/stitch/stitch.h"

struct stitcher_settings {
    uint64_t trace_idle_ns, trace_max_age_ns; /* stitch.trace_idle, stitch.trace_max_age */
    uint64_t memory;                          /* stitch.memory, bytes of live traces */
    uint64_t inbox_share; /* bytes of bodies that a live trace may hold back; 0: no limit */
    uint32_t max_spans_per_trace;
    uint64_t turn_interval_ns; /* how often a turn is handed on when there is something in it */
    bool ahead;                /* a flush learns who is where before it cuts: a replay's end */
    uint64_t first_trace_no;
    uint64_t booked_to;          /* bodies up to here are in the ledger already (after a restart) */
    uint64_t stored_to;          /* … and all that bodies up to here had is stored */
    size_t queue_bodies;         /* bodies that may wait; 0: 64 */
    struct shapes_limits shapes; /* `inside` is filled in from the knowledge when NULL */
    struct knowledge *knowledge; /* taken: malloc'd in one piece */
    /* Reading stored traces back (the store); all may be NULL. Of one that has max_spans_per_trace
     * spans or more, `base` of *found says how many, and they are not read. */
    bool (*maybe)(void *ctx, struct trace_id id);
    /* 1 found, 0 not, 2 found and too old to be opened again, -1 failed. */
    int (*fetch)(void *ctx, struct trace_id id, struct names *names, struct nodes *nodes,
                 struct shapes *shapes, struct arena *arena, struct cut_trace *found,
                 struct err *err);
    /* Tells the spans of such a trace. */
    void (*span_keys)(void *ctx, const struct cut_trace *found,
                      void (*tell)(void *tell_ctx, struct trace_id id, uint64_t span_id,
                                   uint64_t start_ns),
                      void *tell_ctx);
    /* Tells the spans with request ids that were stored lately; at the start. May be NULL. */
    int (*requests)(void *ctx, struct names *names, struct nodes *nodes, struct shapes *shapes,
                    void (*tell)(void *tell_ctx, const struct known_request *known), void *tell_ctx,
                    struct err *err);
    /* Adds what the trace changes to turn->rollup; may be NULL. False when memory is short. `nodes`
     * is the stitcher's table, for adding too. */
    bool (*count)(void *ctx, struct nodes *nodes, struct turn *turn, const struct cut_trace *cut);
    /* Takes the turn; may block. False when nobody takes turns any more (it is freed then). */
    bool (*emit)(void *ctx, struct turn *turn);
    void *ctx;
};

struct stitcher;

struct stitcher *stitcher_new(const struct stitcher_settings *settings, struct err *err);
void stitcher_free(struct stitcher *stitcher);

/* From the next body on it knows this instead; takes it (malloc'd in one piece). Any thread. */
void stitcher_learn(struct stitcher *stitcher, struct knowledge *knowledge);
/* Before the start: what was known when the process ended: who was at which address, whom a proxy
 * served. False when it takes no more. */
bool stitcher_know_address(struct stitcher *stitcher, const struct known_address *known);
bool stitcher_know_proxy(struct stitcher *stitcher, const struct known_proxy *known);
int stitcher_start(struct stitcher *stitcher, struct err *err);
/* Takes the body (its batch decoded) when it returns true; never blocks: false when the queue is
 * full. */
bool stitcher_try_push(struct stitcher *stitcher, struct body *body);
/* The same, waits for room; false when stopping. */
bool stitcher_push(struct stitcher *stitcher, struct body *body);
/* Any thread: the turn is committed and read; takes it. */
void stitcher_give_back(struct stitcher *stitcher, struct turn *turn);
/* Any thread but the stitcher's: cuts everything that was pushed before this call and hands it on
 * in a turn with `flush` set. Gives that turn's number and how many traces were cut; waits until it
 * is handed on. 0 when stopping. */
uint64_t stitcher_flush(struct stitcher *stitcher, uint64_t *n_cut);
/* Cuts everything, hands it on, ends the thread. */
void stitcher_join(struct stitcher *stitcher);

/* Without a thread (tests, replay): takes one body; then one round of the clock. */
void stitcher_take(struct stitcher *stitcher, struct body *body, uint64_t now_mono_ns);
void stitcher_step(struct stitcher *stitcher, uint64_t now_mono_ns);
/* Without a thread: cuts everything and hands it on with `flush`; gives the turn's number. */
uint64_t stitcher_flush_now(struct stitcher *stitcher, uint64_t *n_cut);

uint64_t stitcher_progress_ns(struct stitcher *stitcher); /* monotonic time of the last round */
uint64_t stitcher_live_traces(struct stitcher *stitcher);
uint64_t stitcher_live_spans(struct stitcher *stitcher);
uint64_t stitcher_live_bytes(struct stitcher *stitcher);

#endif
