/* requests.h - where x-request-ids were seen lately, in whatever trace: what joins a log's entry,
 * or a trace whose headers were lost, to spans of another trace (STITCHING §2, rule 6).
 *
 * A ring of fixed size in memory: the oldest place gives way. A start fills a part of it with what
 * the file holds of the last minutes. All of it belongs to the stitcher's thread.
 */
#ifndef STITCH_REQUESTS_H
#define STITCH_REQUESTS_H

#include "collector/base/map.h"
#include "collector/model/record.h"

/* By whom a request that came without a parent is counted. */
enum request_told {
    REQUEST_UNTOLD,  /* its trace was not stitched yet, or has a parent for it by now */
    REQUEST_ENTRY,   /* by its own trace, as an entry: the caller was not known */
    REQUEST_JOINED,  /* by its own trace, as a call from the other one */
    REQUEST_BY_HALF, /* as an entry, and by the caller's trace too, which has a half of the call */
    REQUEST_ADDED,   /* as an entry, and by the caller's trace too, which has no half of it */
};

#define NO_PLACE UINT32_MAX

struct request_place {
    uint64_t request_id, span_id;
    uint64_t start_ns, duration_ns; /* as struct record */
    const struct shape *shape;
    uint64_t trace;   /* of its trace's id: tells traces apart */
    uint64_t told_in; /* the caller's trace, of REQUEST_BY_HALF and REQUEST_ADDED */
    uint32_t client;  /* request_client(), of a log's entry that came in this life; else 0 */
    uint32_t next;    /* place of the same id; NO_PLACE */
    uint32_t last;    /* of an id's first place: its last one, … */
    uint32_t seen;    /* … a bit for each span that may have one of its places, … */
    uint8_t n;        /* … how many these are, … */
    bool several;     /* … and whether they were of several traces */
    uint8_t outcome;  /* enum outcome, of its own codes */
    uint8_t told;     /* enum request_told, of one without parent */
    bool root;        /* it has no parent */
    bool counted;     /* a caller's half: its trace counts the call, as answered by nobody */
    bool answered;    /* a caller's half: an entry of a log, in another trace, has the call */
    bool tells;       /* its trace told, before a restart, calls to entries of others */
};

struct requests;
/* NULL when memory is short. The memory of places is taken with the first of them. */
struct requests *requests_new(void);
void requests_free(struct requests *requests);
/* Notes a span, or a log's entry, of this trace that has a request id; gives its place, NULL where
 * it gets none. Short memory leaves it out: the join is a help, no promise. */
struct request_place *requests_add(struct requests *requests, uint64_t trace,
                                   const struct record *record);

/* The client's end of the connection on which the request came, as far as that is said: 0 not. */
uint32_t request_client(const struct record *record);

struct requests_iter {
    uint32_t next; /* place; NO_PLACE behind the last */
};
struct requests_iter requests_find(const struct requests *requests, uint64_t request_id);
/* The next place of the id, in the order in which they came; NULL behind the last. */
struct request_place *requests_next(const struct requests *requests, struct requests_iter *iter);
/* Was the id seen in no other trace? */
bool requests_only_in(const struct requests *requests, uint64_t request_id, uint64_t trace);

/* What tells one trace from another here; never 0. The lower half, for a trace may be known by that
 * alone first. */
static inline uint64_t request_trace(struct trace_id id)
{
    return id.low ? id.low : 1;
}

#endif
