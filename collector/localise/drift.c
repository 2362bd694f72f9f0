/* drift.c - what is slower everywhere: another hour, or a machine that has more to do, is nobody's
 * fault. By how much the middle of all times moved, they are compared less strictly; and who grew
 * hardly more than half of the others did, in the mean, where their tails are, says little.
 */
#include "collector/localise/drift.h"

#include <math.h>

#include "collector/localise/metrics.h"
#include "collector/localise/work.h"

/* 0 of too few. */
static double half_of(double *values, uint32_t n)
{
    return n >= DRIFT_SERVICES ? median_of(values, n) : 0;
}

double drift_growth(double *growths, uint32_t n)
{
    return fmin(half_of(growths, n), log(GROWTH_MOST));
}

double drift_beyond(double own, double growth)
{
    if (growth <= 0 || own <= 0)
        return 1;
    return fmin(fmax(own / growth - GROWTH_TWICE, GROWTH_HINT), 1);
}

/* What a service's own times did. */
struct moved {
    double buckets; /* that their middle moved by */
    double growth;  /* of their mean, as a logarithm */
};

/* False: too few to tell. */
static bool moved_by(const struct work *work, uint32_t group, struct moved *moved)
{
    static const double quarters[] = {0.25, 0.5, 0.75};
    double sum = 0, n = 0, was_ns = 0, is_ns = 0;
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_SELF, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (is_thin(&pair->t[0], &pair->t[1]))
            continue;
        double calls = (double)pair->t[1].histogram.n;
        for (int q = 0; q < 3; q++) {
            int now = (int)histogram_bucket(histogram_quantile(&pair->t[1].histogram, quarters[q])),
                was = (int)histogram_bucket(histogram_quantile(&pair->t[0].histogram, quarters[q]));
            sum += calls * (now - was) / 3;
        }
        n += calls;
        was_ns += calls * tally_mean_ns(&pair->t[0]);
        is_ns += calls * tally_mean_ns(&pair->t[1]);
    }
    *moved = (struct moved){n > 0 ? sum / n : 0, was_ns > 0 && is_ns > 0 ? log(is_ns / was_ns) : 0};
    return n > 0;
}

/* By how much the gaps of half of the edges grew. */
static double gaps_growth(const struct work *work, double *growths)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (!is_gap(pair) || is_thin(&pair->t[0], &pair->t[1]))
            continue;
        double was_ns = tally_mean_ns(&pair->t[0]), is_ns = tally_mean_ns(&pair->t[1]);
        growths[n++] = was_ns > 0 && is_ns > 0 ? log(is_ns / was_ns) : 0;
    }
    return drift_growth(growths, n);
}

bool drift_measure(struct work *work)
{
    uint32_t most = work->level->n > work->pairs->n ? work->level->n : work->pairs->n, n = 0;
    double *buckets = arena_alloc(work->arena, (most + 1) * sizeof(*buckets)),
           *growths = arena_alloc(work->arena, (most + 1) * sizeof(*growths));
    if (!buckets || !growths)
        return false;
    for (uint32_t group = 0; group < work->level->n; group++) {
        struct moved moved;
        if (!moved_by(work, group, &moved))
            continue;
        buckets[n] = moved.buckets;
        growths[n++] = moved.growth;
    }
    double middle = round(half_of(buckets, n));
    work->drift = (unsigned)fmin(fmax(middle, 0), MEDIAN_BUCKETS - 1);
    work->growth[0] = drift_growth(growths, n);
    work->growth[1] = gaps_growth(work, growths);
    return true;
}

double growth_of_own(const struct work *work, unsigned channel, double was_ns, double is_ns)
{
    double growth = work->growth[channel == TALLY_GAP];
    return was_ns > 0 && is_ns > was_ns ? drift_beyond(log(is_ns / was_ns), growth) : 1;
}
