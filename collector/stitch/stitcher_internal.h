/* stitcher_internal.h - what stitcher.c (thread, queue, clock), intake.c (bodies to live traces)
 * and cut.c (live traces to turns) share. All of it belongs to the stitcher's thread but what is
 * marked.
 */
#ifndef STITCH_STITCHER_INTERNAL_H
#define STITCH_STITCHER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "collector/base/queue.h"
#include "collector/base/stats.h"
#include "collector/stitch/addresses.h"
#include "collector/stitch/giants.h"
#include "collector/stitch/live.h"
#include "collector/stitch/proxies.h"
#include "collector/stitch/requests.h"
#include "collector/stitch/stitcher.h"

/* A turn is handed on when the bodies in it have come to so many bytes. */
#define TURN_BODY_BYTES ((uint64_t)4 << 20)

enum cut_reason { CUT_IDLE, CUT_AGE, CUT_MEMORY, CUT_INBOX, CUT_FLUSH, CUT_STOP, N_CUT_REASONS };

struct flush_request; /* of a caller that waits */

/* The turn that is being filled. */
struct filling {
    struct turn *turn; /* NULL: nothing in it yet */
    struct body *last_body;
    uint32_t cap_traces, cap_ledger, cap_places;
    uint64_t begun_mono_ns;
};

struct stitcher {
    struct stitcher_settings settings;
    struct names *names;
    struct nodes *nodes;
    struct shapes *shapes;
    struct stitch *stitch;
    struct requests *requests;
    uint64_t asked_ns; /* when the last entry came that its request id alone joins; 0: none */
    struct live_table table;
    struct addresses *addresses;
    struct proxies *proxies;
    struct giants *giants;
    struct filling filling;
    struct buf scratch, merge_scratch;
    uint64_t next_trace_no, next_turn;
    uint64_t taken_seq;   /* of the last body taken */
    uint64_t taken_bytes; /* of all bodies taken, to know what a trace holds back */
    bool stopping;

    pthread_t thread;
    bool running;
    struct queue *queue; /* struct item */

    /* Any thread. */
    _Atomic(struct turn *) returned;    /* turns given back, newest first */
    _Atomic(struct knowledge *) learnt; /* not taken over yet */
    _Atomic uint64_t progress_ns, n_live_traces, n_live_spans, n_live_bytes;

    struct stat_series *n_cut[N_CUT_REASONS];
    struct stat_series *n_reopened, *n_too_late, *lateness, *n_over_spans, *n_over_services,
        *n_over_versions, *n_over_operations, *n_over_names, *live_traces_gauge, *live_bytes_gauge,
        *n_memory_short;
};

/* intake.c */
void intake_body(struct stitcher *stitcher, struct body *body, uint64_t now_ns);
/* cut.c */
/* The message is in the turn's ledger. False when memory is short. */
bool turn_note_place(struct stitcher *stitcher, const struct kafka_place *place);
struct ledger_change *ledger_of(struct stitcher *stitcher, uint32_t arrival);
bool cut_trace(struct stitcher *stitcher, struct live *live, enum cut_reason reason);
/* Puts a body of metrics or logs into the turn, which owns it then. False when memory is short. */
bool turn_add_body(struct stitcher *stitcher, struct body *body);
/* Hands the turn on when there is one (with `flush`: also an empty one); gives its number, 0 when
 * none. */
uint64_t turn_hand_on(struct stitcher *stitcher, bool flush);
/* Stitches the live traces whose spans say something new of who is where, and forgets all but that.
 */
void learn_ahead(struct stitcher *stitcher);
/* Takes back turns: their SETTLING entries leave the table. */
void turns_settle(struct stitcher *stitcher);

#endif
