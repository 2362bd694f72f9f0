/* comparison.h - two versions of a service at the same time: the answer of compare(), and its JSON
 * (CONTRACT §7).
 *
 * Everything lies in the arena that compare() was given.
 */
#ifndef MODEL_COMPARISON_H
#define MODEL_COMPARISON_H

#include "collector/model/diagnosis.h"

/* Of a version's failed calls those that it passed on; the others began in it. */
struct version_failures {
    struct str version;
    int64_t failed, passed;
};

/* Which service and which of its versions. Both versions '': the newest that took calls against the
 * busiest other. */
struct comparison_request {
    struct str cluster, namespace, service; /* cluster, namespace '': any */
    struct str baseline, candidate;
    uint64_t from_ns, to_ns;
    uint32_t min_calls;                      /* on either side, for a verdict */
    const struct version_failures *failures; /* NULL: they are not told apart */
    uint32_t n_failures;
};

enum compared { COMPARED_NOT_ENOUGH, COMPARED_SAME, COMPARED_WORSE, COMPARED_BETTER };

enum compared_metric {
    COMPARED_ERRORS,
    COMPARED_LATENCY,
    COMPARED_DOWNSTREAM,
    COMPARED_FLOW,
    COMPARED_BEGAN,
    COMPARED_PASSED
};

struct compared_side {
    struct str version;
    int64_t calls, errors;
    uint64_t p50_ns, p95_ns, p99_ns; /* UINT64_MAX: no times */
};

/* One measure of both. The interval is of candidate − baseline. */
struct compared_check {
    enum compared_metric metric;
    struct node_text peer; /* whom it calls, of the last two metrics */
    bool has_peer;
    const char *test; /* score_interval, mann_whitney, two_proportions */
    enum evidence_unit unit;
    bool has_sides;
    double sides[2]; /* of the baseline and of the candidate: `effect` is between them */
    double effect, low, high;
    double margin; /* less is no difference */
    enum compared verdict;
    int64_t need; /* calls of the candidate that are missing; 0: none */
};

#define MAX_COMPARED_PEERS 24
#define MAX_CHECKS (3 + 2 * MAX_COMPARED_PEERS)

struct comparison {
    struct node_text service;
    uint64_t from_ns, to_ns; /* as used: whole minutes */
    int64_t minutes;         /* in which both took calls: what is compared */
    enum compared verdict;
    struct compared_side sides[2]; /* baseline, candidate */
    struct compared_check checks[MAX_CHECKS];
    unsigned n_checks;
    struct compared_check
        parts[2]; /* errors that began there and those passed on: shown, not judged */
    bool has_parts;
    /* Filled in by whoever has the store. */
    char examples[N_SUSPECT_EXAMPLES][TRACE_ID_TEXT];
    unsigned n_examples;
};

/* worse same better not_enough_data */
const char *compared_word(enum compared verdict);
const char *compared_metric_word(enum compared_metric metric);
/* The object of CONTRACT §7. */
void comparison_json(const struct comparison *comparison, struct buf *out);

#endif
