/* edges.c - how slow the ways between two are: the gaps of calls that their caller reports, its own
 * time beside those that it does not.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

struct edges {
    struct slowness *of_pair; /* by pair, for gaps and what lies beside calls */
    struct ends ends;
    struct kin *kin[2];  /* gaps as a caller, as a callee */
    struct kin *besides; /* own times of callers beside calls to it */
    unsigned *slow;      /* by callee: callers whose own time beside calls to it grew */
};

static bool is_of(const struct pair *pair, unsigned channel)
{
    return pair->key.channel == channel && pair->key.node != NO_GROUP && pair->key.peer != NO_GROUP;
}

bool is_gap(const struct pair *pair)
{
    return is_of(pair, TALLY_GAP) && pair->key.what != GAP_UNANSWERED;
}

/* An edge with few calls is judged by all calls to its callee. */
static void measure_edge(struct work *work, struct edges *edges, uint32_t i)
{
    const struct pair *pair = &work->pairs->items[i];
    const struct tally *normal = usual_of(work, pair), *now = &pair->t[1];
    struct slowness slow = slowness_of(work, normal, now), all;
    bool thin = is_thin(normal, now);
    work->n_tests[TEST_GAP] += !thin;
    const struct kin *kin = is_gap(pair) ? edges->kin[1] : edges->besides;
    if (thin && normal->histogram.n > 0 && now->histogram.n > 0 &&
        kin_test(work, kin, pair->key.peer, &all)) {
        slow.share = all.share;
        slow.told = all.told;
        slow.z = is_gap(pair) ? 0 : all.z;
        slow.value = spoilt_time(work, all.share, tally_extra_ns(normal, now)) *
                     growth_of_own(work, pair->key.channel, slow.was_ns, slow.is_ns);
    } else if (thin) {
        return;
    }
    edges->of_pair[i] = slow;
    ends_add(&edges->ends, pair, slow.share, edge_weight(now->histogram.n));
}

/* Pairs of one caller and callee stand side by side. */
static void count_slow_callers(const struct work *work, struct edges *edges)
{
    const struct pair *last = NULL;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        bool again = last && last->key.node == pair->key.node && last->key.peer == pair->key.peer;
        if (!is_of(pair, TALLY_BESIDE) || edges->of_pair[i].z <= SIGNIFICANT_Z || again)
            continue;
        edges->slow[pair->key.peer]++;
        last = pair;
    }
}

static struct edges *edges_new(struct work *work)
{
    struct edges *edges = arena_calloc(work->arena, sizeof(*edges));
    uint32_t n_groups = work->level->n;
    if (!edges)
        return NULL;
    edges->of_pair = arena_calloc(work->arena, (work->pairs->n + 1) * sizeof(*edges->of_pair));
    edges->slow = arena_calloc(work->arena, (n_groups + 1) * sizeof(*edges->slow));
    for (int e = 0; e < 2; e++)
        edges->kin[e] = kin_new(work);
    edges->besides = kin_new(work);
    bool good = ends_init(work, n_groups, &edges->ends) && edges->of_pair && edges->slow;
    return good && !work->memory_short ? edges : NULL;
}

static void count_tests(struct work *work, const struct edges *edges)
{
    struct slowness all;
    for (uint32_t group = 0; group < work->level->n; group++) {
        for (int e = 0; e < 2; e++)
            work->n_tests[TEST_GAP_ALL] += kin_test(work, edges->kin[e], group, &all);
        work->n_tests[TEST_GAP_ALL] += kin_test(work, edges->besides, group, &all);
    }
}

bool edges_measure(struct work *work)
{
    struct edges *edges = work->edges = edges_new(work);
    if (!edges)
        return false;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        for (int e = 0; e < 2 && is_gap(pair); e++)
            kin_add(work, edges->kin[e], e ? pair->key.peer : pair->key.node, usual_of(work, pair),
                    &pair->t[1]);
        if (is_of(pair, TALLY_BESIDE))
            kin_add(work, edges->besides, pair->key.peer, usual_of(work, pair), &pair->t[1]);
    }
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (is_gap(pair) || is_of(pair, TALLY_BESIDE))
            measure_edge(work, edges, i);
    }
    count_slow_callers(work, edges);
    count_tests(work, edges);
    return !work->memory_short;
}

const struct slowness *edge_slowness(const struct work *work, const struct pair *pair)
{
    return &work->edges->of_pair[pair - work->pairs->items];
}

double instance_odds(struct work *work, int end, uint32_t group)
{
    return slow_in_one_instance(work, group, end == 0 ? GAP_CALLER : GAP_CALLEE) ? INSTANCE_ODDS
                                                                                 : 1;
}

double end_odds(struct work *work, int end, uint32_t group)
{
    const struct ends *ends = &work->edges->ends;
    double all_n = ends->n[0][group] + ends->n[1][group];
    double all = all_n > 0 ? (ends->sum[0][group] + ends->sum[1][group]) / all_n : 0;
    double odds = pow((ends_mean(ends, end, group) + all) / 2, END_POWER);
    return odds > 0 ? odds * instance_odds(work, end, group) : 0;
}

const struct ends *edge_ends(const struct work *work)
{
    return &work->edges->ends;
}

double edge_kin_z(const struct work *work, int end, uint32_t group)
{
    struct slowness all;
    return kin_test(work, work->edges->kin[end], group, &all) ? all.z : 0;
}

unsigned edge_slow_callers(const struct work *work, uint32_t callee)
{
    return work->edges->slow[callee];
}
