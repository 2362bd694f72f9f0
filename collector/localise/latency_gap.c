/* latency_gap.c - time between two: it goes to whichever end has more of its other calls slow, to
 * the way between them where proxies show that it lies there.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"
#include "collector/model/span.h"

struct edges {
    struct slowness *of_pair; /* by pair, for gaps and what lies beside calls */
    struct ends ends;
    struct kin *kin[2]; /* gaps as a caller, as a callee */
};

static bool is_of(const struct pair *pair, unsigned channel)
{
    return pair->key.channel == channel && pair->key.node != NO_GROUP && pair->key.peer != NO_GROUP;
}

static bool is_gap(const struct pair *pair)
{
    return is_of(pair, TALLY_GAP);
}

/* An edge with few calls is judged by all calls to its callee. */
static void measure_edge(struct work *work, struct edges *edges, uint32_t i)
{
    const struct pair *pair = &work->pairs->items[i];
    const struct tally *normal = usual_of(work, pair), *now = &pair->t[1];
    struct slowness slow = slowness_of(work, normal, now), all;
    bool thin = is_thin(normal, now);
    work->n_tests[TEST_GAP] += !thin;
    if (thin && is_gap(pair) && normal->histogram.n > 0 && now->histogram.n > 0 &&
        kin_test(edges->kin[1], pair->key.peer, &all)) {
        slow.share = all.share;
        slow.value = spoilt_time(work, all.share, tally_extra_ns(normal, now));
    } else if (thin) {
        return;
    }
    edges->of_pair[i] = slow;
    ends_add(&edges->ends, pair, slow.share, edge_weight(now->histogram.n));
}

bool edges_measure(struct work *work)
{
    uint32_t n_groups = work->level->n;
    struct edges *edges = arena_calloc(work->arena, sizeof(*edges));
    struct slowness all;
    if (!edges)
        return false;
    work->edges = edges;
    edges->of_pair = arena_calloc(work->arena, (work->pairs->n + 1) * sizeof(*edges->of_pair));
    for (int e = 0; e < 2; e++)
        edges->kin[e] = kin_new(work);
    if (!ends_init(work, n_groups, &edges->ends) || !edges->of_pair || work->memory_short)
        return false;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        for (int e = 0; e < 2 && is_gap(pair); e++)
            kin_add(work, edges->kin[e], e ? pair->key.peer : pair->key.node, usual_of(work, pair),
                    &pair->t[1]);
    }
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (is_gap(pair) || is_of(pair, TALLY_BESIDE))
            measure_edge(work, edges, i);
    }
    for (int e = 0; e < 2; e++) {
        for (uint32_t group = 0; group < n_groups; group++)
            work->n_tests[TEST_GAP_ALL] += kin_test(edges->kin[e], group, &all);
    }
    return !work->memory_short;
}

static bool is_silent(const struct work *work, uint32_t group)
{
    uint32_t from, to;
    pairs_range(work->pairs, TALLY_SELF, group, &from, &to);
    return from == to;
}

const struct slowness *edge_slowness(const struct work *work, const struct pair *pair)
{
    return &work->edges->of_pair[pair - work->pairs->items];
}

double end_odds(const struct work *work, int end, uint32_t group)
{
    const struct ends *ends = &work->edges->ends;
    double all_n = ends->n[0][group] + ends->n[1][group];
    double all = all_n > 0 ? (ends->sum[0][group] + ends->sum[1][group]) / all_n : 0;
    return pow((ends_mean(ends, end, group) + all) / 2, END_POWER);
}

static void weigh_ends(const struct work *work, const struct pair *pair, double odds[2])
{
    odds[0] = end_odds(work, 0, pair->key.node);
    odds[1] = end_odds(work, 1, pair->key.peer);
    /* All that a callee without spans does is part of the gap. */
    odds[1] *= is_silent(work, pair->key.peer) ? CALLEE_PRIOR : 1;
}

/* What is slow at either end but for this edge. */
static bool is_only_edge(const struct ends *edges, const struct pair *pair,
                         const struct slowness *slow)
{
    const uint32_t ends[2] = {pair->key.node, pair->key.peer};
    double weight = edge_weight(pair->t[1].histogram.n);
    for (int e = 0; e < 2; e++) {
        double n = edges->n[e][ends[e]] - weight;
        double sum = edges->sum[e][ends[e]] - weight * slow->share;
        if (n < 0.5 || sum > CALM_SHARE * n)
            return false;
    }
    return true;
}

/* One that is slow, and what speaks for which of its ends. */
struct gap {
    const struct pair *pair;
    const struct slowness *slow;
    double parts[2]; /* caller, callee; of 1 */
    bool only_edge;  /* both have other edges, and those are calm */
    double all_z[2]; /* of all gaps of that end */
};

