/* work.h - the working state of one trace while it is stitched; shared by the files of stitch().
 *
 *   twins.c      entries of access logs that say what a span, or another log, said already
 *   logs.c       where the other entries stand
 *   ends.c       what the addresses in entries say of that
 *   joins.c      a request that goes on in another trace
 *   tree.c       who is whose child: parents, shared ids, attempts, cycles
 *   upstream.c   names of Envoy's clusters, taken apart
 *   roles.c      what a span is: an incoming half, an outgoing half, a proxy on the way
 *   visits.c     a workload's visits, and the logical calls between them
 *   identity.c   what a visit's node does not know of itself and others of the trace do
 *   peer.c       the callee that a caller names when no span of it came
 *   answers.c    … and who answers to that name
 *   asked.c      what a call asked for: tells two requests of one operation apart
 *   attempts.c   calls that share a caller's spans: attempts of one call, mirrors, or calls apart
 *   retries.c    calls one after the other that are attempts of one
 *   blame.c      what failed, where it began, where it was only passed on
 *   hops.c       the way of a call: proxies, gateways, and how long it was at each
 *   route.c      gateways it went through, what it crossed, who could read it
 *   series.c     which edge a counter of a proxy tells of, apart from any trace
 *   origin.c     where the failure of the whole began
 *   results.c    what each span and the trace as a whole turned out to be
 *   served.c     whom proxies served that do not say what they are
 *
 * Spans are numbered by their place in canonical order, so that nothing depends on the order of
 * arrival.
 */
#ifndef STITCH_WORK_H
#define STITCH_WORK_H

#include "collector/base/map.h"
#include "collector/stitch/requests.h"
#include "collector/stitch/stitch.h"

#define NONE UINT32_MAX
/* Outgoing halves of one call that are looked at where others share them; more are no real way. */
#define MAX_SHARED_ROW 64u

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
    /* The caller's row: its outgoing halves one beneath the other, with gateways on the way. */
    uint32_t row;      /* the span of the row at or above this one, within the visit; NONE */
    uint32_t row_up;   /* of a span of the row: the next above, NONE for the outermost */
    uint32_t uses;     /* of a span of the row: calls that go through it */
    uint32_t led;      /* visit that an outgoing span right beneath it began; NONE */
    uint64_t end_ns;   /* 0 when not known */
    uint8_t proxy;     /* PROXY_NONE, _SIDECAR, _GATEWAY, _WAYPOINT: never _UNKNOWN */
    uint8_t direction; /* enum direction, of a proxy */
    uint8_t half;      /* enum half */
    uint8_t outcome;   /* enum outcome, of its own codes */
    uint8_t security;  /* enum security: its own word, or that of its log entry */
    uint32_t told;     /* logs, a bit each, of which an entry told of the same hop */
    bool again;        /* it is such an entry, and something else tells of the hop */
    name_no named_by;  /* the cluster that knows the name which this entry does not; NAME_NONE */
    bool of_sidecar;   /* the outgoing entry of the sidecar of whom its parent tells */
    bool orphan;       /* its parent was named and never came */
    bool passes;       /* a gateway between two workloads: part of the caller's way to the callee */
    bool goes_on;      /* a span of a row with another one, or a callee, beneath */
    bool consumes;     /* took a message from a queue */
    bool through;      /* came through a workload of which there is no span, from its parent */
};

/* One stay of a request at a workload: from its first incoming half on. */
struct visit {
    struct node node;
    const struct node *sdk; /* what its application calls itself where that differs; NULL */
    name_no zone;
    uint32_t first; /* span that began it */
    uint32_t inner; /* last of the row of incoming spans from there: proxy, …, application */
    uint32_t application; /* the innermost incoming half of that row */
    uint32_t call;        /* that led here; NONE: a root that is no callee, or an orphan */
    uint32_t first_call, last_call; /* calls it made, linked by next_of_visit */
    uint32_t worst;                 /* the failed call beneath that explains its failure; NONE */
    bool gone;                      /* the call that led here ended because the client left */
    bool silent; /* it sent no span: `first` is that of its caller, which names it */
};

