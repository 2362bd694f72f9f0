/* diagnose_metrics.c - what stored metrics add to a diagnosis: the cause, in a sentence. */
#include "collector/base/log.h"
#include "collector/command/diagnose.h"
#include "collector/localise/constants.h"
#include "collector/localise/gauges.h"
#include "collector/localise/metrics.h"

#define POINTS_BYTES ((size_t)128 << 20)
#define POINTS_OF_ALL_BYTES ((size_t)256 << 20)

/* Of the diagnosis' windows. */
static int ask_samples(struct query *query, const struct diagnosis *diagnosis,
                       struct metric_question question, struct arena *points,
                       struct metric_samples_list *list, struct err *err)
{
    question.normal = (struct window){diagnosis->baseline_from_ns, diagnosis->baseline_to_ns};
    question.now = (struct window){diagnosis->from_ns, diagnosis->to_ns};
    query_metric_samples(query, &question, points, list, err);
    if (list->cut)
        log_event(LOG_WARN, "metrics_cut",
                  "reason=\"more series or points of causes than one diagnosis reads\"");
    return err->code;
}

static int read_samples(struct query *query, const struct diagnosis *diagnosis, bool stores,
                        struct arena *arena, struct metric_samples_list *list, struct err *err)
{
    const struct suspect *suspects = diagnosis->suspects;
    uint32_t n = diagnosis->n_suspects;
    struct metric_subject *subjects = arena_calloc(arena, (n + 1) * sizeof(*subjects));
    struct metric_question question = {.subjects = subjects, .n_subjects = n, .stores = stores};
    if (!subjects)
        return err_set(err, ERR_BUSY, "memory is short for the metrics of this window");
    for (uint32_t i = 0; i < n; i++)
        subjects[i] = (struct metric_subject){.namespace = suspects[i].node.namespace,
                                              .service = suspects[i].node.service,
                                              .version = suspects[i].node.version,
                                              .instance = suspects[i].instance};
    return ask_samples(query, diagnosis, question, arena, list, err);
}

/* What everybody says; `alone`: and nothing else does. */
static int read_everybody(struct query *query, bool alone, const struct diagnosis *diagnosis,
                          struct arena *points, struct metric_samples_list *list, struct err *err)
{
    struct metric_question question = {.everybody = true, .alone = alone};
    return ask_samples(query, diagnosis, question, points, list, err);
}

int diagnose_gauges(struct query *query, const struct diagnosis_request *request,
                    struct arena *arena, struct diagnosis *diagnosis, struct err *err)
{
    struct metric_samples_list list = {0};
    struct arena points;
    arena_init(&points, POINTS_OF_ALL_BYTES);
    if (read_everybody(query, true, diagnosis, &points, &list, err) == 0 &&
        !localise_gauges(&list, arena, request->limit, diagnosis))
        err_set(err, ERR_BUSY, "memory is short for the metrics of this window");
    arena_fini(&points);
    return err->code;
}

int diagnosis_add_hints(struct query *query, bool spans, uint32_t limit, struct arena *arena,
                        struct diagnosis *diagnosis, struct err *err)
{
    struct metric_samples_list list = {0};
    struct arena points;
    /* A mesh's scores are logs of slowdowns, as what metrics say is. */
    double most = spans ? METRIC_BONUS : GAUGE_MOST;
    arena_init(&points, POINTS_BYTES);
    if (read_everybody(query, false, diagnosis, &points, &list, err) == 0 &&
        !hints_add(&list, arena, limit, most, diagnosis))
        err_set(err, ERR_BUSY, "memory is short for the metrics of this window");
    arena_fini(&points);
    return err->code;
}

int diagnosis_add_metrics(struct query *query, struct arena *arena, uint32_t limit, bool stores,
                          struct diagnosis *diagnosis, struct err *err)
{
    struct metric_samples_list list = {0};
    struct arena points; /* many, and not needed for longer */
    arena_init(&points, POINTS_BYTES);
    if (diagnosis->n_suspects)
        read_samples(query, diagnosis, stores, &points, &list, err);
    if (!err->code && ((stores && !metrics_find_store(&list, arena, diagnosis)) ||
                       !metrics_weigh(&list, arena, limit, diagnosis)))
        err_set(err, ERR_BUSY, "memory is short for the metrics of this window");
    arena_fini(&points);
    return err->code;
}