static struct finding gap_finding(struct work *work, const struct gap *gap)
{
    const struct pair *pair = gap->pair;
    const struct slowness *slow = gap->slow;
    struct str caller = level_name(work, pair->key.node), callee = level_name(work, pair->key.peer);
    return (struct finding){
        .channel = CHANNEL_LATENCY,
        .kind = EVIDENCE_GAP,
        .unit = UNIT_NS,
        .test = TEST_GAP,
        .z = slow->z,
        .baseline = slow->was_ns,
        .observed = slow->is_ns,
        .only_edge = gap->only_edge,
        .metric = STR("gap"),
        .text = say(work, "%.*s → %.*s gap %.*s → %.*s, %.*s of calls slow", STR_ARG(caller),
                    STR_ARG(callee), STR_ARG(say_ns(work, slow->was_ns)),
                    STR_ARG(say_ns(work, slow->is_ns)), STR_ARG(say_share(work, slow->share)))};
}

/* Where on its way a gap grew, as proxies at both ends tell: parts of 1. */
struct split {
    double caller_proxy, network, callee_proxy;
    struct slowness of_network;
    bool known; /* proxies report most of these calls, in both times */
};

static double extra_of(struct work *work, const struct pair *hop, struct split *split)
{
    double extra = tally_extra_ns(&hop->t[0], &hop->t[1]);
    if (hop->key.what == HOP_NETWORK)
        split->of_network = slowness_of(work, &hop->t[0], &hop->t[1]);
    return extra > 0 ? extra : 0;
}

static struct split split_of(struct work *work, const struct pair *gap)
{
    struct split split = {0};
    int64_t n[2] = {0, 0};
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_HOP, gap->key.node, &i, &to); i < to; i++) {
        const struct pair *hop = &work->pairs->items[i];
        if (hop->key.peer != gap->key.peer)
            continue;
        double extra = extra_of(work, hop, &split);
        if (hop->key.what == HOP_SIDECAR_OUT)
            split.caller_proxy += extra;
        else if (hop->key.what == HOP_SIDECAR_IN)
            split.callee_proxy += extra;
        else
            split.network += extra;
        for (int t = 0; t < 2 && hop->key.what == HOP_NETWORK; t++)
            n[t] += hop->t[t].n;
    }
    double sum = split.caller_proxy + split.network + split.callee_proxy;
    split.known = sum > 0 && 2 * n[0] >= gap->t[0].n && 2 * n[1] >= gap->t[1].n;
    if (split.known) {
        split.caller_proxy /= sum;
        split.network /= sum;
        split.callee_proxy /= sum;
    }
    return split;
}

/* The network's part stands by itself, with either end: nobody at the ends spent it. */
static void blame_network(struct work *work, const struct gap *gap, const struct split *split)
{
    const struct slowness *way = &split->of_network;
    struct str caller = level_name(work, gap->pair->key.node),
               callee = level_name(work, gap->pair->key.peer);
    struct finding finding = gap_finding(work, gap);
    finding.between = true;
    finding.metric = STR("network");
    finding.baseline = way->was_ns;
    finding.observed = way->is_ns;
    finding.text = say(work, "%.*s → %.*s: between the two %.*s → %.*s, their proxies as ever",
                       STR_ARG(caller), STR_ARG(callee), STR_ARG(say_ns(work, way->was_ns)),
                       STR_ARG(say_ns(work, way->is_ns)));
    for (int e = 0; e < 2; e++) {
        finding.all_z = gap->all_z[e];
        blame_end(work, gap->pair, e, gap->slow->value * split->network * gap->parts[e], &finding);
    }
}

static void blame_gap(struct work *work, const struct gap *gap)
{
    struct split split = split_of(work, gap->pair);
    double parts[2] = {gap->parts[0], gap->parts[1]};
    bool network = split.known && split.network > NETWORK_SHARE;
    if (network)
        blame_network(work, gap, &split);
    for (int e = 0; e < 2 && split.known; e++) {
        double own = e == 0 ? split.caller_proxy : split.callee_proxy;
        parts[e] = network ? own : own + split.network * parts[e];
    }
    struct finding finding = gap_finding(work, gap);
    for (int e = 0; e < 2; e++) {
        finding.all_z = gap->all_z[e];
        blame_end(work, gap->pair, e, gap->slow->value * parts[e], &finding);
    }
}

void find_slow_gaps(struct work *work)
{
    const struct edges *edges = work->edges;
    struct slowness all;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        struct gap gap = {.pair = pair, .slow = &edges->of_pair[i]};
        if (gap.slow->value <= 0 || !is_gap(pair))
            continue;
        double odds[2];
        weigh_ends(work, pair, odds);
        double sum = odds[0] + odds[1];
        for (int e = 0; e < 2; e++) {
            gap.parts[e] = sum > 0 ? odds[e] / sum : 0.5;
            gap.all_z[e] =
                kin_test(edges->kin[e], e ? pair->key.peer : pair->key.node, &all) ? all.z : 0;
        }
        gap.only_edge = is_only_edge(&edges->ends, pair, gap.slow);
        blame_gap(work, &gap);
    }
}
