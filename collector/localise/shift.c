/* shift.c - sums over pairs of at most 496 buckets. */
#include "collector/localise/shift.h"

#include <math.h>

#include "collector/localise/constants.h"

#define HALVINGS 50 /* of a range of nanoseconds: far below one */

double always_z(double n, double m, double alpha)
{
    double x = n * m / (n + m) * COMPARE_MIXTURE / COMPARE_BEST_AT;
    if (!(x > 0))
        return INFINITY;
    return sqrt(2 * (1 + 1 / x) * log(sqrt(1 + x) / alpha));
}

/* The non-empty buckets, and where they begin and end. */
struct bars {
    unsigned n;
    double low[HISTOGRAM_BUCKETS], high[HISTOGRAM_BUCKETS], share[HISTOGRAM_BUCKETS];
};

static double bucket_low(unsigned bucket)
{
    return bucket ? (double)histogram_upper_ns(bucket - 1) + 1 : 0;
}

static double bucket_high(unsigned bucket)
{
    return (double)histogram_upper_ns(bucket) + 1;
}

static double total_of(const struct weighted *weighted)
{
    double total = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        total += weighted->counts[i];
    return total;
}

static bool bars_of(const struct weighted *weighted, struct bars *bars)
{
    double total = total_of(weighted);
    bars->n = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && total > 0; i++) {
        if (weighted->counts[i] <= 0)
            continue;
        bars->low[bars->n] = bucket_low(i);
        bars->high[bars->n] = bucket_high(i);
        bars->share[bars->n++] = weighted->counts[i] / total;
    }
    return bars->n > 0;
}

/* The integral of max(x, 0). */
static double ramp(double x)
{
    return x > 0 ? x * x / 2 : 0;
}

/* How much of the differences of two bars, each spread evenly, is at most d. */
static double pair_below(const struct bars *a, unsigned i, const struct bars *b, unsigned k,
                         double d)
{
    double least = b->low[k] - a->high[i], most = b->high[k] - a->low[i];
    if (d <= least)
        return 0;
    if (d >= most)
        return 1;
    double area =
        ramp(d - least) - ramp(d - (b->low[k] - a->low[i])) - ramp(d - (b->high[k] - a->high[i]));
    return area / ((a->high[i] - a->low[i]) * (b->high[k] - b->low[k]));
}

static double differences_below(const struct bars *a, const struct bars *b, double d)
{
    double below = 0;
    for (unsigned i = 0; i < a->n; i++) {
        for (unsigned k = 0; k < b->n; k++)
            below += a->share[i] * b->share[k] * pair_below(a, i, b, k, d);
    }
    return below;
}

static double difference_at(const struct bars *a, const struct bars *b, double share)
{
    double low = b->low[0] - a->high[a->n - 1], high = b->high[b->n - 1] - a->low[0];
    if (share <= 0)
        return low;
    if (share >= 1)
        return high;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = low + (high - low) / 2;
        if (differences_below(a, b, middle) < share)
            low = middle;
        else
            high = middle;
    }
    return low + (high - low) / 2;
}

/* Variance of where values of one side stand among those of the other. */
static double placement_variance(const struct weighted *of, const struct weighted *among)
{
    double n = total_of(of), m = total_of(among), below = 0, sum = 0, squares = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double place = (below + among->counts[i] / 2) / m;
        sum += of->counts[i] / n * place;
        squares += of->counts[i] / n * place * place;
        below += among->counts[i];
    }
    return fmax(0, squares - sum * sum);
}

/* Standard error of the share of pairs in which b is greater: as placements show it, and not less
 * than it is of two alike. */
static double pairs_error(const struct weighted *a, const struct weighted *b)
{
    double alike = (a->n + b->n + 1) / (12 * a->n * b->n);
    double shown = placement_variance(a, b) / a->n + placement_variance(b, a) / b->n;
    return sqrt(fmax(alike, shown));
}

bool shift_between(const struct weighted *a, const struct weighted *b, double z,
                   struct shift *shift)
{
    struct bars bars[2];
    if (!bars_of(a, &bars[0]) || !bars_of(b, &bars[1]) || a->n <= 0 || b->n <= 0)
        return false;
    double half = z * pairs_error(a, b);
    shift->ns = difference_at(&bars[0], &bars[1], 0.5);
    shift->low_ns = difference_at(&bars[0], &bars[1], 0.5 - half);
    shift->high_ns = difference_at(&bars[0], &bars[1], 0.5 + half);
    return true;
}

double weighted_quantile(const struct weighted *weighted, double q)
{
    double rank = q * total_of(weighted), seen = 0, last = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double count = weighted->counts[i];
        if (count <= 0)
            continue;
        last = bucket_high(i);
        if (seen + count >= rank)
            return bucket_low(i) + (last - bucket_low(i)) * fmax(0, rank - seen) / count;
        seen += count;
    }
    return last;
}

double weighted_above(const struct weighted *weighted, double ns)
{
    double total = total_of(weighted), above = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && total > 0; i++) {
        double low = bucket_low(i), high = bucket_high(i);
        double share = ns <= low ? 1 : ns >= high ? 0 : (high - ns) / (high - low);
        above += weighted->counts[i] * share;
    }
    return total > 0 ? above / total : 0;
}
