/* statistics.h - tests on shares and on histograms; pure, with known answers in tests/unit. */
#ifndef LOCALISE_STATISTICS_H
#define LOCALISE_STATISTICS_H

#include "collector/model/histogram.h"

#define HALF_AN_EVENT 0.5 /* the shape of Jeffreys' prior of a Poisson rate */

/* z of the difference of two shares: a of n against b of m, pooled, or by Fisher's exact test where
 * few are expected. Above 0 when b's share is greater. 0 when either side is empty. */
double two_proportions(double a, double n, double b, double m);

/* z of the difference of two Poisson rates: a events in n against b in m. 0 when either is empty.
 */
double rates_z(double a, double n, double b, double m);

/* z of a rise of rare events at one of many places: a events in n against b in m, where the places
 * have `mean` events in n each. What a place did before says as much as it had events; the rest is
 * said by the others (an empirical Bayes test: a Poisson count whose rate has a Gamma distribution
 * with that mean and the shape of half an event). Where there were many events it is the test of
 * two rates. 0 when b is no rise, or n, m or mean is 0. */
double rare_z(double a, double n, double b, double m, double mean);

/* Probability that chance is beyond z, on one side. */
double chance_beyond(double z);

/* The z that chance is beyond with probability p < 0.5, on one side. */
double z_beyond(double p);

/* Score (Wilson) interval of the difference b/m − a/n at z standard errors (Newcombe's method 10).
 */
void share_difference_interval(double a, double n, double b, double m, double z,
                               double interval[2]);

/* Mann-Whitney on two histograms, ties by bucket. `effect`: P(now > normal) − P(now < normal), from
 * −1 to 1; `z` with the variance corrected for ties. Both 0 when either is empty. */
struct rank_test {
    double effect, z;
};
struct rank_test mann_whitney(const struct histogram *normal, const struct histogram *now);

/* Several tables of two shares as one test (Cochran, Mantel and Haenszel): in each, a of n against
 * b of m. Tables that are each too thin to tell add up. */
struct strata {
    double observed, expected, variance; /* of b */
};
void strata_add(struct strata *strata, double a, double n, double b, double m);
/* z of all of them; above 0 when b's shares are greater. */
double strata_z(const struct strata *strata);

/* Two times the greatest log-likelihood of `bad` of n. */
double share_likelihood(double bad, double n);

/* Of a bucket, also of one that has no place; 0 where subtractions left less. */
int64_t count_in(const struct histogram *histogram, uint32_t bucket);
/* Share of a histogram's counts in buckets above the given one. */
double share_above(const struct histogram *histogram, unsigned bucket);

#endif
