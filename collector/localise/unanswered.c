/* unanswered.c - calls of which their callee, who tells of its visits, tells nothing: refused, lost
 * on the way, given up. Where a status says so they are failures (failures.c); most senders set
 * none.
 *
 * Spans get lost as well, some at all times: only that such calls became more says something.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* All pairs of one edge's gaps: they stand side by side. */
struct edge_answers {
    const struct pair *first;
    double unanswered[2], all[2];
    double extra_ns; /* what those of now took longer than one that was answered */
};

static uint32_t sum_answers(const struct work *work, uint32_t first, struct edge_answers *edge)
{
    const struct tally_key *key = &work->pairs->items[first].key;
    double usual_ns = 0;
    uint32_t i = first;
    *edge = (struct edge_answers){.first = &work->pairs->items[first]};
    for (; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel != TALLY_GAP || pair->key.node != key->node ||
            pair->key.peer != key->peer)
            break;
        bool unanswered = pair->key.what == GAP_UNANSWERED;
        for (int t = 0; t < 2; t++) {
            edge->all[t] += (double)pair->t[t].n;
            edge->unanswered[t] += unanswered ? (double)pair->t[t].n : 0;
        }
        if (pair->key.what == GAP_GOOD)
            usual_ns = tally_mean_ns(&pair->t[0]);
        if (unanswered)
            edge->extra_ns = (tally_mean_ns(&pair->t[1]) - usual_ns) * (double)pair->t[1].n;
    }
    return i - first;
}

static double share_of(const struct edge_answers *edge, int t)
{
    return edge->all[t] > 0 ? edge->unanswered[t] / edge->all[t] : 0;
}

static bool is_between_two(const struct pair *pair)
{
    return pair->key.channel == TALLY_GAP && pair->key.node != NO_GROUP &&
           pair->key.peer != NO_GROUP;
}

static void blame_unanswered(struct work *work, const struct edge_answers *edge,
                             const struct ends *ends)
{
    uint32_t caller = edge->first->key.node, callee = edge->first->key.peer;
    double was = share_of(edge, 0), is = share_of(edge, 1);
    if (edge->all[0] <= 0 || is - was < UNANSWERED_LEAST)
        return;
    double spoilt =
        SURVIVED_WEIGHT * fmin(1, (is - was) * edge->all[1] / (double)work->requests[1].n);
    double odds[2] = {pow(ends_mean(ends, 0, caller), END_POWER),
                      CALLEE_PRIOR * pow(ends_mean(ends, 1, callee), END_POWER)};
    struct finding finding = {
        .channel = CHANNEL_ERRORS,
        .kind = EVIDENCE_ERRORS,
        .unit = UNIT_RATIO,
        .test = TEST_UNANSWERED,
        .z = two_proportions(edge->unanswered[0], edge->all[0], edge->unanswered[1], edge->all[1]),
        .baseline = was,
        .observed = is,
        .survived = true,
        .metric = STR("unanswered_share"),
        .text = say(work, "%.*s of calls from %.*s to %.*s never come there (normal %.*s)",
                    STR_ARG(say_share(work, is)), STR_ARG(level_name(work, caller)),
                    STR_ARG(level_name(work, callee)), STR_ARG(say_share(work, was)))};
    double value = fmax(spoilt, spoilt_time(work, (is - was) / is, edge->extra_ns));
    for (int e = 0; e < 2; e++)
        blame_end(work, edge->first, e, value * odds[e] / (odds[0] + odds[1]), &finding);
}

void find_unanswered(struct work *work)
{
    struct ends ends;
    struct edge_answers edge;
    uint32_t i, n;
    work->unanswered = arena_calloc(work->arena, (work->level->n + 1) * sizeof(double));
    if (!work->unanswered || !ends_init(work, work->level->n, &ends)) {
        work->memory_short = true;
        return;
    }
    for (i = 0; i < work->pairs->n; i += n) {
        n = 1;
        if (!is_between_two(&work->pairs->items[i]))
            continue;
        n = sum_answers(work, i, &edge);
        work->n_tests[TEST_UNANSWERED] += edge.unanswered[0] + edge.unanswered[1] >= TEST_EVENTS;
        double rise = fmax(0, share_of(&edge, 1) - share_of(&edge, 0));
        ends_add(&ends, edge.first, rise, edge_weight((int64_t)edge.all[1]));
    }
    for (i = 0; i < work->pairs->n; i += n) {
        n = 1;
        if (!is_between_two(&work->pairs->items[i]))
            continue;
        n = sum_answers(work, i, &edge);
        blame_unanswered(work, &edge, &ends);
    }
    for (uint32_t group = 0; group < work->level->n; group++)
        work->unanswered[group] = ends_mean(&ends, 1, group);
}
