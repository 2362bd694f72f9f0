/* symptom.c - tests on the requests of each entry. */
#include "collector/localise/symptom.h"

#include "collector/localise/constants.h"
#include "collector/localise/statistics.h"

static const struct tally *tally_find(const struct rollup *rollup, const struct tally_key *key)
{
    for (uint32_t i = 0; i < rollup->n; i++) {
        if (tally_key_eq(&rollup->items[i].key, key))
            return &rollup->items[i];
    }
    return NULL;
}

/* What counts as bad, in normal times and now. */
struct bad_counts {
    double normal, normal_n, now, now_n;
};

static double slow_ones(const struct histogram *histogram, unsigned bucket)
{
    return share_above(histogram, bucket) * (double)histogram->n;
}

static struct bad_counts bad_counts(enum symptom kind, const struct tally *normal,
                                    const struct tally *now)
{
    if (kind == SYMPTOM_ERRORS)
        return (struct bad_counts){(double)normal->bad, (double)normal->n, (double)now->bad,
                                   (double)now->n};
    uint64_t p95_ns = histogram_quantile(&normal->histogram, SLOW_QUANTILE);
    unsigned bucket = p95_ns == UINT64_MAX ? HISTOGRAM_BUCKETS : histogram_bucket(p95_ns);
    return (struct bad_counts){slow_ones(&normal->histogram, bucket), (double)normal->histogram.n,
                               slow_ones(&now->histogram, bucket), (double)now->histogram.n};
}

static void test_entry(enum symptom kind, const struct tally *normal, const struct tally *now,
                       struct symptom_found *best)
{
    struct bad_counts c = bad_counts(kind, normal, now);
    if (c.normal_n < SYMPTOM_NORMAL || c.now_n < MIN_TIMES)
        return;
    double was = c.normal / c.normal_n, is = c.now / c.now_n;
    double z = two_proportions(c.normal, c.normal_n, c.now, c.now_n);
    double least = kind == SYMPTOM_ERRORS ? SYMPTOM_FAILED : SYMPTOM_SLOW;
    if (z > SYMPTOM_Z && is - was >= least && z > best->z)
        *best = (struct symptom_found){kind, now->key, was, is, z};
}

bool symptom_find(const struct rollup *normal, const struct rollup *now,
                  struct symptom_found *found)
{
    *found = (struct symptom_found){0};
    /* Failures first: requests that fail are often slow or quick as well. */
    for (int kind = SYMPTOM_ERRORS; kind <= SYMPTOM_LATENCY && found->z == 0; kind++) {
        for (uint32_t i = 0; i < now->n; i++) {
            const struct tally *was = tally_find(normal, &now->items[i].key);
            if (was)
                test_entry((enum symptom)kind, was, &now->items[i], found);
        }
    }
    return found->z > 0;
}

bool symptom_is_heavy(const struct symptom_found *found)
{
    double heavy = found->kind == SYMPTOM_ERRORS ? SYMPTOM_FAILED_HEAVY : SYMPTOM_SLOW_HEAVY;
    return found->z >= SYMPTOM_Z_PLAIN || found->share - found->normal_share >= heavy;
}

int64_t symptom_count(enum symptom kind, const struct rollup *normal, const struct rollup *now)
{
    double sum = 0;
    for (uint32_t i = 0; i < now->n; i++) {
        const struct tally *was = tally_find(normal, &now->items[i].key);
        if (was || kind == SYMPTOM_ERRORS)
            sum += bad_counts(kind, was ? was : &now->items[i], &now->items[i]).now;
    }
    return (int64_t)(sum + 0.5);
}

unsigned symptom_onset(const struct step_count *steps, unsigned n_steps)
{
    struct step_count all = {0, 0}, left = {0, 0};
    double best = 0;
    unsigned at = 0;
    for (unsigned i = 0; i < n_steps; i++) {
        all.n += steps[i].n;
        all.bad += steps[i].bad;
    }
    for (unsigned i = 0; i + 1 < n_steps; i++) {
        left.n += steps[i].n;
        left.bad += steps[i].bad;
        double right_n = all.n - left.n, right_bad = all.bad - left.bad;
        if (left.n <= 0 || right_n <= 0 || right_bad / right_n <= left.bad / left.n)
            continue;
        double gain = share_likelihood(left.bad, left.n) + share_likelihood(right_bad, right_n) -
                      share_likelihood(all.bad, all.n);
        if (gain > best) {
            best = gain;
            at = i + 1;
        }
    }
    return at;
}
