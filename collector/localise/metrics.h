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
    double held, held_z;      /* the same of what a quarter of now's values reach */
    double unit;              /* ns, shares or counts that 1 stands for … */
    enum evidence_unit kind;  /* … and which of them */
    bool bytes, rate;         /* for people */
};
/* False when memory is short. */
bool metric_compare(const struct metric_samples *series, const struct metric_samples_list *windows,
                    struct metric_change *change);

/* The same of values that are there already; they are sorted. */
void metric_weigh(double *normal, uint32_t n_normal, double *now, uint32_t n_now, double floor,
                  struct metric_change *change);
/* A counter that is less than before began again. */
double metric_grown(double before, double after);
bool metric_is_counter(const struct metric_samples *series);
/* ns that 1 of its unit stands for; 0: no time, or not known. */
double metric_ns(const struct metric_samples *series);
/* Does a counter step back time and again, and not to its beginning? Then several processes count
 * under one name, and nobody can tell which is which. */
bool metric_steps_back(const struct metric_samples *series);
struct work;
struct str metric_say(struct work *work, const struct metric_change *change, double value);

/* The log of how many times more trouble it became, beyond what it scatters by and beyond `less`,
 * the log of what the load makes of it: at most GAUGE_MOST, as sure as it is far from chance, half
 * where it only shows that somebody waits. 0: nothing. */
double metric_gain(const struct metric_samples *series, const struct metric_change *change,
                   double less);
double metric_growth(const struct metric_change *change, bool falls);
/* From 0 at what chance gives to 1. */
double metric_sureness(double z);

/* Sorts the values; there is at least one. */
double median_of(double *values, uint32_t n);

/* Where spans say that the time of the first suspect is its own, or went where no span tells, and
 * its own metrics say nothing of why, but those of a database, a cache or a queue do that may be
 * its and sends no spans: that is one more suspect, before it. False when memory is short. */
bool metrics_find_store(struct metric_samples_list *list, struct arena *arena,
                        struct diagnosis *diagnosis);

/* By significance and score; with ranks and confidence. */
void metrics_rank_again(struct diagnosis *diagnosis);

/* Adds evidence and bonus of the series to the suspects (metric_samples.service is a place among
 * them), ranks them again and keeps the first `limit`. Texts lie in `arena`. False when memory is
 * short. */
bool metrics_weigh(const struct metric_samples_list *list, struct arena *arena, uint32_t limit,
                   struct diagnosis *diagnosis);

#endif
