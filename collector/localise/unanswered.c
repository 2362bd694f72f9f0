/* unanswered.c - calls of which their callee, who tells of its visits, tells nothing: refused, lost
 * on the way, given up. Where a status says so they are failures (failures.c); most senders set
 * none.
 *
 * Spans get lost as well, some at all times: only that such calls became more says something.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* What is known of one edge's calls. */
struct answers {
    const struct pair *first; /* of the edge's gaps */
    double unanswered[2], all[2];
    double extra_ns; /* what those of now took longer than one that was answered */
};

/* All pairs of one edge's gaps stand side by side. */
static uint32_t sum_answers(const struct work *work, uint32_t first, struct answers *edge)
{
    const struct tally_key *key = &work->pairs->items[first].key;
    double usual_ns = 0;
    uint32_t i = first;
    *edge = (struct answers){.first = &work->pairs->items[first]};
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

static double share_of(const struct answers *edge, int t)
{
    return edge->all[t] > 0 ? edge->unanswered[t] / edge->all[t] : 0;
}

static double rise_of(const struct answers *edge)
{
    return edge->all[0] > 0 ? fmax(0, share_of(edge, 1) - share_of(edge, 0)) : 0;
}

static double z_of(const struct answers *edge)
{
    return two_proportions(edge->unanswered[0], edge->all[0], edge->unanswered[1], edge->all[1]);
}

bool unanswered_measure(struct work *work)
{
    work->answers = arena_alloc(work->arena, (work->pairs->n + 1) * sizeof(*work->answers));
    work->unanswered = arena_calloc(work->arena, (work->level->n + 1) * sizeof(double));
    if (!work->answers || !work->unanswered || !ends_init(work, work->level->n, &work->unmet))
        return false;
    for (uint32_t i = 0, n = 1; i < work->pairs->n; i += n) {
        const struct pair *pair = &work->pairs->items[i];
        struct answers *edge = &work->answers[work->n_answers];
        n = 1;
        if (pair->key.channel != TALLY_GAP || pair->key.node == NO_GROUP ||
            pair->key.peer == NO_GROUP)
            continue;
        n = sum_answers(work, i, edge);
        work->n_answers++;
        work->n_tests[TEST_UNANSWERED] += edge->unanswered[0] + edge->unanswered[1] >= TEST_EVENTS;
        ends_add(&work->unmet, pair, rise_of(edge), edge_weight((int64_t)edge->all[1]));
    }
    for (uint32_t group = 0; group < work->level->n; group++)
        work->unanswered[group] = ends_mean(&work->unmet, 1, group);
    return true;
}

/* The callee's part of its calls that never came there, 0…1. */
static double callee_part(const struct work *work, const struct answers *edge)
{
    double caller = pow(ends_mean(&work->unmet, 0, edge->first->key.node), END_POWER),
           callee = pow(ends_mean(&work->unmet, 1, edge->first->key.peer), END_POWER);
    callee *= CALLEE_PRIOR;
    return caller + callee > 0 ? callee / (caller + callee) : 0;
}

unsigned unanswered_callees(const struct work *work, uint32_t caller, double failures,
                            struct missing missing[])
{
    unsigned n = 0;
    double sum = 0;
    for (uint32_t i = 0; i < work->n_answers && n < MAX_MISSING; i++) {
        const struct answers *edge = &work->answers[i];
        double more = rise_of(edge) * edge->all[1];
        if (edge->first->key.node != caller || z_of(edge) <= SIGNIFICANT_Z)
            continue;
        sum += more;
        missing[n++] = (struct missing){.callee = edge->first->key.peer,
                                        .share = more * callee_part(work, edge),
                                        .was = share_of(edge, 0),
                                        .is = share_of(edge, 1)};
    }
    for (unsigned i = 0; i < n; i++)
        missing[i].share /= fmax(sum, failures);
    return n;
}

static void blame_unanswered(struct work *work, const struct answers *edge)
{
    uint32_t caller = edge->first->key.node, callee = edge->first->key.peer;
    double was = share_of(edge, 0), is = share_of(edge, 1), part = callee_part(work, edge);
    if (rise_of(edge) < UNANSWERED_LEAST)
        return;
    double spoilt =
        SURVIVED_WEIGHT * fmin(1, (is - was) * edge->all[1] / (double)work->requests[1].n);
    struct finding finding = {
        .channel = CHANNEL_ERRORS,
        .kind = EVIDENCE_ERRORS,
        .unit = UNIT_RATIO,
        .test = TEST_UNANSWERED,
        .z = z_of(edge),
        .baseline = was,
        .observed = is,
        .survived = true,
        .metric = STR("unanswered_share"),
        .text = say(work, "%.*s of calls from %.*s to %.*s never come there (normal %.*s)",
                    STR_ARG(say_share(work, is)), STR_ARG(level_name(work, caller)),
                    STR_ARG(level_name(work, callee)), STR_ARG(say_share(work, was)))};
    double value = fmax(spoilt, spoilt_time(work, (is - was) / is, edge->extra_ns));
    blame_end(work, edge->first, 0, value * (1 - part), &finding);
    blame_end(work, edge->first, 1, value * part, &finding);
}

void find_unanswered(struct work *work)
{
    for (uint32_t i = 0; i < work->n_answers; i++)
        blame_unanswered(work, &work->answers[i]);
}
