/* stitcher.h - the table of traces in memory, and when a trace leaves it (STITCHING §5).
 *
 *   (no entry) --span--> LIVE --quiet, old, memory or inbox short, flush, stop--> SETTLING --committed--> (no entry)
 *                          ^------------------------- span --------------------------'
 */
#ifndef STITCH_STITCHER_H
#define STITCH_STITCHER_H

#include "collector/model/body.h"
#include "collector/model/shapes.h"
#include "collector/model/turn.h"
#include "collector/stitch/stitch.h"

struct stitcher_settings {
    uint64_t trace_idle_ns, trace_max_age_ns;
    uint64_t memory;              /* stitch.memory, bytes of live and settling traces */
    uint32_t max_spans_per_trace;
    uint64_t turn_interval_ns;    /* how often a turn is handed on when there is something in it */
    uint64_t first_trace_no;
    uint64_t booked_to;           /* bodies up to here are in the ledger already (after a restart) */
    struct shapes_limits shapes;
    struct knowledge knowledge;   /* borrows what it points to */
    /* Reading stored traces back (the store); all may be NULL. */
    bool (*maybe)(void *ctx, struct trace_id id);
    int (*fetch)(void *ctx, struct trace_id id, struct names *names, struct nodes *nodes, struct shapes *shapes,
                 struct arena *arena, struct cut_trace *found, struct err *err);
    /* Takes the turn; may block. */
    bool (*emit)(void *ctx, struct turn *turn);
    void *ctx;
};

struct stitcher;

struct stitcher *stitcher_new(const struct stitcher_settings *settings, struct err *err);
void stitcher_free(struct stitcher *stitcher);

int stitcher_start(struct stitcher *stitcher, struct err *err);
/* Takes the body (its batch decoded) when it returns true; never blocks: false when the queue is full. */
bool stitcher_try_push(struct stitcher *stitcher, struct body *body);
/* The same, waits for room; false when stopping. */
bool stitcher_push(struct stitcher *stitcher, struct body *body);
/* Any thread: the writer has committed all turns up to this number. */
void stitcher_committed(struct stitcher *stitcher, uint64_t turn_number);
/* Any thread: cut everything that came in before this call and hand it on as a turn with `flush`; gives that turn's number
 * and how many traces were cut. Waits until it is handed on. */
uint64_t stitcher_flush(struct stitcher *stitcher, uint64_t *n_cut);
/* Cuts everything, hands it on, ends the thread. */
void stitcher_join(struct stitcher *stitcher);

/* Without a thread (tests, replay): takes one body; then one round of the clock. */
void stitcher_take(struct stitcher *stitcher, struct body *body, uint64_t now_mono_ns);
void stitcher_step(struct stitcher *stitcher, uint64_t now_mono_ns);

uint64_t stitcher_progress_ns(struct stitcher *stitcher);
uint64_t stitcher_live_traces(struct stitcher *stitcher);
uint64_t stitcher_live_spans(struct stitcher *stitcher);
uint64_t stitcher_live_bytes(struct stitcher *stitcher);

#endif
