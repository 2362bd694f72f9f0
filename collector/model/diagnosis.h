/* diagnosis.h - where a fault began: the answer of localise(), and its JSON (CONTRACT §7).
 *
 * Everything lies in the arena that localise() was given.
 */
#ifndef MODEL_DIAGNOSIS_H
#define MODEL_DIAGNOSIS_H

#include "collector/base/arena.h"
#include "collector/base/buf.h"
#include "collector/model/words.h"

enum suspect_level {
    SUSPECT_SERVICE,
    SUSPECT_VERSION,
    SUSPECT_INSTANCE,
    SUSPECT_OPERATION,
    N_SUSPECT_LEVELS, /* that can be asked for; what follows is found where one asked for others */
    SUSPECT_EDGE = N_SUSPECT_LEVELS,
    SUSPECT_HOP
};

enum evidence_kind {
    EVIDENCE_SELF_TIME,
    EVIDENCE_GAP,
    EVIDENCE_ERRORS,
    EVIDENCE_FLOW,
    EVIDENCE_TRAFFIC,
    EVIDENCE_METRIC,
    EVIDENCE_CHANGE,
    N_EVIDENCE_KINDS
};

enum evidence_unit { UNIT_NS, UNIT_RATIO, UNIT_COUNT };

enum verdict { VERDICT_INCIDENT, VERDICT_NOTHING, VERDICT_NOT_ENOUGH };

struct node_text {
    struct str cluster, namespace, service, version, role;
};

/* One fact behind a suspect. */
struct evidence {
    enum evidence_kind kind;
    struct str metric; /* what was measured: 'self_time', 'gap', 'origin share' … */
    enum evidence_unit unit;
    double baseline, observed;
    double deviation; /* in standard errors (z) */
    struct str text;  /* a sentence */
};

/* A value of one dimension that most of the trouble is in. */
struct narrowed {
    const char *dimension; /* version instance operation caller zone attribute */
    struct str name, value;
    double share;  /* of the suspect's trouble that is there */
    double effect; /* how much worse it is there than elsewhere, a ratio; 0: only there */
};

#define MAX_EVIDENCE 8
#define MAX_NARROWED 8
#define MAX_EFFECTS 8
#define MAX_NOT 4
#define N_SUSPECT_EXAMPLES 3
#define TRACE_ID_TEXT 33

struct suspect {
    uint32_t rank;            /* from 1 */
    enum suspect_level level; /* SUSPECT_HOP: between node and peer */
    struct node_text node;
    struct str instance, operation;
    struct node_text peer; /* the other end, where the trouble is between two */
    bool has_peer;
    double score;      /* share of normal request time, or of requests, that is spoilt */
    double confidence; /* 0…1 */
    bool significant;
    struct str reason;
    struct evidence evidence[MAX_EVIDENCE];
    unsigned n_evidence;
    struct narrowed narrowed[MAX_NARROWED];
    unsigned n_narrowed;
    struct node_text effects[MAX_EFFECTS]; /* from the entry on, who only shows it */
    unsigned n_effects;
    struct str not_[MAX_NOT]; /* what it is not */
    unsigned n_not;
    /* Filled in by whoever has the store. */
    char examples[N_SUSPECT_EXAMPLES][TRACE_ID_TEXT];
    unsigned n_examples;
    char contrast[TRACE_ID_TEXT];              /* a good trace; '' when there is none */
    int64_t trace_nos[N_SUSPECT_EXAMPLES + 1]; /* of the examples and the good one; 0: none */
};

struct request_numbers {
    int64_t n, failed;
    double mean_ns;
    uint64_t p95_ns; /* UINT64_MAX: no times, or none of single requests */
};

/* Requests of one minute. */
struct request_minute {
    uint64_t minute; /* of Unix time */
    int64_t n, failed, sum_ns;
};

struct diagnosis {
    uint64_t from_ns, to_ns, baseline_from_ns, baseline_to_ns; /* as used: whole minutes */
    enum verdict verdict;
    struct request_numbers baseline, now;
    uint64_t onset_ns; /* 0: unknown */
    uint64_t incident; /* its number, 0: none */
    struct suspect *suspects;
    uint32_t n_suspects;
    int64_t need_requests; /* more, for a verdict; 0 when there are enough */
};

/* What is asked. Times are widened to whole minutes by whoever answers. Without a baseline (both 0)
 * it is what lies before the window, or before the incident that the window begins in, without
 * minutes of others. */
struct diagnosis_request {
    uint64_t from_ns, to_ns, baseline_from_ns, baseline_to_ns;
    enum suspect_level level;
    uint32_t limit, min_requests;
};

const char *verdict_word(enum verdict verdict);
const char *suspect_level_word(enum suspect_level level);
const char *evidence_kind_word(enum evidence_kind kind);
const char *evidence_unit_word(enum evidence_unit unit);
/* The level of a word, −1 when there is none. */
int suspect_level_from_word(struct str word);

/* The object of CONTRACT §7. */
void diagnosis_json(const struct diagnosis *diagnosis, struct buf *out);
/* One of its suspects; with `whole` also its evidence. */
void suspect_json(const struct suspect *suspect, bool whole, struct buf *out);
void node_text_json(const struct node_text *node, struct buf *out);
/* service, namespace/service, as people write it; with @version when there is one. */
struct str node_text_short(struct arena *arena, const struct node_text *node);

#endif
