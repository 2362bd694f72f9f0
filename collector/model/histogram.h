/* histogram.h - integer counts in log-linear buckets, 8 a doubling: they add and subtract exactly.
 *
 * Bucket of a duration d in ns: 0 for d < 1; 1…8 hold 1…8 exactly; above, index = 8·e + m with
 * e = floor(log2 d) − 2 …; HISTOGRAM_BUCKETS covers all 64 bits. Stored as a blob of varint pairs
 * (gap to the previous non-empty bucket, count), empty for no counts.
 */
#ifndef MODEL_HISTOGRAM_H
#define MODEL_HISTOGRAM_H

#include "collector/base/buf.h"

#define HISTOGRAM_BUCKETS 500

struct histogram {
    uint64_t n;            /* sum of counts */
    uint16_t low, high;    /* counts[low..high) may be non-zero; low = high when empty */
    uint16_t cap_low, cap_high; /* buckets that `counts` has room for */
    int64_t *counts;       /* counts[bucket − cap_low]; malloc'd; NULL when empty */
};

unsigned histogram_bucket(uint64_t duration_ns);
/* Largest duration that falls into the bucket. */
uint64_t histogram_upper_ns(unsigned bucket);

void histogram_init(struct histogram *histogram);
void histogram_fini(struct histogram *histogram);
/* `times` may be negative: a subtraction. False when memory is short. */
bool histogram_add(struct histogram *histogram, uint64_t duration_ns, int64_t times);
bool histogram_merge(struct histogram *into, const struct histogram *from);
/* Upper bound of the bucket in which the q-th value lies (0 ≤ q ≤ 1); DURATION_UNKNOWN when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double q);
uint64_t histogram_max(const struct histogram *histogram);
void histogram_encode(const struct histogram *histogram, struct buf *buf);
/* Adds the blob's counts; false when it is malformed (nothing added then). */
bool histogram_decode(struct histogram *histogram, struct str blob);

#endif
