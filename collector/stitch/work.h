/* work.h - the working state of one trace while it is stitched; shared by the files of stitch().
 *
 *   tree.c     who is whose child: parents, shared ids, attempts, cycles
 *   roles.c    what a span is: an incoming half, an outgoing half, a proxy on the way
 *   visits.c   a workload's visits, and the logical calls between them
 *   peer.c     the callee that a caller names when no span of it came
 *   blame.c    what failed, where it began, where it was only passed on
 *   results.c  what each span and the trace as a whole turned out to be
 *
 * Spans are numbered by their place in canonical order, so that nothing depends on the order of
 * arrival.
 */
#ifndef STITCH_WORK_H
#define STITCH_WORK_H

#include "collector/base/map.h"
#include "collector/stitch/stitch.h"

#define NONE UINT32_MAX

enum half {
    HALF_NONE = 0, /* inside a workload */
    HALF_IN = 1,   /* the callee's half of a call */
    HALF_OUT = 2,  /* the caller's half of a call */
    HALF_BOTH = 3  /* a gateway's only span: both */
};

enum outcome { OUTCOME_OK, OUTCOME_CLIENT_ERROR, OUTCOME_GONE, OUTCOME_FAILED };

struct work_span {
    const struct record *record;
    const struct shape *shape;
    uint32_t input;                     /* index in the input */
    uint32_t parent;                    /* NONE: root or orphan */
    uint32_t first_child, next_sibling; /* children in canonical order */
    uint32_t visit;                     /* of the workload that it belongs to */
    uint32_t call;                      /* that it is a half of, NONE */
    uint32_t top;      /* of an outgoing half: the first of its row of outgoing halves */
    uint64_t end_ns;   /* 0 when not known */
    uint8_t proxy;     /* PROXY_NONE, _SIDECAR, _GATEWAY, _WAYPOINT: never _UNKNOWN */
    uint8_t direction; /* enum direction, of a proxy */
    uint8_t half;      /* enum half */
    uint8_t outcome;   /* enum outcome, of its own codes */
    bool orphan;       /* its parent was named and never came */
    bool passes;       /* a gateway between two workloads: part of the caller's way to the callee */
    bool goes_on;      /* an outgoing half with another one, or a callee, beneath */
    bool recovered;    /* a failed attempt whose retry succeeded */
};

/* One stay of a request at a workload: from its first incoming half on. */
struct visit {
    struct node node;
    uint32_t first; /* span that began it */
    uint32_t call;  /* that led here; NONE: a root that is no callee, or an orphan */
    uint32_t first_call, last_call; /* calls it made, linked by next_of_visit */
    uint32_t worst;                 /* the failed call beneath that explains its failure; NONE */
    bool gone;                      /* the call that led here ended because the client left */
};

struct work_call {
    struct call call;
    uint32_t caller_visit, callee_visit; /* NONE: user, orphaned, or no span came */
    uint32_t next_of_visit;
    uint32_t top;           /* first outgoing half (the application's, if it has spans), NONE */
    uint32_t bottom;        /* last outgoing half: the one that knows the upstream */
    uint64_t caller_end_ns; /* end of the outgoing half, on the caller's clock; 0 unknown */
    uint64_t begin_ns;      /* for folding retries: start of the first attempt */
    uint8_t outcome;        /* enum outcome */
    bool timed_out;         /* the caller gave up */
    bool folded;            /* part of another call: an earlier attempt */
    uint32_t into;          /* that call, when folded; after retries_fold the last attempt */
};

/* An upstream cluster's name, taken apart once. */
struct upstream {
    name_no name;
    uint8_t direction;
    bool special; /* PassthroughCluster and the like: says nothing of the callee */
    bool kubernetes;
    name_no service, namespace, subset, host;
};

struct stitch {
    struct names *names;
    struct nodes *nodes;
    const struct knowledge *knowledge;
    struct arena *arena; /* of the answer */

    struct work_span *spans; /* in canonical order */
    uint32_t n, cap;
    uint32_t *slots;     /* open addressing: span id -> first span with it */
    uint32_t *next_same; /* next span with the same id, in canonical order */
    uint32_t n_slots;
    uint32_t *order; /* parents before children */
    struct visit *visits;
    uint32_t n_visits, cap_visits;
    struct work_call *calls;
    uint32_t n_calls, cap_calls;
    uint32_t n_unstitched;

    struct upstream *upstreams; /* every name seen so far */
    uint32_t n_upstreams, cap_upstreams;
    struct map upstream_map;
    name_no svc_cluster_local, outside;
    node_no user;
};

/* tree.c */
bool tree_build(struct stitch *stitch, const struct record *records, uint32_t n);
/* roles.c */
void roles_find(struct stitch *stitch);
const struct upstream *upstream_parse(struct stitch *stitch, name_no name);
/* visits.c */
bool visits_find(struct stitch *stitch);
/* The innermost incoming half of a visit's beginning: the application's, where it sends spans. */
uint32_t visit_application(const struct stitch *stitch, uint32_t visit);
/* Of a caller's outgoing half: the span that knows the request (its URL, the flags of the whole).
 * With a span for every attempt that is the parent, which the same proxy reports of the same hop.
 */
uint32_t hop_request(const struct stitch *stitch, uint32_t span);
/* peer.c */
void peer_name(struct stitch *stitch, const struct work_call *call, struct node *node,
               uint8_t *connection_type);
uint8_t crossing_of(const struct stitch *stitch, const struct node *caller,
                    const struct node *callee, name_no caller_zone, name_no callee_zone);
/* retries.c */
void retries_fold(struct stitch *stitch);
/* blame.c */
void outcomes_find(struct stitch *stitch);
void blame_find(struct stitch *stitch);
bool call_is_timeout(const struct stitch *stitch, const struct work_call *call);
/* results.c */
bool results_write(struct stitch *stitch, struct graph *graph, uint32_t n_records);

static inline bool same_workload(const struct node *a, const struct node *b)
{
    return a->service == b->service &&
           (a->namespace == b->namespace || !a->namespace || !b->namespace) &&
           (a->cluster == b->cluster || !a->cluster || !b->cluster);
}

static inline uint64_t known_duration(const struct record *record)
{
    return record->bad_times ? DURATION_UNKNOWN : record->duration_ns;
}

#endif
