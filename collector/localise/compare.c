/* compare.c - errors, latency, downstream errors and flow of two versions, and what they say.
 *
 * A measure is worse (or better) when its interval leaves out "no difference" and its effect is
 * beyond the margin; the same when the whole interval lies within the margin. As the intervals hold
 * at all looks together (shift.h), looking every minute makes none of it less sure.
 */
#include "collector/localise/compare.h"

#include <math.h>
#include <stdlib.h>

#include "collector/localise/cohorts.h"
#include "collector/localise/constants.h"
#include "collector/localise/statistics.h"

#define MOST_TIMES 1048576.0 /* as many calls as there are: beyond, more would not tell */
#define SLOW 0.95

/* ---- one measure ---- */

/* a of n and b of m: shares, or events for each call where there may be several. */
struct amounts {
    double a, n, b, m;
    bool several;
    double alpha;
};

/* Less than this is no difference. More is worse; less is better, or worse as well. */
struct judge {
    double up, down;
    bool both_are_worse;
};

struct estimate {
    double effect, low, high;
};

static struct estimate estimate_of(const struct amounts *of, double times)
{
    double n = of->n * times, m = of->m * times, interval[2];
    double effect = of->b / of->m - of->a / of->n, z = always_z(n, m, of->alpha);
    if (!of->several) {
        share_difference_interval(of->a * times, n, of->b * times, m, z, interval);
        return (struct estimate){effect, interval[0], interval[1]};
    }
    double half = z * sqrt(of->a * times / (n * n) + of->b * times / (m * m));
    return (struct estimate){effect, effect - half, effect + half};
}

static enum compared verdict_of(const struct judge *judge, const struct estimate *is)
{
    if (is->low > 0 && is->effect > judge->up)
        return COMPARED_WORSE;
    if (is->high < 0 && -is->effect > judge->down)
        return judge->both_are_worse ? COMPARED_WORSE : COMPARED_BETTER;
    if (is->low >= -judge->down && is->high <= judge->up)
        return COMPARED_SAME;
    return COMPARED_NOT_ENOUGH;
}

