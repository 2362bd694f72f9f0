/* latency.c - time that was not spent before: a service's own, or between two.
 *
 * How much of a key is slow: the share of its calls above normal's p95, or the shift of the whole
 * distribution. What that costs: the time above normal, as a share of the normal time of all
 * requests.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"
#include "collector/model/span.h"

static double mean_of(const struct tally *tally)
{
    return tally->histogram.n > 0 ? (double)tally->sum_ns / (double)tally->histogram.n : 0;
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

struct slowness slowness_of(const struct work *work, const struct tally *normal,
                            const struct tally *now)
{
    struct slowness slow = {.was_ns = mean_of(normal), .is_ns = mean_of(now)};
    double n = (double)normal->histogram.n, m = (double)now->histogram.n;
    if (n < MIN_TIMES || m < MIN_TIMES)
        return slow;
    unsigned p95 = histogram_bucket(histogram_quantile(&normal->histogram, SLOW_QUANTILE));
    double before = share_above(&normal->histogram, p95), after = share_above(&now->histogram, p95);
    slow.share = clamp((after - before) / (SLOW_ALL - (1 - SLOW_QUANTILE)), 0, 1);
    slow.z = two_proportions(before * n, n, after * m, m);
    int moved = (int)histogram_bucket(histogram_quantile(&now->histogram, 0.5)) -
                (int)histogram_bucket(histogram_quantile(&normal->histogram, 0.5));
    if (moved >= MEDIAN_BUCKETS) {
        struct rank_test test = mann_whitney(&normal->histogram, &now->histogram);
        if (test.effect > slow.share)
            slow.share = test.effect;
        slow.z = test.z > slow.z ? test.z : slow.z;
    }
    double calls = m / (double)work->requests[1].n, above_ns = slow.is_ns - slow.was_ns;
    if (above_ns > 0 && work->normal_ns > 0)
        slow.value = slow.share * calls * above_ns / work->normal_ns;
    return slow;
}

/* What a key without a normal is judged by: a version by its service as a whole. */
static const struct tally *normal_of(const struct work *work, const struct pair *pair)
{
    if (pair->t[0].histogram.n >= MIN_TIMES || work->level == &work->services)
        return &pair->t[0];
    struct tally_key key = pair->key;
    key.node = key.node == NO_GROUP ? NO_GROUP : work->level->items[key.node].service;
    key.peer = key.peer == NO_GROUP ? NO_GROUP : work->level->items[key.peer].service;
    const struct pair *service = pairs_find(&work->by_service, &key);
    return service ? &service->t[0] : &pair->t[0];
}

static struct str group_name(struct work *work, uint32_t group)
{
    struct node_text node = group_text(work, work->level, group);
    return node_text_short(work->arena, &node);
}

static void blame_self(struct work *work, const struct pair *pair, const struct slowness *slow)
{
    struct str who = group_name(work, pair->key.node), name = name_text(work, pair->key.name);
    struct finding finding = {
        .channel = CHANNEL_LATENCY,
        .kind = EVIDENCE_SELF_TIME,
        .unit = UNIT_NS,
        .value = slow->value,
        .z = slow->z,
        .baseline = slow->was_ns,
        .observed = slow->is_ns,
        .group = pair->key.node,
        .peer = NO_GROUP,
        .operation = pair->key.name,
        .metric = STR("self_time"),
        .text = say(work, "%.*s %.*s: own time %.*s → %.*s, %.*s of calls slow", STR_ARG(who),
                    STR_ARG(name), STR_ARG(say_ns(work, slow->was_ns)),
                    STR_ARG(say_ns(work, slow->is_ns)), STR_ARG(say_share(work, slow->share)))};
    blame(work, candidate_of(work, pair->key.node, NAME_NONE, pair->key.name), &finding);
}

static void find_slow_self(struct work *work)
{
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel != TALLY_SELF || pair->key.node == NO_GROUP)
            continue;
        struct slowness slow = slowness_of(work, normal_of(work, pair), &pair->t[1]);
        if (slow.value > 0)
            blame_self(work, pair, &slow);
    }
}

/* ---- gaps: whichever end has more of its other calls slow ---- */

struct edge_slowness {
    struct slowness *of_pair; /* by pair, for gaps */
    double *sum;              /* by group: slow shares of its edges */
    double *n;                /* by group: its edges */
};

