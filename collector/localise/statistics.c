/* statistics.c - sums over at most 496 buckets. */
#include "collector/localise/statistics.h"

#include <math.h>

#include "collector/base/ln_choose.h"

/* Counts that are expected to be smaller are tested exactly. */
#define EXACT_BELOW 5.0
#define MOST_EVENTS 1e6 /* beyond, a binomial number is Poisson's */

double rare_z(double a, double n, double b, double m, double mean)
{
    if (n <= 0 || m <= 0 || mean <= 0 || b * n <= a * m)
        return 0;
    /* Of a negative binomial number: b or more. Summed from b on, so that what is small is exact.
     */
    double shape = HALF_AN_EVENT + a, odds = m / n / (HALF_AN_EVENT / mean + 1);
    double p = odds / (1 + odds), term, tail = 0, k = b;
    double ln =
        ln_gamma(shape + b) - ln_gamma(shape) - ln_gamma(b + 1) + b * log(p) + shape * log1p(-p);
    for (term = exp(ln); term > 1e-17 * tail || k < b + 8; k++) {
        tail += term;
        term *= p * (shape + k) / (k + 1);
    }
    return tail > 0.5 ? 0 : tail > 1e-300 ? z_beyond(tail) : z_beyond(1e-300);
}

double chance_beyond(double z)
{
    return erfc(z / M_SQRT2) / 2;
}

double z_beyond(double p)
{
    double low = 0, high = 40;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (chance_beyond(middle) > p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Fisher's test on one side: that by chance b or more of all a + b lie among the m. */
static double exact_tail(double a, double n, double b, double m)
{
    double total = a + b, all = ln_choose(n + m, total), p = 0;
    for (double k = b; k <= m && k <= total; k++) {
        if (total - k <= n)
            p += exp(ln_choose(m, k) + ln_choose(n, total - k) - all);
    }
    return p;
}

double two_proportions(double a, double n, double b, double m)
{
    if (n <= 0 || m <= 0)
        return 0;
    double pooled = (a + b) / (n + m), variance = pooled * (1 - pooled) * (1 / n + 1 / m);
    if (variance <= 0)
        return 0;
    double difference = b / m - a / n, least = pooled * (n < m ? n : m);
    /* So few that the normal distribution tells tales. */
    if (least < EXACT_BELOW) {
        double p = difference > 0 ? exact_tail(a, n, b, m) : exact_tail(b, m, a, n);
        return p < 0.5 ? copysign(z_beyond(p), difference) : 0;
    }
    return difference / sqrt(variance);
}

void strata_add(struct strata *strata, double a, double n, double b, double m)
{
    double both = n + m, bad = a + b;
    if (n <= 0 || m <= 0 || both <= 1)
        return;
    strata->observed += b;
    strata->expected += bad * m / both;
    strata->variance += bad * fmax(0, both - bad) * n * m / (both * both * (both - 1));
}

/* Of a binomial number of n with this mean: `least` or more. */
static double binomial_tail(double n, double mean, double least)
{
    double p = mean / n, above = 0;
    for (double k = least; k <= n && p < 1; k++)
        above += exp(ln_choose(n, k) + k * log(p) + (n - k) * log1p(-p));
    return p < 1 ? above : 1;
}

/* Given how many there are in all, those of b are a binomial number: exactly, where few are
 * expected. */
double rates_z(double a, double n, double b, double m)
{
    if (n <= 0 || m <= 0)
        return 0;
    double variance = a / (n * n) + b / (m * m), all = round(a + b);
    if (variance <= 0)
        return 0;
    double difference = b / m - a / n;
    if (all * fmin(n, m) / (n + m) < EXACT_BELOW) {
        double p = difference > 0 ? binomial_tail(all, all * m / (n + m), round(b))
                                  : binomial_tail(all, all * n / (n + m), round(a));
        return p < 0.5 ? copysign(z_beyond(fmax(p, 1e-300)), difference) : 0;
    }
    return difference / sqrt(variance);
}

/* Given how many are bad in each table, those of b are sums of hypergeometric numbers: as a
 * binomial number that has their mean and variance. */
static double strata_tail(const struct strata *strata)
{
    double left = fmin(1, strata->variance / strata->expected),
           least = ceil(strata->observed - 1e-6);
    double n = left < 1 ? ceil(strata->expected / (1 - left)) : HUGE_VAL;
    n = fmin(fmax(n, least), MOST_EVENTS);
    return binomial_tail(n, strata->expected, least);
}

double strata_z(const struct strata *strata)
{
    double difference = strata->observed - strata->expected;
    if (strata->variance <= 0)
        return 0;
    /* So few that the normal distribution tells tales. */
    if (difference > 0 && strata->expected < EXACT_BELOW) {
        double p = strata_tail(strata);
        return p <= 1e-300 ? z_beyond(1e-300) : p < 0.5 ? z_beyond(p) : 0;
    }
    return difference / sqrt(strata->variance);
}

static void wilson(double a, double n, double z, double interval[2])
{
    double p = a / n, middle = p + z * z / (2 * n), scale = 1 + z * z / n;
    double half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    interval[0] = (middle - half) / scale;
    interval[1] = (middle + half) / scale;
}

void share_difference_interval(double a, double n, double b, double m, double z, double interval[2])
{
    double first[2], second[2], p = a / n, q = b / m;
    wilson(a, n, z, first);
    wilson(b, m, z, second);
    interval[0] = q - p - sqrt((q - second[0]) * (q - second[0]) + (first[1] - p) * (first[1] - p));
    interval[1] = q - p + sqrt((second[1] - q) * (second[1] - q) + (p - first[0]) * (p - first[0]));
}

int64_t count_in(const struct histogram *histogram, uint32_t bucket)
{
    if (bucket < histogram->low || bucket >= histogram->low + histogram->cap)
        return 0;
    int64_t count = histogram->counts[bucket - histogram->low];
    return count > 0 ? count : 0;
}

struct rank_test mann_whitney(const struct histogram *normal, const struct histogram *now)
{
    double n = 0, m = 0, below = 0, wins = 0, ties = 0, cubes = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double a = (double)count_in(normal, i), b = (double)count_in(now, i), both = a + b;
        if (both == 0)
            continue;
        wins += b * below;
        ties += a * b;
        cubes += both * both * both - both;
        below += a;
        n += a;
        m += b;
    }
    if (n == 0 || m == 0)
        return (struct rank_test){0, 0};
    double total = n + m, u = wins + ties / 2;
    double variance = n * m / 12 * (total + 1 - cubes / (total * (total - 1)));
    return (struct rank_test){2 * u / (n * m) - 1,
                              variance > 0 ? (u - n * m / 2) / sqrt(variance) : 0};
}

double share_above(const struct histogram *histogram, unsigned bucket)
{
    double above = 0, n = 0;
    for (uint32_t i = 0; i < histogram->cap; i++) {
        double count = (double)count_in(histogram, histogram->low + i);
        n += count;
        above += histogram->low + i > bucket ? count : 0;
    }
    return n > 0 ? above / n : 0;
}

double share_likelihood(double bad, double n)
{
    double good = n - bad, sum = 0;
    if (bad > 0)
        sum += bad * log(bad / n);
    if (good > 0)
        sum += good * log(good / n);
    return 2 * sum;
}
