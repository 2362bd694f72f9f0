/* metrics.h - metrics as a channel: what rose at a suspect, and so names the cause (LOCALISING §3).
 *
 * They add at most METRIC_BONUS to a suspect that requests speak against, and a sentence; alone
 * they accuse nobody.
 */
#ifndef LOCALISE_METRICS_H
#define LOCALISE_METRICS_H

#include "collector/model/diagnosis.h"
#include "collector/model/metric_samples.h"

/* A series in normal times and now, each value what one point says: a gauge's value, a counter's
 * rate a second since the point before, the mean of what a histogram got since then. */
struct metric_change {
    uint32_t n_normal, n_now; /* values */
    double normal;            /* median */
    double spread;            /* what z is counted in */
    double observed;          /* mean of now */
    double z;                 /* above 0: more trouble; 0 with too few values */
    double unit;              /* ns, shares or counts that 1 stands for … */
    enum evidence_unit kind;  /* … and which of them */
    bool bytes, rate;         /* for people */
};
/* False when memory is short. */
bool metric_compare(const struct metric_samples *series, const struct metric_samples_list *windows,
                    struct metric_change *change);

/* Sorts the values; there is at least one. */
double median_of(double *values, uint32_t n);

/* Adds evidence and bonus of the series to the suspects (metric_samples.service is a place among
 * them), ranks them again and keeps the first `limit`. Texts lie in `arena`. False when memory is
 * short. */
bool metrics_weigh(const struct metric_samples_list *list, struct arena *arena, uint32_t limit,
                   struct diagnosis *diagnosis);

#endif
