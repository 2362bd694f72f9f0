/* latency.c - a service's own time that was not spent before.
 *
 * How much of a key is slow: the share of its calls above normal's p95, or the shift of the whole
 * distribution. What that costs: the time above normal, as a share of the normal time of all
 * requests. Few calls that are far beyond normal cost all that they take longer.
 */
#include <math.h>

#include "collector/localise/far.h"
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* ---- one key ---- */

/* `drift`: buckets that all is slower by. */
void compare_times(const struct histogram *normal, const struct histogram *now, unsigned drift,
                   struct slowness *slow)
{
    double n = (double)normal->n, m = (double)now->n;
    unsigned p95 = histogram_bucket(histogram_quantile(normal, SLOW_QUANTILE)) + drift;
    /* Of few, the share above the greatest is one more than they are. */
    double usual = fmax(1 - SLOW_QUANTILE, 1 / (n + 1)), after = share_above(now, p95);
    slow->share = clamp((after - usual) / (SLOW_ALL - usual), 0, 1);
    slow->told = clamp((after - usual) / (1 - usual), 0, 1);
    slow->z = two_proportions(usual * n, n, after * m, m);
    int moved = (int)histogram_bucket(histogram_quantile(now, 0.5)) -
                (int)histogram_bucket(histogram_quantile(normal, 0.5));
    if (moved >= MEDIAN_BUCKETS + (int)drift) {
        struct rank_test test = mann_whitney(normal, now);
        slow->share = fmax(slow->share, test.effect);
        slow->told = fmax(slow->told, test.effect);
        slow->z = fmax(slow->z, test.z);
    }
    struct far_calls far = far_calls(normal, now);
    if (far.z > slow->z) {
        slow->share = fmax(slow->share, fmin(1, far.share / SLOW_ALL));
        slow->told = fmax(slow->told, far.share);
        slow->z = far.z;
        slow->far_ns = far.ns;
    }
}

double spoilt_time(const struct work *work, double share, double extra_ns)
{
    double all_ns = (double)work->requests[1].n * work->normal_ns;
    return extra_ns > 0 && all_ns > 0 ? share * extra_ns / all_ns : 0;
}

static struct slowness slowness(const struct work *work, const struct tally *normal,
                                const struct tally *now, unsigned drift)
{
    struct slowness slow = {.was_ns = tally_mean_ns(normal), .is_ns = tally_mean_ns(now)};
    if (normal->histogram.n < MIN_TIMES || now->histogram.n < MIN_TIMES)
        return slow;
    compare_times(&normal->histogram, &now->histogram, drift, &slow);
    slow.value = fmax(spoilt_time(work, slow.share, tally_extra_ns(normal, now)),
                      spoilt_time(work, 1, slow.far_ns));
    return slow;
}

struct slowness slowness_of(const struct work *work, const struct tally *normal,
                            const struct tally *now)
{
    struct slowness slow = slowness(work, normal, now, work->drift);
    slow.value *= growth_of_own(work, now->key.channel, slow.was_ns, slow.is_ns);
    return slow;
}

struct slowness slowness_beside(const struct work *work, const struct tally *others,
                                const struct tally *own)
{
    return slowness(work, others, own, 0);
}

bool is_own_time_shorter(const struct work *work, uint32_t group)
{
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_SELF, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        const struct histogram *normal = &pair->t[0].histogram, *now = &pair->t[1].histogram;
        if (is_thin(&pair->t[0], &pair->t[1]))
            continue;
        int low = (int)histogram_bucket(histogram_quantile(normal, 1 - SLOW_QUANTILE));
        low -= MEDIAN_BUCKETS;
        double n = (double)normal->n, m = (double)now->n;
        double below = low > 0 ? 1 - share_above(now, (unsigned)low - 1) : 0;
        if (two_proportions((1 - SLOW_QUANTILE) * n, n, below * m, m) > SIGNIFICANT_Z)
            return true;
    }
    return false;
}

const struct tally *usual_of(const struct work *work, const struct pair *pair)
{
    if (pair->t[0].histogram.n >= MIN_TIMES || work->level == &work->services)
        return &pair->t[0];
    struct tally_key key = pair->key;
    key.node = key.node == NO_GROUP ? NO_GROUP : work->level->items[key.node].service;
    key.peer = key.peer == NO_GROUP ? NO_GROUP : work->level->items[key.peer].service;
    const struct pair *service = pairs_find(&work->by_service, &key);
    return service ? &service->t[0] : &pair->t[0];
}

struct str level_name(struct work *work, uint32_t group)
{
    struct node_text node = group_text(work, work->level, group);
    return node_text_short(work->arena, &node);
}

/* Who waits for an answer that never comes is slow, and lacks the call: that is the callee's, and
 * told once, by service. Gives what is left to blame the caller for. */
static double blame_waited(struct work *work, const struct pair *pair, const struct slowness *slow,
                           struct finding finding)
{
    uint32_t caller = work->level->items[pair->key.node].service;
    struct missing waited;
    if (!missing_waited_for(work, caller, pair->key.name, slow->told, &waited))
        return finding.value;
    if (work->level != &work->services)
        return finding.value * (1 - waited.share);
    finding.channel = CHANNEL_TRAFFIC;
    finding.kind = EVIDENCE_TRAFFIC;
    finding.unit = UNIT_RATIO;
    finding.metric = STR("calls_a_visit");
    finding.baseline = waited.was;
    finding.observed = waited.is;
    return blame_lacking(work, &waited, "as many as lack their call to", finding);
}

