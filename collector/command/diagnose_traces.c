/* diagnose_traces.c - what stored traces add to a diagnosis: examples of the trouble and a good one
 * to hold against them, and the attribute that the bad ones have.
 */
#include "collector/base/json.h"
#include "collector/command/ask.h"
#include "collector/command/diagnose.h"
#include "collector/localise/constants.h"
#include "collector/store/query_search.h"

#define ANSWER_BYTES ((size_t)64 << 20)
/* Four fifths of the bad ones against two fifths of the others show beyond doubt among so many. */
#define COMPARED_TRACES 100
/* … which are looked for in a part of the window with about so many requests. */
#define COMPARED_AMONG 2000

/* ---- examples ---- */

/* Is its strongest trouble failures? What changed and what a metric says only points at one. */
static bool is_of_errors(const struct suspect *suspect)
{
    for (unsigned i = 0; i < suspect->n_evidence; i++) {
        enum evidence_kind kind = suspect->evidence[i].kind;
        if (kind != EVIDENCE_CHANGE && kind != EVIDENCE_METRIC)
            return kind == EVIDENCE_ERRORS;
    }
    return false;
}

/* The value of `itself`, where the suspect is one. */
static struct str narrowed_to(const struct suspect *suspect, const char *dimension,
                              struct str itself)
{
    if (itself.len)
        return itself;
    for (unsigned i = 0; i < suspect->n_narrowed; i++) {
        if (strcmp(suspect->narrowed[i].dimension, dimension) == 0)
            return suspect->narrowed[i].value;
    }
    return STR_NONE;
}

void diagnosis_add_examples(struct query *query, const struct diagnosis *diagnosis,
                            struct suspect *suspect)
{
    struct trace_text ids[N_SUSPECT_EXAMPLES], good;
    struct window now = {diagnosis->from_ns, diagnosis->to_ns};
    struct window normal = {diagnosis->baseline_from_ns, diagnosis->baseline_to_ns};
    bool errors = is_of_errors(suspect);
    /* Who sends no spans is seen in those of the other end. */
    bool silent = suspect->has_peer && !str_eq(suspect->node.role, STR("workload"));
    struct str service = silent ? suspect->peer.service : suspect->node.service;
    struct failed_question failed = {
        .window = now,
        .service = suspect->node.service,
        .peer = suspect->has_peer ? suspect->peer.service : STR_NONE,
        .version = narrowed_to(suspect, "version", suspect->node.version),
        .instance = narrowed_to(suspect, "instance", suspect->instance)};
    size_t n = errors ? query_failed_examples(query, &failed, ids, N_SUSPECT_EXAMPLES) : 0;
    if (!n)
        n = query_slow_examples(query, now, service, ids, N_SUSPECT_EXAMPLES);
    for (size_t i = 0; i < n; i++) {
        memcpy(suspect->examples[i], ids[i].id, sizeof(ids[i].id));
        suspect->trace_nos[i] = ids[i].trace_no;
    }
    suspect->n_examples = (unsigned)n;
    if (query_good_example(query, normal, service, &good) ||
        query_good_example(query, now, service, &good)) {
        memcpy(suspect->contrast, good.id, sizeof(good.id));
        suspect->trace_nos[N_SUSPECT_EXAMPLES] = good.trace_no;
    }
}

/* ---- attributes ---- */

/* Zones have names of their own in the answer. */
static const char *dimension_of(struct str key)
{
    bool zone = str_eq(key, STR("cloud.availability_zone")) ||
                str_eq(key, STR("topology.kubernetes.io/zone"));
    return zone ? "zone" : "attribute";
}

/* What tells of the answer or of the failure itself, or is a dimension of its own, explains
 * nothing.
 */
static bool explains(struct str key)
{
    static const char *const outcomes[] = {
        "error",           "exception", "status",     "response",         "code",
        "service.version", "k8s.pod",   "reason",     "service.instance", "message",
        "duration",        "attempt",   "bytes_sent", "resend_count"};
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        if (key.len && memmem(key.p, key.len, outcomes[i], strlen(outcomes[i])))
            return false;
    }
    return true;
}

/* A blank or a dash is how a sender says that it does not know: of a connection that was not made
 * it knows nothing, and that tells nothing. */
static bool is_said(struct str value)
{
    struct str text = str_trim(value);
    return text.len && !str_eq(text, STR("-"));
}

/* What the search found to be different, and how many of the selected are only as slow as some
 * always are: those beyond normal's p95 that behave as the others do. */
struct told {
    const struct tree *first;
    double n, ordinary;
};

static struct told told_of(const struct tree *answer, bool slow)
{
    struct told told = {0};
    if (!answer)
        return told;
    told.first = tree_get(answer, "different")->first;
    told.n = tree_number(tree_get(tree_get(answer, "selected"), "count"));
    if (slow)
        told.ordinary = tree_number(tree_get(tree_get(answer, "others"), "count")) *
                        (1 - SLOW_QUANTILE) / SLOW_QUANTILE;
    return told;
}