struct work_call {
    struct call call;
    uint32_t caller_visit, callee_visit; /* NONE: user, orphaned, or no span came */
    uint32_t next_of_visit;
    uint32_t bottom; /* last of the caller's row, the one that knows the upstream; NONE */
    uint32_t top;    /* first of the row (the application's, if it has spans) that is this call's */
    uint32_t attempt; /* first of the row that is the last attempt's alone; NONE: all share it */
    uint64_t caller_end_ns; /* end of the outgoing half, on the caller's clock; 0 unknown */
    uint64_t begin_ns;      /* for folding retries: start of the first attempt */
    uint32_t into;          /* when folded: the last attempt's call */
    uint8_t outcome;        /* enum outcome */
    bool timed_out;         /* the caller gave up */
    bool folded;            /* part of another call: an earlier attempt */
    bool aside;             /* mirrored: nobody waits for it */
    bool elsewhere;         /* another trace has it: not counted here */
    const struct request_place *joined; /* the other half, in another trace; NULL */
};

/* An upstream cluster's name, taken apart once. */
struct upstream {
    name_no name;
    uint8_t direction;
    bool special; /* PassthroughCluster and the like: says nothing of the callee */
    bool kubernetes;
    bool of_one; /* a name of one service, not of whoever is behind an address or a balancer */
    name_no service, namespace, subset, host;
    uint64_t serial;        /* of the trace that was the last with a callee that was called by it */
    node_no answered, told; /* that callee, NODE_NONE several; the last one handed on */
};

struct stitch {
    struct names *names;
    struct nodes *nodes;
    const struct knowledge *knowledge;
    struct requests *requests; /* NULL: nothing is known of other traces */
    uint64_t trace;            /* request_trace() of this one */
    struct arena *arena;       /* of the answer */

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
    bool shares; /* a span of a row has several calls beneath it */
    bool has_silent;
    uint32_t n_unstitched;
    uint32_t n_logs, n_again; /* entries of access logs; those behind spans[n] */
    struct log_ends *ends;    /* of the spans of a trace with entries (logs.h) */

    struct upstream *upstreams; /* every name seen so far */
    uint32_t n_upstreams, cap_upstreams;
    struct map upstream_map;
    node_no user;
    uint64_t serial; /* of this trace */
    struct answered *answered;
    uint32_t n_answered, cap_answered;
    struct hop *hops; /* of all calls, one behind the other */
    uint32_t n_hops, cap_hops;
};

/* False where nobody was heard of at this visit but those who called on from there. */
static inline bool visit_answered(const struct stitch *stitch, const struct visit *visit)
{
    return !visit->silent && stitch->spans[visit->first].half != HALF_OUT;
}

/* tree.c */
bool tree_build(struct stitch *stitch, const struct record *records, uint32_t n);
/* twins.c */
/* Moves the entries that say again what a span or another log said behind the others, where
 * stitching does not see them. False when memory is short. */
bool twins_take(struct stitch *stitch);
/* logs.c */
/* Parents of entries, and of spans beneath them, where ids do not tell. False when memory is short.
 */
bool logs_find_parents(struct stitch *stitch);
/* Visits of which only entries tell that do not know their name, by what is known of who is there.
 */
void logs_name_senders(struct stitch *stitch);
/* Calls that are known by entries alone, or by a request id. */
void logs_tell_known(struct stitch *stitch);
/* joins.c */
/* Entries whose request was seen in another trace get their caller from there. */
void joins_find_callers(struct stitch *stitch);
/* Calls that nobody answered, and whose request came to somebody in another trace. */
void joins_find_callees(struct stitch *stitch);
/* Calls of which this trace has no half, to who was counted as an entry before this trace came:
 * `calls` has room for MAX_JOINED. Gives how many. */
#define MAX_JOINED 16u
uint32_t joins_add(struct stitch *stitch, struct call *calls);
/* Did a span, or an entry, of another trace say what this log entry says? */
bool joins_has_told(struct stitch *stitch, const struct record *entry,
                    bool (*is_same)(struct stitch *stitch, const struct record *entry,
                                    const struct request_place *place));
/* upstream.c */
const struct upstream *upstream_parse(struct stitch *stitch, name_no name);
/* Of a host, if it may be one service's; hosts of the world are nobody's. */
const struct upstream *upstream_of_host(struct stitch *stitch, name_no host);
/* service.namespace.svc.domain: true and the two parts. */
bool cluster_host(struct stitch *stitch, struct str host, name_no *service, name_no *namespace);
/* roles.c */
void roles_find(struct stitch *stitch);
/* Is it one by stitch.gateways? */
bool is_gateway(const struct stitch *stitch, const struct node *node);
/* visits.c */
/* What a proxy is while it counts as a workload. */
uint8_t role_of_proxy(uint8_t proxy);
bool visits_find(struct stitch *stitch);
/* Of a caller's outgoing half: the span that knows the request (its URL, the flags of the whole).
 * With a span for every attempt that is the parent, which the same proxy reports of the same hop.
 */
