/* kin.c - keys that are each too thin to tell, as one: the own times of all operations of a
 * service, the gaps to all that it calls or is called by.
 *
 * Calls of different kinds take different times, so each counts by how far it lies from the median
 * of its own kind, in buckets: by the factor. The median is that of both times together, so that
 * without a change normal and now are drawn alike however few they are.
 */
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

struct kin {
    int64_t n[2];
    int64_t *counts[2]; /* normal, now; buckets around the middle one */
};

#define MIDDLE (HISTOGRAM_BUCKETS / 2)

struct kin *kin_new(struct work *work)
{
    struct kin *kin = arena_calloc(work->arena, (work->level->n + 1) * sizeof(*kin));
    work->memory_short = work->memory_short || !kin;
    return kin;
}

static uint32_t median_of(const struct histogram *a, const struct histogram *b)
{
    int64_t seen = 0, half = (a->n + b->n + 1) / 2;
    uint32_t bucket = 0;
    while (bucket < HISTOGRAM_BUCKETS - 1 &&
           (seen += count_in(a, bucket) + count_in(b, bucket)) < half)
        bucket++;
    return bucket;
}

static void spread(const struct histogram *from, uint32_t median, int64_t *counts)
{
    for (uint32_t i = 0; i < from->cap; i++) {
        int64_t count = from->counts[i], at = (int64_t)from->low + i - median + MIDDLE;
        at = at < 0 ? 0 : at < HISTOGRAM_BUCKETS ? at : HISTOGRAM_BUCKETS - 1;
        counts[at] += count > 0 ? count : 0;
    }
}

void kin_add(struct work *work, struct kin *all, uint32_t group, const struct tally *normal,
             const struct tally *now)
{
    const struct histogram *of[2] = {&normal->histogram, &now->histogram};
    if (!all || group == NO_GROUP || of[0]->n <= 0 || of[1]->n <= 0)
        return;
    struct kin *kin = &all[group];
    uint32_t median = median_of(of[0], of[1]);
    for (int t = 0; t < 2; t++) {
        if (!kin->counts[t])
            kin->counts[t] = arena_calloc(work->arena, HISTOGRAM_BUCKETS * sizeof(int64_t));
        if (!kin->counts[t]) {
            work->memory_short = true;
            return;
        }
        spread(of[t], median, kin->counts[t]);
        kin->n[t] += of[t]->n;
    }
}

bool kin_test(const struct work *work, const struct kin *all, uint32_t group, struct slowness *slow)
{
    *slow = (struct slowness){0};
    if (!all || group == NO_GROUP || all[group].n[0] < MIN_KIN_TIMES ||
        all[group].n[1] < MIN_KIN_TIMES)
        return false;
    struct histogram histograms[2];
    for (int t = 0; t < 2; t++)
        histograms[t] = (struct histogram){.n = all[group].n[t],
                                           .low = 0,
                                           .cap = HISTOGRAM_BUCKETS,
                                           .counts = all[group].counts[t]};
    compare_times(&histograms[0], &histograms[1], work->drift, slow);
    return true;
}
