/* interval.h - how far apart two things are, and how sure that is: 95 % intervals of differences.
 *
 * Shares: Newcombe's interval from two Wilson score intervals (good for few failures and for none).
 * Quantiles: order statistics of the histogram give each its interval; the difference's comes from
 * both by the same square-and-add rule (MOVER). Within a bucket values count as spread evenly, so
 * these quantiles lie a little below histogram_quantile()'s upper bounds.
 */
#ifndef MODEL_INTERVAL_H
#define MODEL_INTERVAL_H

#include "collector/model/histogram.h"

struct interval {
    double a, b;       /* the two values */
    double difference; /* b − a */
    double low, high;  /* of the difference */
    bool known;        /* false: one side has nothing to say */
};

/* `failed` of `n` on each side; shares 0..1. */
struct interval interval_of_shares(int64_t failed_a, int64_t n_a, int64_t failed_b, int64_t n_b);
/* Values in ns. */
struct interval interval_of_quantiles(const struct histogram *a, const struct histogram *b,
                                      double q);
/* Events per call, Poisson: `events` over `n` calls on each side. */
struct interval interval_of_rates(int64_t events_a, int64_t n_a, int64_t events_b, int64_t n_b);

enum verdict { VERDICT_NOT_ENOUGH, VERDICT_SAME, VERDICT_WORSE, VERDICT_BETTER };
/* More is worse. Worse or better only when the whole interval lies beyond the tolerance, the same
 * only when it lies within it. */
enum verdict interval_verdict(const struct interval *interval, double tolerance);

#endif
