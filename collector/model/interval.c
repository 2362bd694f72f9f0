/* interval.c - 95 % intervals of differences. */
#include "collector/model/interval.h"

#include <math.h>

#define Z 1.959964
#define FEWEST 10 /* calls on a side; below, a quantile has no interval worth its name */

struct range {
    double low, high;
};

/* Wilson's score interval. */
static struct range share_range(double failed, double n)
{
    double p = failed / n, z2 = Z * Z;
    double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
    double half = Z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
    return (struct range){fmax(0, middle - half), fmin(1, middle + half)};
}

static struct interval combine(double a, struct range ra, double b, struct range rb)
{
    double d = b - a;
    return (struct interval){.a = a,
                             .b = b,
                             .difference = d,
                             .low = d - hypot(b - rb.low, ra.high - a),
                             .high = d + hypot(rb.high - b, a - ra.low),
                             .known = true};
}

struct interval interval_of_shares(int64_t failed_a, int64_t n_a, int64_t failed_b, int64_t n_b)
{
    if (n_a <= 0 || n_b <= 0)
        return (struct interval){.known = false};
    return combine((double)failed_a / (double)n_a, share_range((double)failed_a, (double)n_a),
                   (double)failed_b / (double)n_b, share_range((double)failed_b, (double)n_b));
}

/* Within the bucket as if its values were spread evenly: buckets are an eighth wide, differences
 * that matter are smaller. */
static double quantile_within(const struct histogram *histogram, double q)
{
    double rank = q * (double)histogram->n, seen = 0;
    for (uint32_t i = 0; i < histogram->cap; i++) {
        double count = (double)histogram->counts[i];
        unsigned bucket = histogram->low + i;
        if (count > 0 && seen + count >= rank) {
            double upper = (double)histogram_upper_ns(bucket);
            double lower = bucket ? (double)histogram_upper_ns(bucket - 1) : 0;
            return lower + (upper - lower) * fmax(0, rank - seen) / count;
        }
        seen += count > 0 ? count : 0;
    }
    return (double)histogram_max(histogram);
}

struct interval interval_of_quantiles(const struct histogram *a, const struct histogram *b,
                                      double q)
{
    const struct histogram *both[2] = {a, b};
    double value[2];
    struct range range[2];
    for (int i = 0; i < 2; i++) {
        double n = (double)both[i]->n, half = n > 0 ? Z * sqrt(q * (1 - q) / n) : 1;
        if (n < FEWEST || n * fmin(q, 1 - q) < 1)
            return (struct interval){.known = false};
        value[i] = quantile_within(both[i], q);
        range[i].low = quantile_within(both[i], fmax(0, q - half));
        range[i].high = quantile_within(both[i], fmin(1, q + half));
    }
    return combine(value[0], range[0], value[1], range[1]);
}

/* Of a Poisson mean, by the square root, which has a variance of about a quarter. */
static struct range rate_range(double events, double n)
{
    double root = sqrt(events + 0.25), low = fmax(0, root - Z / 2), high = root + Z / 2;
    return (struct range){fmax(0, low * low - 0.25) / n, (high * high + 0.75) / n};
}

struct interval interval_of_rates(int64_t events_a, int64_t n_a, int64_t events_b, int64_t n_b)
{
    if (n_a <= 0 || n_b <= 0)
        return (struct interval){.known = false};
    return combine((double)events_a / (double)n_a, rate_range((double)events_a, (double)n_a),
                   (double)events_b / (double)n_b, rate_range((double)events_b, (double)n_b));
}

enum verdict interval_verdict(const struct interval *interval, double tolerance)
{
    if (!interval->known)
        return VERDICT_NOT_ENOUGH;
    if (interval->low > tolerance)
        return VERDICT_WORSE;
    if (interval->high < -tolerance)
        return VERDICT_BETTER;
    if (interval->low >= -tolerance && interval->high <= tolerance)
        return VERDICT_SAME;
    return VERDICT_NOT_ENOUGH;
}
