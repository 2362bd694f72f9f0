/* latency_gap.c - time between two: it goes to whichever end has more of its other calls slow, to
 * the way between them where proxies show that it lies there.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"
#include "collector/model/span.h"

/* One that is slow, and what speaks for which of its ends. */
struct gap {
    const struct pair *pair;
    const struct slowness *slow;
    double parts[2]; /* caller, callee; of 1 */
    bool only_edge;  /* both have other edges, and those are calm */
    double all_z[2]; /* of all gaps of that end */
    bool crossed;    /* more of its calls cross zones than before */
    struct zone_shift shift;
};

static void weigh_ends(struct work *work, const struct gap *gap, double odds[2])
{
    const struct tally_key *key = &gap->pair->key;
    odds[0] = end_odds(work, 0, key->node);
    odds[1] = end_odds(work, 1, key->peer);
    /* All that a callee without spans does is part of the gap. */
    odds[1] *= pairs_any(work->pairs, TALLY_SELF, key->peer) ? 1 : CALLEE_PRIOR;
    if (!gap->crossed)
        return;
    /* That the caller's instances of one zone have it all is the zone's doing. */
    odds[0] /= instance_odds(work, 0, key->node);
    odds[1] *= GONE_ODDS;
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

static struct str crossing_words(struct work *work, const struct gap *gap)
{
    if (!gap->crossed)
        return STR_NONE;
    return say(work, "; %.*s go to another zone (normal %.*s)",
               STR_ARG(say_share(work, gap->shift.is)), STR_ARG(say_share(work, gap->shift.was)));
}

/* `where`: in whose proxy, when one spent most of it. */
static struct finding gap_finding(struct work *work, const struct gap *gap, struct str where)
{
    const struct pair *pair = gap->pair;
    const struct slowness *slow = gap->slow;
    struct str caller = level_name(work, pair->key.node), callee = level_name(work, pair->key.peer);
    struct str crossing = crossing_words(work, gap);
    return (struct finding){
        .channel = CHANNEL_LATENCY,
        .kind = EVIDENCE_GAP,
        .unit = UNIT_NS,
        .test = TEST_GAP,
        .z = slow->z,
        .baseline = slow->was_ns,
        .observed = slow->is_ns,
        .only_edge = gap->only_edge && !gap->crossed,
        .metric = STR("gap"),
        .text = say(work, "%.*s → %.*s gap %.*s → %.*s, %.*s of calls slow%.*s%.*s",
                    STR_ARG(caller), STR_ARG(callee), STR_ARG(say_ns(work, slow->was_ns)),
                    STR_ARG(say_ns(work, slow->is_ns)), STR_ARG(say_share(work, slow->told)),
                    STR_ARG(where), STR_ARG(crossing))};
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
    struct finding finding = gap_finding(work, gap, STR_NONE);
    finding.between = true;
    finding.metric = STR("network");
    finding.baseline = way->was_ns;
    finding.observed = way->is_ns;
    finding.text = say(work, "%.*s → %.*s: between the two %.*s → %.*s, their proxies as ever%.*s",
                       STR_ARG(caller), STR_ARG(callee), STR_ARG(say_ns(work, way->was_ns)),
                       STR_ARG(say_ns(work, way->is_ns)), STR_ARG(crossing_words(work, gap)));
    for (int e = 0; e < 2; e++) {
        finding.all_z = gap->all_z[e];
        blame_end(work, gap->pair, e, gap->slow->value * split->network * gap->parts[e], &finding);
    }
}

static struct str proxy_words(struct work *work, const struct gap *gap, const struct split *split)
{
    bool callee = split->callee_proxy > split->caller_proxy;
    if ((callee ? split->callee_proxy : split->caller_proxy) <= NETWORK_SHARE)
        return STR_NONE;
    const struct tally_key *key = &gap->pair->key;
    return say(work, ", most of it in the proxy of %.*s",
               STR_ARG(level_name(work, callee ? key->peer : key->node)));
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
    struct finding finding = gap_finding(work, gap, proxy_words(work, gap, &split));
    for (int e = 0; e < 2; e++) {
        finding.all_z = gap->all_z[e];
        blame_end(work, gap->pair, e, gap->slow->value * parts[e], &finding);
    }
}

void find_slow_gaps(struct work *work)
{
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        struct gap gap = {.pair = pair, .slow = edge_slowness(work, pair)};
        if (gap.slow->value <= 0 || !is_gap(pair))
            continue;
        double odds[2];
        gap.crossed = zones_shifted(work, pair, &gap.shift);
        weigh_ends(work, &gap, odds);
        double sum = odds[0] + odds[1];
        for (int e = 0; e < 2; e++) {
            gap.parts[e] = sum > 0 ? odds[e] / sum : 0.5;
            gap.all_z[e] = edge_kin_z(work, e, e ? pair->key.peer : pair->key.node);
        }
        gap.only_edge = is_only_edge(edge_ends(work), pair, gap.slow);
        blame_gap(work, &gap);
    }
}