static void blame_self(struct work *work, const struct pair *pair, const struct slowness *slow,
                       double all_z)
{
    struct str who = level_name(work, pair->key.node), name = name_text(work, pair->key.name);
    struct finding finding = {
        .channel = CHANNEL_LATENCY,
        .kind = EVIDENCE_SELF_TIME,
        .unit = UNIT_NS,
        .value = slow->value * blame_beside(work, pair->key.node, pair, slow->value,
                                            tally_extra_ns(usual_of(work, pair), &pair->t[1])),
        .test = TEST_SELF,
        .z = slow->z,
        .all_z = all_z,
        .baseline = slow->was_ns,
        .observed = slow->is_ns,
        .group = pair->key.node,
        .peer = NO_GROUP,
        .operation = pair->key.name,
        .metric = STR("self_time"),
        .text = say(work, "%.*s %.*s: own time %.*s → %.*s, %.*s of calls slow", STR_ARG(who),
                    STR_ARG(name), STR_ARG(say_ns(work, slow->was_ns)),
                    STR_ARG(say_ns(work, slow->is_ns)), STR_ARG(say_share(work, slow->told)))};
    finding.value = blame_waited(work, pair, slow, finding);
    blame(work, &finding);
}

/* Those of a service's operations that are each too thin. */
struct thin_ones {
    double normal_ns, now_ns, calls; /* normal's time as it would be of now's calls */
    const struct pair *most;         /* which took most of the time beyond that */
    double most_ns;
};

static void add_thin(struct thin_ones *ones, const struct pair *pair, const struct tally *normal)
{
    const struct tally *now = &pair->t[1];
    double calls = (double)now->histogram.n;
    double normal_ns = tally_mean_ns(normal) * calls, now_ns = tally_mean_ns(now) * calls;
    ones->normal_ns += normal_ns;
    ones->now_ns += now_ns;
    ones->calls += calls;
    if (now_ns - normal_ns > ones->most_ns) {
        ones->most = pair;
        ones->most_ns = now_ns - normal_ns;
    }
}

/* By the test of all of them. */
static void blame_thin(struct work *work, uint32_t group, const struct slowness *all,
                       const struct thin_ones *ones)
{
    double more_ns = ones->now_ns - ones->normal_ns;
    struct finding finding = {.channel = CHANNEL_LATENCY,
                              .kind = EVIDENCE_SELF_TIME,
                              .unit = UNIT_NS,
                              .test = TEST_SELF_ALL,
                              .z = all->z,
                              .baseline = ones->calls > 0 ? ones->normal_ns / ones->calls : 0,
                              .observed = ones->calls > 0 ? ones->now_ns / ones->calls : 0,
                              .group = group,
                              .peer = NO_GROUP,
                              .metric = STR("self_time")};
    finding.value = spoilt_time(work, all->share, more_ns) *
                    growth_of_own(work, TALLY_SELF, ones->normal_ns, ones->now_ns);
    finding.value *= blame_beside(work, group, NULL, finding.value, more_ns);
    finding.text =
        say(work, "%.*s: own time %.*s → %.*s over its rare operations, %.*s of calls slow",
            STR_ARG(level_name(work, group)), STR_ARG(say_ns(work, finding.baseline)),
            STR_ARG(say_ns(work, finding.observed)), STR_ARG(say_share(work, all->told)));
    if (ones->most && ones->most_ns >= NARROW_SHARE * more_ns) {
        struct slowness most = {0};
        compare_times(&usual_of(work, ones->most)->histogram, &ones->most->t[1].histogram,
                      work->drift, &most);
        finding.value = blame_waited(work, ones->most, &most, finding);
    }
    blame(work, &finding);
}

bool is_thin(const struct tally *normal, const struct tally *now)
{
    return normal->histogram.n < MIN_TIMES || now->histogram.n < MIN_TIMES;
}

/* Of all operations of a service, and of those that are each too thin. */
struct own_kin {
    struct kin *all, *thin;
};

/* [from, to): the pairs of one service. */
static void find_slow_service(struct work *work, const struct own_kin *kin, uint32_t from,
                              uint32_t to)
{
    uint32_t group = work->pairs->items[from].key.node;
    struct thin_ones ones = {0};
    struct slowness all, rare;
    work->n_tests[TEST_SELF_ALL] += kin_test(work, kin->all, group, &all);
    for (uint32_t i = from; i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        const struct tally *normal = usual_of(work, pair), *now = &pair->t[1];
        struct slowness slow = slowness_of(work, normal, now);
        bool thin = is_thin(normal, now);
        work->n_tests[TEST_SELF] += !thin;
        if (slow.value > 0)
            blame_self(work, pair, &slow, all.z);
        if (thin && normal->histogram.n > 0)
            add_thin(&ones, pair, normal);
    }
    if (work->input->level == SUSPECT_OPERATION || !kin_test(work, kin->thin, group, &rare))
        return;
    work->n_tests[TEST_SELF_ALL]++;
    blame_thin(work, group, &rare, &ones);
}

void find_slow_own(struct work *work)
{
    struct own_kin kin = {kin_new(work), kin_new(work)};
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel != TALLY_SELF)
            continue;
        const struct tally *normal = usual_of(work, pair);
        kin_add(work, kin.all, pair->key.node, normal, &pair->t[1]);
        if (is_thin(normal, &pair->t[1]))
            kin_add(work, kin.thin, pair->key.node, normal, &pair->t[1]);
    }
    for (uint32_t group = 0; group < work->level->n; group++) {
        uint32_t from, to;
        pairs_range(work->pairs, TALLY_SELF, group, &from, &to);
        if (from < to)
            find_slow_service(work, &kin, from, to);
    }
}
