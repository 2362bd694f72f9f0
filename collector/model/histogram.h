/* histogram.h - integer counts in log-linear buckets, 8 a doubling: they add and subtract exactly.
 *
 * A duration d in ns falls into bucket d for d < 16; above, with e = floor(log2 d), into bucket
 * 16 + 8·(e − 4) + ((d >> (e − 3)) mod 8): eight equal parts of [2^e, 2^(e+1)). No bucket is wider
 * than an eighth of its lower bound.
 *
 * The stored form is a blob: for each non-empty bucket, in order, the gap to the one before (the
 * first: its own number) and the count, both as varints. Empty for no counts.
 */
#ifndef MODEL_HISTOGRAM_H
#define MODEL_HISTOGRAM_H

#include "collector/base/buf.h"

/* Most that is added at once: sums of them stay whole numbers. */
#define HISTOGRAM_MAX_COUNT (INT64_C(1) << 52)
#define HISTOGRAM_BUCKETS 496 /* 16 exact ones, and 8 for each of the exponents 4 … 63 */

struct histogram {
    int64_t n;         /* sum of counts */
    uint32_t low, cap; /* buckets low … low + cap − 1 have a place in `counts` */
    int64_t *counts;   /* malloc'd; NULL while cap is 0 */
};

unsigned histogram_bucket(uint64_t duration_ns);
/* Largest duration that falls into the bucket. */
uint64_t histogram_upper_ns(unsigned bucket);

void histogram_init(struct histogram *histogram);
void histogram_fini(struct histogram *histogram);
/* Empties it, keeps the memory. */
void histogram_clear(struct histogram *histogram);
/* `times` may be negative: a subtraction. False when memory is short. */
bool histogram_add(struct histogram *histogram, uint64_t duration_ns, int64_t times);
/* `count` durations of which is known that they lie in (low, high]: spread evenly over up to four
 * parts of it, so that quantiles fall between the bounds as if values did. */
bool histogram_spread(struct histogram *histogram, double low_ns, double high_ns, uint64_t count);
bool histogram_merge(struct histogram *into, const struct histogram *from);
/* Upper bound of the bucket in which the q-th value lies (0 ≤ q ≤ 1); UINT64_MAX when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double q);
/* Upper bound of the highest non-empty bucket; UINT64_MAX when empty. */
uint64_t histogram_max(const struct histogram *histogram);
/* Appends the blob; counts below 0 are written as 0. */
void histogram_encode(const struct histogram *histogram, struct buf *buf);
/* Adds the blob's counts; false when it is malformed or memory is short (something may be added
 * then). */
bool histogram_decode(struct histogram *histogram, struct str blob);

#endif