/* How many times as many calls would tell, if they went on as they do. */
static double times_needed(const struct amounts *of, const struct judge *judge)
{
    double low = 1, high = 2;
    struct estimate is = estimate_of(of, high);
    while (verdict_of(judge, &is) == COMPARED_NOT_ENOUGH && high < MOST_TIMES) {
        low = high;
        high *= 2;
        is = estimate_of(of, high);
    }
    for (int i = 0; i < 20; i++) {
        double middle = (low + high) / 2;
        is = estimate_of(of, middle);
        if (verdict_of(judge, &is) == COMPARED_NOT_ENOUGH)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static int64_t calls_more(const struct comparison *comparison, double times)
{
    double more = ceil((times - 1) * (double)comparison->sides[1].calls);
    return more < 1 ? 1 : (int64_t)more;
}

static struct compared_check *new_check(struct comparison *comparison, enum compared_metric metric,
                                        const char *test)
{
    struct compared_check *check = &comparison->checks[comparison->n_checks++];
    *check = (struct compared_check){.metric = metric, .test = test, .unit = UNIT_RATIO};
    return check;
}

static void set_estimate(struct compared_check *check, const struct judge *judge,
                         const struct estimate *is)
{
    check->effect = is->effect;
    check->low = is->low;
    check->high = is->high;
    check->verdict = verdict_of(judge, is);
    /* Of the side that is open, else of the side on which the effect is. */
    bool fewer = check->verdict == COMPARED_NOT_ENOUGH ? is->low < -judge->down : is->effect <= 0;
    check->margin = fewer ? judge->down : judge->up;
}

static void check_amounts(struct comparison *comparison, struct compared_check *check,
                          const struct amounts *of, const struct judge *judge)
{
    struct estimate is = {0, -1, 1};
    bool known = of->n > 0 && of->m > 0;
    if (known) {
        is = estimate_of(of, 1);
        check->sides[0] = of->a / of->n;
        check->sides[1] = of->b / of->m;
    }
    check->has_sides = known;
    set_estimate(check, judge, &is);
    if (known && check->verdict == COMPARED_NOT_ENOUGH)
        check->need = calls_more(comparison, times_needed(of, judge));
}

/* ---- errors, latency ---- */

static const struct judge share_judge = {COMPARE_SHARE, COMPARE_SHARE, false};

static struct amounts amounts_of(const struct mixed *mixed, double alpha)
{
    return (struct amounts){.a = mixed->share[0] * mixed->n[0],
                            .n = mixed->n[0],
                            .b = mixed->share[1] * mixed->n[1],
                            .m = mixed->n[1],
                            .alpha = alpha};
}

static void check_errors(struct comparison *comparison, const struct mixed *mixed)
{
    struct amounts of = amounts_of(mixed, COMPARE_ALPHA);
    check_amounts(comparison, new_check(comparison, COMPARED_ERRORS, "score_interval"), &of,
                  &share_judge);
}

/* The same failures by where they began. */
static void check_parts(struct comparison *comparison, const struct mixed *mixed,
                        const double passed[2])
{
    for (int passed_on = 0; passed_on < 2; passed_on++) {
        struct compared_check *check = &comparison->parts[passed_on];
        struct amounts of = amounts_of(mixed, COMPARE_ALPHA / 2);
        of.a *= passed_on ? passed[0] : 1 - passed[0];
        of.b *= passed_on ? passed[1] : 1 - passed[1];
        *check = (struct compared_check){.metric = passed_on ? COMPARED_PASSED : COMPARED_BEGAN,
                                         .test = "score_interval",
                                         .unit = UNIT_RATIO};
        check_amounts(comparison, check, &of, &share_judge);
    }
}

/* Both checks of latency together are to be wrong no more often than COMPARE_ALPHA. */
static void check_shift(struct comparison *comparison, const struct weighted times[2])
{
    double margin = fmax(COMPARE_SHIFT * weighted_quantile(&times[0], 0.5), COMPARE_SHIFT_FLOOR_NS);
    struct judge judge = {margin, margin, false};
    struct shift shift;
    if (!shift_between(&times[0], &times[1], always_z(times[0].n, times[1].n, COMPARE_ALPHA / 2),
                       &shift))
        return;
    struct estimate is = {shift.ns, shift.low_ns, shift.high_ns};
    struct compared_check *check = new_check(comparison, COMPARED_LATENCY, "mann_whitney");
    check->unit = UNIT_NS;
    set_estimate(check, &judge, &is);
    if (check->verdict != COMPARED_NOT_ENOUGH)
        return;
    /* Half the width falls with the root of the calls, until it tells one way or the other. */
    double half = (is.high - is.low) / 2, effect = fabs(is.effect);
    double wanted = effect > margin ? effect : fmax(margin - effect, margin / 4);
    check->need = calls_more(comparison, fmin(MOST_TIMES, half * half / (wanted * wanted)));
}

/* What waits now and then (a lock, a lost packet) moves no median. */
static void check_slow(struct comparison *comparison, const struct weighted times[2])
{
    static const struct judge judge = {COMPARE_SLOW, COMPARE_SLOW, false};
    double limit_ns = weighted_quantile(&times[0], SLOW);
    struct amounts of = {.a = weighted_above(&times[0], limit_ns) * times[0].n,
                         .n = times[0].n,
                         .b = weighted_above(&times[1], limit_ns) * times[1].n,
                         .m = times[1].n,
                         .alpha = COMPARE_ALPHA / 2};
    if (of.n > 0 && of.m > 0)
        check_amounts(comparison, new_check(comparison, COMPARED_LATENCY, "two_proportions"), &of,
                      &judge);
}

/* ---- what they do to their callees ---- */

struct callee {
    uint32_t end;
    double calls[2];
};

static int by_calls(const void *a, const void *b)
{
    const struct callee *one = a, *two = b;
    double first = one->calls[0] + one->calls[1], second = two->calls[0] + two->calls[1];
    return first != second ? (first < second) - (first > second)
                           : (one->end > two->end) - (one->end < two->end);
}

/* The callees with the most calls, at most MAX_COMPARED_PEERS. */
static struct callee *callees_of(const struct cohorts *made, struct arena *arena, uint32_t *n)
{
    struct callee *callees = arena_calloc(arena, (made->n_ends + 1) * sizeof(*callees));
    if (!callees)
        return NULL;
    for (uint32_t i = 0; i < made->n_ends; i++)
        callees[i].end = i;
    for (uint32_t i = 0; i < made->n_strata; i++) {
        for (int k = 0; k < 2; k++)
            callees[made->strata[i].end].calls[k] += made->strata[i].n[k];
    }
    qsort(callees, made->n_ends, sizeof(*callees), by_calls);
    *n = made->n_ends < MAX_COMPARED_PEERS ? made->n_ends : MAX_COMPARED_PEERS;
    return callees;
}

static struct node_text text_of(const struct compare_input *input, const struct node *node)
{
    return (struct node_text){
        names_text(input->names, node->cluster), names_text(input->names, node->namespace),
        names_text(input->names, node->service), STR(""), str_of(role_word(node->role))};
}

static struct compared_check *new_peer_check(struct comparison *comparison,
                                             enum compared_metric metric,
                                             const struct cohorts *made, uint32_t end)
{
    struct compared_check *check = new_check(comparison, metric, "two_proportions");
    check->has_peer = true;
    check->peer = text_of(made->input, &made->ends[end]);
    return check;
}

static void check_downstream(struct comparison *comparison, const struct cohorts *made,
                             uint32_t end, double alpha)
{
    struct mixed mixed = cohorts_mix(made, end);
    struct amounts of = amounts_of(&mixed, alpha);
    if (of.n > 0 && of.m > 0)
        check_amounts(comparison, new_peer_check(comparison, COMPARED_DOWNSTREAM, made, end), &of,
                      &share_judge);
}

/* Fewer calls for each that came are requests that stop before; more are no harm until they double.
 */
static void check_flow(struct comparison *comparison, const struct cohorts *taken,
                       const struct cohorts *made, const struct callee *callee, double alpha)
{
    struct amounts of = {.a = callee->calls[0],
                         .n = taken->all[0],
                         .b = callee->calls[1],
                         .m = taken->all[1],
                         .alpha = alpha};
    of.several = of.a > of.n || of.b > of.m;
    double was = of.a / of.n;
    struct judge judge = {fmax(COMPARE_MORE, was), fmax(COMPARE_FEWER, COMPARE_FEWER * was), true};
    struct compared_check *check = new_peer_check(comparison, COMPARED_FLOW, made, callee->end);
    check->unit = of.several ? UNIT_COUNT : UNIT_RATIO;
    check_amounts(comparison, check, &of, &judge);
}

static bool check_callees(struct comparison *comparison, const struct cohorts *taken,
                          const struct compare_input *input, struct arena *arena)
{
    struct cohorts made;
    uint32_t n = 0;
    if (!cohorts_make(&made, input, false, arena))
        return false;
    struct callee *callees = callees_of(&made, arena, &n);
    if (!callees)
        return false;
    double alpha = n ? COMPARE_ALPHA / n : COMPARE_ALPHA;
    for (uint32_t i = 0; i < n; i++)
        check_downstream(comparison, &made, callees[i].end, alpha);
    /* Other callers ask for other things: then what is called says nothing about the version. */
    bool alike = cohorts_unlike(taken) <= COMPARE_MIX;
    for (uint32_t i = 0; i < n && alike; i++)
        check_flow(comparison, taken, &made, &callees[i], alpha);
    return true;
}

/* ---- the whole ---- */

static bool set_sides(struct comparison *comparison, const struct compare_input *input,
                      const struct cohorts *taken, const struct mixed *mixed)
{
    struct histogram times[2];
    for (int i = 0; i < 2; i++)
        histogram_init(&times[i]);
    bool good = cohorts_histograms(taken, times);
    for (int i = 0; i < 2; i++) {
        comparison->sides[i] =
            (struct compared_side){.version = names_text(input->names, input->versions[i]),
                                   .calls = mixed->calls[i],
                                   .errors = mixed->bad[i],
                                   .p50_ns = histogram_quantile(&times[i], 0.50),
                                   .p95_ns = histogram_quantile(&times[i], 0.95),
                                   .p99_ns = histogram_quantile(&times[i], 0.99)};
        histogram_fini(&times[i]);
    }
    return good;
}

/* Too few calls for any answer: each check says so, and how many are missing. */
static void hold_back(struct comparison *comparison, uint32_t min_calls)
{
    const struct compared_side *sides = comparison->sides;
    int64_t fewer = sides[0].calls < sides[1].calls ? sides[0].calls : sides[1].calls;
    if (fewer >= min_calls)
        return;
    unsigned n = comparison->n_checks;
    for (unsigned i = 0; i < n + (comparison->has_parts ? 2 : 0); i++) {
        struct compared_check *check = i < n ? &comparison->checks[i] : &comparison->parts[i - n];
        check->verdict = COMPARED_NOT_ENOUGH;
        if (check->need < min_calls - fewer)
            check->need = min_calls - fewer;
    }
}

/* Anything worse is worse. Else errors and latency, what callers feel, must have told: to be
 * better, that the others are not worse; to be the same, that none is either. */
static enum compared verdict_of_all(const struct comparison *comparison)
{
    bool unknown = false, may_be_worse = false, better = false;
    for (unsigned i = 0; i < comparison->n_checks; i++) {
        const struct compared_check *check = &comparison->checks[i];
        if (check->verdict == COMPARED_WORSE)
            return COMPARED_WORSE;
        if (check->has_peer)
            continue;
        bool open = check->verdict == COMPARED_NOT_ENOUGH;
        unknown = unknown || open;
        may_be_worse = may_be_worse || (open && check->high > check->margin);
        better = better || check->verdict == COMPARED_BETTER;
    }
    if (better)
        return may_be_worse ? COMPARED_NOT_ENOUGH : COMPARED_BETTER;
    return unknown ? COMPARED_NOT_ENOUGH : COMPARED_SAME;
}

bool compare(const struct compare_input *input, struct arena *arena, struct comparison *comparison)
{
    struct cohorts taken;
    struct weighted times[2];
    if (!cohorts_make(&taken, input, true, arena))
        return false;
    struct mixed mixed = cohorts_mix(&taken, ANY_END);
    comparison->service = text_of(input, &input->service);
    comparison->n_checks = 0;
    if (!set_sides(comparison, input, &taken, &mixed))
        return false;
    cohorts_times(&taken, times);
    check_errors(comparison, &mixed);
    comparison->has_parts = input->told_apart;
    if (input->told_apart)
        check_parts(comparison, &mixed, input->passed);
    check_shift(comparison, times);
    check_slow(comparison, times);
    if (!check_callees(comparison, &taken, input, arena))
        return false;
    hold_back(comparison, input->min_calls);
    comparison->verdict = verdict_of_all(comparison);
    return true;
}
