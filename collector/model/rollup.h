/* rollup.h - a bag of counters that add up: what the traces of some time came to, by who did it.
 *
 * A tally is one counter: its key says what is counted, its step when. Bags merge and subtract
 * exactly, so that any window is a sum of its steps and a trace that is opened again takes back
 * just what it had added. One owner at a time.
 *
 * Each channel has node, peer, name and detail; then what n, bad and the times count:
 *
 *   REQUEST: entry, operation: requests, failed, time of the root
 *
 *   SELF: service, operation: spans, own time
 *
 *   INSTANCE: service, instance: spans, origins, own time
 *
 *   GAP: caller, callee: calls, the caller's time less the callee's
 *
 *   CALL: caller, callee, operation, what the caller was asked for: calls, failed, time as the
 *   caller saw them
 *
 *   FLOW: service, last call, operation: visits that ended so
 *
 *   ORIGIN: origin, caller, operation, reason: traces of failed requests
 *
 *   GAP_INSTANCE: an end, instance: calls, as of GAP, or of BESIDE where the caller reports none
 *
 *   HOP: caller, callee, of whom: calls, failed, time spent there
 *
 *   ZONE: caller, callee, zone of each: calls whose halves both say it, failed, on the way
 *
 *   BESIDE: caller, callee, the caller's operation: calls that the caller does not report, its own
 *   time directly before and behind them
 *
 *   LAST: callee, its instance, operation: calls to it that were the last of a visit
 *
 *   START: caller, callee, what the caller was asked for: visits with calls that were answered; of
 *   their first ones: those that would be told of if they were not; `origins`: that would leave a
 *   step of the caller's own then; since the visit began (the sum alone)
 *
 *   STEP: service, what a visit was asked for, operation of a span of its own: visits that had one
 *
 *   OUT: caller, callee, operation of the caller's half: calls that were answered, and whose half
 *   would say nothing of whom it called if they were not
 *
 * Nodes carry their version; whoever asks by service adds versions up.
 */
#ifndef MODEL_ROLLUP_H
#define MODEL_ROLLUP_H

#include "collector/base/map.h"
#include "collector/model/histogram.h"
#include "collector/model/node.h"

/* The numbers are stored in the database: append, never renumber. */
enum tally_channel {
    TALLY_REQUEST,
    TALLY_SELF,
    TALLY_INSTANCE,
    TALLY_GAP,
    TALLY_CALL,
    TALLY_FLOW,
    TALLY_ORIGIN,
    TALLY_GAP_INSTANCE,
    TALLY_HOP,  /* what: enum hop_kind; of calls whose way proxies report */
    TALLY_ZONE, /* name: the caller's zone, detail: the callee's; what: 1 with a time */
    TALLY_BESIDE,
    TALLY_LAST,
    TALLY_START,
    TALLY_STEP,
    TALLY_OUT,
    N_TALLY_CHANNELS
};

/* tally_key.what of FLOW: what a visit did last. */
enum flow_last {
    FLOW_NONE,
    FLOW_LOCAL,
    FLOW_CALL,
    FLOW_FAILED, /* the visit failed: where it stopped is told by the failure */
    FLOW_CARRIED /* … because a call that it made did */
};
/* tally_key.what of SELF and GAP: the time of a visit in which a call failed, of a failed call, and
 * of one that may not have come there, is another kind of time. */
enum self_what { SELF_CALM, SELF_TROUBLED };
enum gap_what {
    GAP_GOOD,
    GAP_FAILED,
    GAP_UNANSWERED /* the callee tells nothing of it: where it tells of others, it did not come */
};
/* tally_key.what of ORIGIN. */
enum origin_what {
    ORIGIN_REACHED,   /* the node had the call and failed it */
    ORIGIN_UNREACHED, /* the call never came there: the peer, or the way, may be to blame */
    ORIGIN_THROWN, /* an exception was noted there first, and no status says that anything failed */
    ORIGIN_THROWN_AT_CALL, /* … at the peer's call to the node, which noted none */
    ORIGIN_LEFT /* never counted so: as UNREACHED, by the name of a span inside of the peer */
};

/* tally_key.what of CALL: its callee tells nothing of it, as GAP_UNANSWERED. */
enum call_what { CALL_ANSWERED, CALL_UNANSWERED };

/* tally_key.what of GAP_INSTANCE: which end the instance is. */
enum gap_end { GAP_CALLER, GAP_CALLEE };

struct tally_key {
    node_no node, peer;
    name_no name, detail;
    uint8_t channel; /* enum tally_channel */
    uint8_t what;    /* by channel; else 0 */
};

struct tally {
    struct tally_key key;
    uint32_t step; /* when it begins, Unix seconds: a multiple of the step's length, of the trace's
                      start */
    int64_t n, bad;
    int64_t client_errors, origins, retries, recovered; /* of CALL */
    int64_t sum_ns;
    struct histogram histogram;
};

#define ROLLUP_MINUTE_S 60u /* whole steps make a minute, so that minutes are sums of them */
/* The longest step that a minute is made of whole, not longer than the window. */
uint32_t rollup_step_s(uint64_t window_ns);

struct rollup {
    struct tally *items;
    uint32_t n, cap, max;
    struct map map;
    uint64_t n_over; /* additions that met `max` and were left out */
};

void rollup_init(struct rollup *rollup, uint32_t max);
void rollup_fini(struct rollup *rollup);
/* Empties it, keeps the memory. */
void rollup_clear(struct rollup *rollup);
/* The tally of this key and step, made when new. NULL beyond `max` (counted) or when memory is
 * short. Valid until the next call. */
struct tally *rollup_tally(struct rollup *rollup, const struct tally_key *key, uint32_t step);
/* The tally of this key and step; NULL when there is none. */
const struct tally *rollup_find(const struct rollup *rollup, const struct tally_key *key,
                                uint32_t step);
/* Adds `sign` times the duration to sum and histogram (DURATION_UNKNOWN: nothing). */
bool tally_time(struct tally *tally, uint64_t ns, int sign);
/* Adds all counters of `from` to `into`. */
bool tally_merge(struct tally *into, const struct tally *from);
/* Is there nothing left in it? */
bool tally_is_empty(const struct tally *tally);

static inline bool tally_key_eq(const struct tally_key *a, const struct tally_key *b)
{
    return a->node == b->node && a->peer == b->peer && a->name == b->name &&
           a->detail == b->detail && a->channel == b->channel && a->what == b->what;
}

#endif