uint32_t hop_request(const struct stitch *stitch, uint32_t span);
/* identity.c */
void fill_node(struct node *node, const struct node *other);
void identity_fill(struct stitch *stitch);
void identity_fill_callees(struct stitch *stitch);
/* A text of an attribute of the span, '' when it has none. */
struct str span_text(const struct record *record, struct str key);
/* The same as it stands in JSON, with its escapes: to be compared. */
struct str span_escaped(const struct record *record, struct str key);
uint64_t span_number(const struct record *record, struct str key);
/* What a waypoint says of the workloads at its sides. */
bool waypoint_source(struct stitch *stitch, const struct record *record, struct node *node);
bool waypoint_destination(struct stitch *stitch, const struct record *record, struct node *node);
/* peer.c */
void peer_name(struct stitch *stitch, const struct work_call *call, struct node *node,
               uint8_t *connection_type);
/* The deepest span of the row that names an upstream: what it names; nothing where none does. */
const struct upstream *row_upstream(struct stitch *stitch, const struct work_call *call);
/* The host that was asked for: of the proxy's request, whom a gateway's own span of it names, else
 * as the application names it. */
name_no asked_host(const struct stitch *stitch, const struct work_call *call);
/* answers.c */
/* By the calls that have both ends: they are named by then. False when memory is short. */
bool answers_find(struct stitch *stitch);
/* The workload that answers to this name, as far as that is known. */
bool answers_to(struct stitch *stitch, const struct upstream *upstream, struct node *node);
/* peer.c */
/* A host, an address, or a name that a caller gives: a workload when it resolves, is a cluster's
 * host, has no dot, or lies inside; else external. */
void peer_name_host(struct stitch *stitch, name_no name, struct node *node);
/* asked.c */
/* Hashes; 0 where nobody says. */
struct asked {
    uint64_t method;
    uint64_t request;       /* as the caller writes it down */
    uint64_t target, route; /* as the callee does */
};
struct asked asked_by(const struct stitch *stitch, const struct work_call *call);
/* False where something that both say differs. */
bool asked_alike(const struct asked *a, const struct asked *b);
/* What it does not say itself is what an earlier attempt said. */
void asked_fill(struct asked *asked, const struct asked *earlier);
/* attempts.c */
bool attempts_fold(struct stitch *stitch);
void call_fold(struct stitch *stitch, uint32_t earlier, uint32_t later);
/* retries.c */
bool retries_fold(struct stitch *stitch);
/* blame.c */
/* enum outcome, by the codes of one span. */
uint8_t record_outcome(const struct record *record);
/* enum fault of a call that came to this and carried no failure on. */
uint8_t outcome_fault(uint8_t outcome);
/* What each span came to, by its own codes. */
void outcomes_find(struct stitch *stitch);
/* How and when each call ended; attempts are folded by then. */
void calls_end(struct stitch *stitch);
void blame_find(struct stitch *stitch);
bool call_is_timeout(const struct stitch *stitch, const struct work_call *call);
/* hops.c: false when memory is short */
bool hops_find(struct stitch *stitch, struct work_call *work);
/* route.c */
/* What a call between the two crosses, by their words; zones are left out. */
uint8_t crossing_between(const struct node *caller, const struct node *callee);
/* Via, hairpin, crossing, security. */
void route_find(struct stitch *stitch, struct work_call *work);
/* origin.c */
void origin_find(struct stitch *stitch, uint32_t entry, struct trace_result *trace);
/* results.c */
/* The call whose end is the trace's: that led to the entry, else that the entry's span made. */
uint32_t entry_call(const struct stitch *stitch, uint32_t entry);
bool results_write(struct stitch *stitch, const struct record *records, struct graph *graph,
                   uint32_t n_records);
/* served.c: false when memory is short */
bool served_find(struct stitch *stitch, struct graph *graph);

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

/* The next span of a call's row, from its bottom to its top; NONE behind the last. */
static inline uint32_t row_next(const struct stitch *stitch, const struct work_call *call,
                                uint32_t at)
{
    return at == call->top ? NONE : stitch->spans[at].row_up;
}

#endif
