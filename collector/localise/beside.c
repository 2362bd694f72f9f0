/* beside.c - where a caller does not report its calls, the way to its callee and back is part of
 * its own time. Whose is it?
 *
 * The caller's, when that time grew beside all calls that the operation makes, or away from any.
 * The callee's, when it grew beside the calls to it alone and, if it has several callers, at all of
 * them: that each of them is slow by itself at once is unlikely, so every caller adds to the odds.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* Of own time that grew, what lies beside calls: of one operation, or of all that are thin. */
struct beside {
    const struct pair *self; /* NULL: the thin ones */
    uint32_t from, to;       /* pairs of the service */
    double share;            /* of the calls of all its edges that are slow, 0…1 */
    double callees, of;      /* what speaks for the callees, and for anybody */
};

static bool is_thin_operation(const struct work *work, const struct pair *pair)
{
    struct tally_key key = {
        .channel = TALLY_SELF, .node = pair->key.node, .peer = NO_GROUP, .name = pair->key.name};
    const struct pair *self = pairs_find(work->pairs, &key);
    return self && is_thin(usual_of(work, self), &self->t[1]);
}

static bool is_part(const struct work *work, const struct beside *beside, const struct pair *pair)
{
    if (pair->key.peer == NO_GROUP)
        return false;
    return beside->self ? pair->key.name == beside->self->key.name : is_thin_operation(work, pair);
}

/* What speaks for the callee: the time that it would explain, by its odds. */
static double callee_weight(struct work *work, const struct pair *pair)
{
    if (edge_slowness(work, pair)->value <= 0)
        return 0;
    return tally_extra_ns(usual_of(work, pair), &pair->t[1]) *
           edge_slow_callers(work, pair->key.peer) * end_odds(work, 1, pair->key.peer);
}

static void weigh(struct work *work, struct beside *beside, double extra_ns)
{
    double sum = 0, n = 0;
    for (uint32_t i = beside->from; i < beside->to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (!is_part(work, beside, pair))
            continue;
        double weight = edge_weight(pair->t[1].histogram.n);
        sum += weight * edge_slowness(work, pair)->share;
        n += weight;
        beside->callees += callee_weight(work, pair);
    }
    beside->share = n > 0 ? sum / n : 1;
    if (beside->callees <= 0)
        return;
    double own = OWN_PRIOR * pow(beside->share, END_POWER) *
                 instance_odds(work, 0, work->pairs->items[beside->from].key.node);
    beside->of = beside->callees + own * extra_ns;
}

static void blame_callee(struct work *work, const struct pair *pair, double value)
{
    const struct slowness *slow = edge_slowness(work, pair);
    bool thin = is_thin(usual_of(work, pair), &pair->t[1]);
    struct str caller = level_name(work, pair->key.node), callee = level_name(work, pair->key.peer);
    struct finding finding = {
        .channel = CHANNEL_LATENCY,
        .kind = EVIDENCE_GAP,
        .unit = UNIT_NS,
        .test = thin ? TEST_GAP_ALL : TEST_GAP,
        .z = slow->z,
        .baseline = slow->was_ns,
        .observed = slow->is_ns,
        .metric = STR("beside"),
        .text = say(work,
                    "%.*s → %.*s: %.*s → %.*s of the caller's own time beside the call, %.*s "
                    "of calls slow",
                    STR_ARG(caller), STR_ARG(callee), STR_ARG(say_ns(work, slow->was_ns)),
                    STR_ARG(say_ns(work, slow->is_ns)), STR_ARG(say_share(work, slow->told)))};
    blame_end(work, pair, 1, value, &finding);
}

double blame_beside(struct work *work, uint32_t group, const struct pair *self, double value,
                    double extra_ns)
{
    struct beside beside = {.self = self};
    if (self && self->key.what != SELF_CALM)
        return 1;
    pairs_range(work->pairs, TALLY_BESIDE, group, &beside.from, &beside.to);
    weigh(work, &beside, extra_ns);
    if (beside.callees <= 0 || beside.of <= 0)
        return 1;
    for (uint32_t i = beside.from; i < beside.to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (is_part(work, &beside, pair))
            blame_callee(work, pair, value * callee_weight(work, pair) / beside.of);
    }
    return 1 - beside.callees / beside.of;
}
