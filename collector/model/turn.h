/* turn.h - what the stitcher hands on at once: traces that were cut, the ledger's changes, bodies
 * of metrics and logs as they came, and how far the inbox is dealt with. The writer commits a turn
 * whole or not at all; then the exporters read it.
 *
 * Everything in a turn lives in its arena (shapes, attribute sets, names and nodes are the
 * stitcher's append-only tables). Immutable once handed on. One owner at a time: stitcher, writer,
 * exporter.
 */
#ifndef MODEL_TURN_H
#define MODEL_TURN_H

#include "collector/base/arena.h"
#include "collector/model/body.h"
#include "collector/model/graph.h"
#include "collector/model/rollup.h"

/* A trace as it is counted in the tables: its spans with what they turned out to be. */
struct counted_trace {
    const struct record *records;
    uint32_t n_records;
    struct graph graph;
};

struct cut_trace {
    struct trace_id id;
    uint64_t trace_no; /* from 1, in cut order; a reopened trace keeps its own */
    bool cut_short;    /* since it was read back, spans came under the lower half of its id alone */
    uint32_t reopened; /* how often it was; 0 the first time */
    uint32_t base; /* spans of it that are stored and stay: `now` comes behind them, all unstitched,
                      for the trace is beyond stitch.max_spans_per_trace; 0: `now` is all of it */
    struct counted_trace now;        /* to be stored and added */
    const struct counted_trace *was; /* what the tables hold of it, to be subtracted: its records
                                        are the first of `now`; NULL the first time */
};

struct ledger_change {
    uint32_t arrival; /* ARRIVAL() */
    int64_t received;
    int64_t classes[N_LEDGER_CLASSES];
    int64_t late;     /* spans that reopened a trace */
    int64_t conflict; /* duplicates with other content */
};

/* A workload that says it is at an address. */
struct known_address {
    struct str address, cluster, namespace, service, version;
    uint32_t seen_minute; /* of receipt, Unix minutes */
};

/* Whom a proxy served that does not say what it is; minutes as above, 0 never. */
struct known_proxy {
    struct str cluster, namespace, service, other; /* other: one of those it served */
    uint32_t itself_minute, others_minute;
};

/* A stored span that bore an x-request-id: of its record what joins requests (stitch/requests.h).
 */
struct known_request {
    struct trace_id id;
    struct record record;
    bool entry, joined; /* its trace counts it as an entry; as a call from another trace */
    bool counted;       /* its trace counts a call that nobody in it answered */
    bool tells;         /* its trace counts a call to a span of another one */
};

struct turn {
    struct arena arena;
    struct turn *next;        /* for whoever owns it */
    uint64_t number;          /* from 1 */
    struct cut_trace *traces; /* in order of trace_no but for the reopened */
    uint32_t n_traces;
    uint32_t n_records; /* sum over traces[].now */
    struct ledger_change *ledger;
    uint32_t n_ledger;
    struct kafka_place *places; /* of the last messages that are in the ledger, one a partition */
    uint32_t n_places;
    struct known_address *known; /* learnt since the last turn that told any */
    uint32_t n_known;
    struct known_proxy *known_proxies; /* the same */
    uint32_t n_known_proxies;
    struct body *bodies; /* of metrics and logs, in order; freed with the turn */
    uint64_t body_bytes; /* of them */
    struct rollup
        *rollup;        /* what its traces add to the roll-ups; NULL without; freed with the turn */
    uint64_t booked_to; /* bodies up to this seq are in the ledger */
    uint64_t needed_from; /* bodies from this seq may hold spans not stored yet */
    bool flush;           /* commit at once */
    /* The stitcher's tables, for reading. */
    const struct names *names;
    const struct nodes *nodes;
    const struct shapes *shapes;
};

void turn_free(struct turn *turn);

#endif
