/* shift.h - how far one histogram lies beside another, and intervals that hold at every look. Pure,
 * with known answers in tests/unit.
 *
 * Who waits for a verdict looks again and again. An interval that is right 95 times in 100 at one
 * look is wrong far more often at one of many; these are wide enough for all looks together: a
 * confidence sequence by the mixture of normals (Robbins 1970; its form for estimates that are
 * normal only in the limit: Waudby-Smith and others 2021), tightest at 300 calls a side.
 */
#ifndef LOCALISE_SHIFT_H
#define LOCALISE_SHIFT_H

#include "collector/model/histogram.h"

/* Counts that may be weighted: n is what they are worth in calls. */
struct weighted {
    double n;
    double counts[HISTOGRAM_BUCKETS];
};

/* Standard errors on either side of a difference of two samples, so that at all looks together
 * `alpha` is how often the truth lies outside. */
double always_z(double n, double m, double alpha);

/* The shift between two samples (Hodges and Lehmann): the median of all differences b − a, and the
 * differences between which it lies by the Mann-Whitney statistic at z standard errors. Within a
 * bucket values count as spread evenly. Nothing known (false) when either side is empty. */
struct shift {
    double ns, low_ns, high_ns;
};
bool shift_between(const struct weighted *a, const struct weighted *b, double z,
                   struct shift *shift);

/* The value below which this share of the counts lies, spread evenly within a bucket; 0 when empty.
 */
double weighted_quantile(const struct weighted *weighted, double q);
/* The share of counts above a value. */
double weighted_above(const struct weighted *weighted, double ns);

#endif