/* The share of the bad ones that have the value: of the selected without the ordinary ones, who
 * have it as often as the others. */
static double bad_share(const struct told *told, const struct tree *different)
{
    double selected = tree_number(tree_get(different, "selected"));
    double others = tree_number(tree_get(different, "others"));
    double bad = told->n - told->ordinary;
    if (bad < told->n / 2)
        return selected; /* hardly more of them than always */
    double share = (selected * told->n - others * told->ordinary) / bad;
    return share < 1 ? share : 1;
}

/* A value that the bad ones have and the others have not; tested and corrected for the number of
 * attributes by the search. */
static bool narrows(const struct told *told, const struct tree *different)
{
    double bad = bad_share(told, different);
    double others = tree_number(tree_get(different, "others"));
    return tree_get(different, "attribute")->type == JSON_TRUE &&
           explains(tree_get(different, "key")->text) &&
           is_said(tree_get(different, "value")->text) &&
           tree_get(different, "follows")->type != JSON_OBJECT && bad >= NARROW_SHARE &&
           bad >= NARROW_EFFECT * others;
}

static void take_attribute(const struct told *told, const struct tree *different,
                           struct arena *arena, struct suspect *suspect)
{
    struct str key = tree_get(different, "key")->text;
    double bad = bad_share(told, different);
    double others = tree_number(tree_get(different, "others"));
    if (suspect->n_narrowed == MAX_NARROWED)
        return;
    suspect->narrowed[suspect->n_narrowed++] =
        (struct narrowed){.dimension = dimension_of(key),
                          .name = arena_dup(arena, key),
                          .value = arena_dup(arena, tree_get(different, "value")->text),
                          .share = bad,
                          .effect = others > 0 ? bad / others : 0};
}

/* Of the requests that the suspect takes part in: the failed, or those slower than normal's p95. */
static struct told ask_different(struct query *query, const struct diagnosis *diagnosis,
                                 struct window window, const struct suspect *suspect,
                                 struct arena *arena)
{
    struct err err = {0};
    struct buf q, out;
    buf_init(&q, 4096);
    buf_init(&out, ANSWER_BYTES);
    buf_add_c(&q, "service=");
    buf_add_json(&q, suspect->node.service);
    struct search_request search = {.window = window,
                                    .q = buf_str(&q),
                                    .sample = COMPARED_TRACES,
                                    .about = suspect->node.service};
    bool slow = suspect->evidence[0].kind != EVIDENCE_ERRORS;
    if (slow)
        search.box = (struct search_box){.drawn = true,
                                         .from_ns = window.from_ns,
                                         .to_ns = window.to_ns,
                                         .least_ns = diagnosis->baseline.p95_ns,
                                         .most_ns = INT64_MAX};
    bool asked = query_search_different_json(query, &search, &out, &err) == 0;
    /* The tree's texts stand in the answer. */
    struct str answer = asked ? arena_dup(arena, buf_str(&out)) : STR_NONE;
    struct told told = told_of(answer.len ? tree_read(arena, answer) : NULL, slow);
    buf_fini(&out);
    buf_fini(&q);
    return told;
}

/* Were the slow ones told by it in normal times too? */
static bool is_usual(const struct tree *usual, const struct tree *different)
{
    for (; usual; usual = usual->next) {
        if (str_eq(tree_get(usual, "key")->text, tree_get(different, "key")->text) &&
            str_eq(tree_get(usual, "value")->text, tree_get(different, "value")->text))
            return true;
    }
    return false;
}

/* The part that begins at the onset where it lies in the window, else the newest. */
static struct window part_of(struct window window, int64_t requests, uint64_t onset_ns)
{
    uint64_t length_ns = window.to_ns - window.from_ns;
    if (requests <= COMPARED_AMONG)
        return window;
    length_ns = (uint64_t)((double)length_ns * COMPARED_AMONG / (double)requests);
    bool inside = onset_ns >= window.from_ns && onset_ns + length_ns < window.to_ns;
    uint64_t from_ns = inside ? onset_ns : window.to_ns - length_ns;
    return (struct window){from_ns, from_ns + length_ns};
}

void diagnosis_add_attributes(struct query *query, const struct diagnosis *diagnosis,
                              struct arena *arena, struct suspect *suspect)
{
    struct window now = {diagnosis->from_ns, diagnosis->to_ns};
    struct window normal = {diagnosis->baseline_from_ns, diagnosis->baseline_to_ns};
    now = part_of(now, diagnosis->now.n, diagnosis->onset_ns);
    normal = part_of(normal, diagnosis->baseline.n, 0);
    struct told told = ask_different(query, diagnosis, now, suspect, arena);
    const struct tree *usual = NULL;
    bool asked = false;
    for (const struct tree *found = told.first; found; found = found->next) {
        if (!narrows(&told, found))
            continue;
        if (!asked)
            usual = ask_different(query, diagnosis, normal, suspect, arena).first;
        asked = true;
        if (!is_usual(usual, found))
            take_attribute(&told, found, arena, suspect);
    }
}
