/* count_internal.h - what the files that count a trace share: count.c has what is of a span and of
 * the whole trace, count_origins.c where failures began, count_calls.c what is of a call,
 * count_tree.c who called from where.
 */
#ifndef LOCALISE_COUNT_INTERNAL_H
#define LOCALISE_COUNT_INTERNAL_H

#include "collector/localise/count.h"

#define NONE UINT32_MAX /* no record */

struct counted_span {
    uint32_t next_same;                 /* next record with the same hash slot */
    uint32_t first_child, next_sibling; /* in order of the records */
    uint32_t parent;
    uint32_t visit; /* the incoming half that it is work of: see visit_of() */
    uint32_t last;  /* of an incoming half: the step of its visit that started last */
    uint32_t done;  /* of an incoming half: the first of its visit's own steps, and of a step the
                       next, each operation once */
    node_no node;   /* workload, gateway or waypoint: never a sidecar */
    bool threw;     /* an exception was noted on it, if one was looked for: see find_thrown() */
    bool below;     /* … on a span below it, from where it would have come */
    bool outer;     /* of two incoming halves of one visit the outer one */
    bool troubled;  /* it failed, or a call that it made did */
};

struct counting {
    struct nodes *nodes;
    uint32_t step_s;
    struct counted_span *spans;
    uint32_t *slots;  /* span id -> a record; room for two for each of `cap` spans */
    uint32_t n_slots; /* that this trace uses, a power of two */
    uint32_t cap;
    node_no *workload_of; /* by node number; NODE_NONE: not looked up yet */
    uint32_t cap_workloads;
    /* Of the trace that is counted. */
    const struct counted_trace *trace;
    struct rollup *rollup;
    uint32_t step;
    int sign;
    bool good;
};

/* ---- count.c ---- */

/* A sidecar's spans are its workload's. */
node_no workload_of(struct counting *counting, node_no no);
/* Of the roll-up that is counted into. NULL beyond its bound, and when memory is short: then `good`
 * is false. */
struct tally *tally(struct counting *counting, const struct tally_key *key);
void add_time(struct counting *counting, struct tally *to, uint64_t ns);

/* ---- count_tree.c ---- */

/* First of all: fills `spans` and `slots`. */
void link_spans(struct counting *counting);
uint32_t find_parent(const struct counting *counting, const struct record *child); /* or NONE */
/* The innermost incoming half that the span, or what is around it at the same node, is work of: the
 * visit. NONE where there is none. */
uint32_t visit_of(struct counting *counting, uint32_t i);
/* Marks spans on which an exception was noted, and those above them; gives whether there is any. */
bool find_thrown(struct counting *counting);
/* Marks visits that wait before they try again, or give up, because something failed: that time is
 * the failure's, not their own. */
void find_troubled(struct counting *counting);
uint64_t record_end_ns(const struct record *record); /* 0 where it is not known */
/* A span without children that overlaps a call beside it waits for that call (an asynchronous
 * wrapper): the longest such overlap is not its own work. */
uint64_t waiting_ns(const struct counting *counting, uint32_t i);
/* Before a call and behind it, since the step of its caller before it ended and until the next one
 * began. */
uint64_t alone_ns(const struct counting *counting, uint32_t parent, uint32_t callee);

/* ---- count_origins.c ---- */

void count_origins(struct counting *counting);

/* ---- count_calls.c ---- */

void count_call(struct counting *counting, const struct call *call);

#endif