static bool measure_edges(struct work *work, struct edge_slowness *edges)
{
    uint32_t n_groups = work->level->n;
    edges->of_pair = arena_calloc(work->arena, (work->pairs->n + 1) * sizeof(*edges->of_pair));
    edges->sum = arena_calloc(work->arena, (n_groups + 1) * sizeof(double));
    edges->n = arena_calloc(work->arena, (n_groups + 1) * sizeof(double));
    if (!edges->of_pair || !edges->sum || !edges->n)
        return false;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel != TALLY_GAP || pair->key.node == NO_GROUP ||
            pair->key.peer == NO_GROUP)
            continue;
        struct slowness slow = slowness_of(work, normal_of(work, pair), &pair->t[1]);
        const uint32_t ends[2] = {pair->key.node, pair->key.peer};
        edges->of_pair[i] = slow;
        for (int e = 0; e < 2 && pair->t[1].histogram.n >= MIN_TIMES; e++) {
            edges->sum[ends[e]] += slow.share;
            edges->n[ends[e]] += 1;
        }
    }
    return true;
}

static double guilt(const struct edge_slowness *edges, uint32_t group)
{
    return edges->n[group] > 0 ? pow(edges->sum[group] / edges->n[group], END_POWER) : 0;
}

/* Who sends no spans: its own time is in the gap too. */
static bool is_silent(const struct work *work, uint32_t group)
{
    uint32_t from, to;
    pairs_range(work->pairs, TALLY_SELF, group, &from, &to);
    return from == to;
}

static struct finding gap_finding(struct work *work, const struct pair *pair,
                                  const struct slowness *slow)
{
    struct str caller = group_name(work, pair->key.node), callee = group_name(work, pair->key.peer);
    return (struct finding){
        .channel = CHANNEL_LATENCY,
        .kind = EVIDENCE_GAP,
        .unit = UNIT_NS,
        .z = slow->z,
        .baseline = slow->was_ns,
        .observed = slow->is_ns,
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
static void blame_network(struct work *work, const struct pair *pair, const struct slowness *slow,
                          const struct split *split, double caller_share)
{
    const uint32_t ends[2] = {pair->key.node, pair->key.peer};
    const struct slowness *way = &split->of_network;
    struct str caller = group_name(work, ends[0]), callee = group_name(work, ends[1]);
    struct finding finding = gap_finding(work, pair, slow);
    finding.between = true;
    finding.metric = STR("network");
    finding.baseline = way->was_ns;
    finding.observed = way->is_ns;
    finding.text = say(work, "%.*s → %.*s: between the two %.*s → %.*s, their proxies as ever",
                       STR_ARG(caller), STR_ARG(callee), STR_ARG(say_ns(work, way->was_ns)),
                       STR_ARG(say_ns(work, way->is_ns)));
    for (int e = 0; e < 2; e++) {
        finding.group = ends[e];
        finding.peer = ends[1 - e];
        finding.end = e == 0 ? END_CALLER : END_CALLEE;
        finding.value = slow->value * split->network * (e == 0 ? caller_share : 1 - caller_share);
        blame(work, candidate_of(work, ends[e], NAME_NONE, NAME_NONE), &finding);
    }
}

static void blame_gap(struct work *work, const struct pair *pair, const struct slowness *slow,
                      double caller_share)
{
    const uint32_t ends[2] = {pair->key.node, pair->key.peer};
    struct split split = split_of(work, pair);
    double parts[2] = {caller_share, 1 - caller_share};
    bool network = split.known && split.network > NETWORK_SHARE;
    if (network)
        blame_network(work, pair, slow, &split, caller_share);
    for (int e = 0; e < 2 && split.known; e++) {
        double own = e == 0 ? split.caller_proxy : split.callee_proxy;
        parts[e] = network ? own : own + split.network * parts[e];
    }
    struct finding finding = gap_finding(work, pair, slow);
    for (int e = 0; e < 2; e++) {
        finding.group = ends[e];
        finding.peer = ends[1 - e];
        finding.end = e == 0 ? END_CALLER : END_CALLEE;
        finding.value = slow->value * parts[e];
        blame(work, candidate_of(work, ends[e], NAME_NONE, NAME_NONE), &finding);
    }
}

void find_slow(struct work *work)
{
    struct edge_slowness edges;
    find_slow_self(work);
    if (!measure_edges(work, &edges)) {
        work->memory_short = true;
        return;
    }
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct slowness *slow = &edges.of_pair[i];
        if (slow->value <= 0)
            continue;
        const struct pair *pair = &work->pairs->items[i];
        double by_caller = guilt(&edges, pair->key.node), by_callee = guilt(&edges, pair->key.peer);
        if (is_silent(work, pair->key.peer))
            by_callee *= CALLEE_PRIOR;
        double sum = by_caller + by_callee;
        blame_gap(work, pair, slow, sum > 0 ? by_caller / sum : 0.5);
    }
}
