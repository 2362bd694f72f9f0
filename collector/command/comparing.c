/* comparing.c - the calls of two versions read from the database, compared, and told as JSON. */
#include "collector/base/clock.h"
#include "collector/command/compare_internal.h"
#include "collector/localise/compare.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define MAX_NAMES (1u << 20)
#define MAX_NAME_BYTES ((size_t)64 << 20)
#define MAX_NODES 100000u
#define MAX_TALLIES 100000u

void comparing_fini(struct comparing *comparing)
{
    nodes_free(comparing->nodes);
    names_free(comparing->names);
    arena_fini(&comparing->arena);
}

bool comparing_init(struct comparing *comparing)
{
    *comparing = (struct comparing){0};
    arena_init(&comparing->arena, ARENA_BYTES);
    comparing->names = names_new(MAX_NAMES, MAX_NAME_BYTES);
    comparing->nodes = nodes_new(MAX_NODES);
    comparing->comparison = arena_calloc(&comparing->arena, sizeof(struct comparison));
    return comparing->names && comparing->nodes && comparing->comparison;
}

static uint64_t minute_down(uint64_t ns)
{
    return ns - ns % NS_PER_MINUTE;
}

/* A few traces that show the candidate: failed ones, else slow ones. */
static void add_examples(struct query *query, struct comparing *comparing)
{
    struct trace_text ids[N_SUSPECT_EXAMPLES];
    struct comparison *comparison = comparing->comparison;
    struct node node = comparing->cohorts.service;
    struct window window = {comparison->from_ns, comparison->to_ns};
    node.version = comparing->cohorts.versions[1];
    size_t n =
        query_version_examples(query, window, &node, comparing->names, ids, N_SUSPECT_EXAMPLES);
    for (size_t i = 0; i < n; i++)
        memcpy(comparison->examples[i], ids[i].id, sizeof(ids[i].id));
    comparison->n_examples = (unsigned)n;
}

/* Of the failed calls of a version the share that it passed on. */
static double passed_share(const struct comparison_request *request, struct str version)
{
    for (uint32_t i = 0; i < request->n_failures; i++) {
        const struct version_failures *of = &request->failures[i];
        if (str_eq(of->version, version) && of->failed)
            return (double)of->passed / (double)of->failed;
    }
    return 0;
}

static int compare_rollup(struct comparing *comparing, struct rollup *rollup,
                          const struct comparison_request *request, struct err *err)
{
    const struct cohort_answer *cohorts = &comparing->cohorts;
    struct compare_input input = {.calls = rollup,
                                  .names = comparing->names,
                                  .nodes = comparing->nodes,
                                  .service = cohorts->service,
                                  .versions = {cohorts->versions[0], cohorts->versions[1]},
                                  .min_calls = request->min_calls,
                                  .told_apart = request->failures != NULL};
    for (int k = 0; k < 2; k++)
        input.passed[k] = passed_share(request, names_text(comparing->names, cohorts->versions[k]));
    comparing->comparison->minutes = cohorts->minutes;
    if (!compare(&input, &comparing->arena, comparing->comparison))
        err_set(err, ERR_BUSY, "memory is short for a comparison");
    return err->code;
}

int compare_versions(struct query *query, const struct comparison_request *request,
                     struct comparing *comparing, struct err *err)
{
    struct comparison *comparison = comparing->comparison;
    struct rollup rollup;
    comparison->from_ns = minute_down(request->from_ns);
    comparison->to_ns = minute_down(request->to_ns + NS_PER_MINUTE - 1);
    struct cohort_question question = {.window = {comparison->from_ns, comparison->to_ns},
                                       .cluster = request->cluster,
                                       .namespace = request->namespace,
                                       .service = request->service,
                                       .baseline = request->baseline,
                                       .candidate = request->candidate};
    if (request->candidate.len && str_eq(request->candidate, request->baseline))
        return err_set(err, ERR_INVALID, "baseline and candidate are the same version");
    rollup_init(&rollup, MAX_TALLIES);
    if (query_cohorts(query, &question, comparing->names, comparing->nodes, &comparing->cohorts,
                      &rollup, err) == 0)
        compare_rollup(comparing, &rollup, request, err);
    rollup_fini(&rollup);
    return err->code;
}

int compare_json(struct query *query, const struct comparison_request *request, struct buf *out,
                 struct err *err)
{
    struct comparing comparing;
    if (!comparing_init(&comparing)) {
        err_set(err, ERR_BUSY, "memory is short for a comparison");
    } else if (compare_versions(query, request, &comparing, err) == 0) {
        add_examples(query, &comparing);
        comparison_json(comparing.comparison, out);
    }
    comparing_fini(&comparing);
    return err->code;
}
