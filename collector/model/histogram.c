/* histogram.c - a window of counters that widens as durations come. */
#include "collector/model/histogram.h"

#include <math.h>
#include <stdlib.h>

unsigned histogram_bucket(uint64_t duration_ns)
{
    if (duration_ns < 16)
        return (unsigned)duration_ns;
    unsigned e = 63 - (unsigned)__builtin_clzll(duration_ns);
    return 16 + 8 * (e - 4) + ((unsigned)(duration_ns >> (e - 3)) & 7);
}

uint64_t histogram_upper_ns(unsigned bucket)
{
    if (bucket < 16)
        return bucket;
    unsigned e = 4 + (bucket - 16) / 8;
    uint64_t eighth = UINT64_C(1) << (e - 3);
    return (UINT64_C(1) << e) + ((bucket - 16) % 8) * eighth + (eighth - 1);
}

void histogram_init(struct histogram *histogram)
{
    *histogram = (struct histogram){0};
}

void histogram_fini(struct histogram *histogram)
{
    free(histogram->counts);
    histogram_init(histogram);
}

void histogram_clear(struct histogram *histogram)
{
    histogram->n = 0;
    if (histogram->cap)
        memset(histogram->counts, 0, histogram->cap * sizeof(*histogram->counts));
}

/* Makes room for the buckets [from, to), a little more at both ends. */
static bool widen(struct histogram *histogram, uint32_t from, uint32_t to)
{
    uint32_t low = histogram->low, high = histogram->low + histogram->cap;
    if (histogram->cap && from >= low && to <= high)
        return true;
    if (!histogram->cap)
        low = from, high = to;
    if (from < low || !histogram->cap)
        low = from > 4 ? from - 4 : 0;
    if (to > high || !histogram->cap)
        high = to + 8 < HISTOGRAM_BUCKETS ? to + 8 : HISTOGRAM_BUCKETS;
    int64_t *counts = calloc(high - low, sizeof(*counts));
    if (!counts)
        return false;
    if (histogram->cap)
        memcpy(counts + (histogram->low - low), histogram->counts,
               histogram->cap * sizeof(*counts));
    free(histogram->counts);
    histogram->counts = counts;
    histogram->low = low;
    histogram->cap = high - low;
    return true;
}

static bool add_bucket(struct histogram *histogram, unsigned bucket, int64_t times)
{
    bool outside = bucket - histogram->low >= histogram->cap;
    if (outside && !widen(histogram, bucket, bucket + 1))
        return false;
    histogram->counts[bucket - histogram->low] += times;
    histogram->n += times;
    return true;
}

bool histogram_add(struct histogram *histogram, uint64_t duration_ns, int64_t times)
{
    return add_bucket(histogram, histogram_bucket(duration_ns), times);
}

static uint64_t whole(double value)
{
    return !(value > 0) ? 0 : value >= 9.2e18 ? INT64_MAX : (uint64_t)(value + 0.5);
}

#define PARTS 4

bool histogram_spread(struct histogram *histogram, double low_ns, double high_ns, uint64_t count)
{
    int64_t n = count < (uint64_t)HISTOGRAM_MAX_COUNT ? (int64_t)count : HISTOGRAM_MAX_COUNT;
    double high = high_ns < 9.2e18 ? high_ns : 9.2e18, low = low_ns > 0 ? low_ns : 0;
    int parts = n < PARTS ? (int)n : PARTS;
    if (!(low < high) || high - low < high / 8)
        parts = n > 0;
    for (int i = 1; i <= parts; i++) {
        double upper = i == parts ? high : low + (high - low) * i / parts;
        int64_t share = n * i / parts - n * (i - 1) / parts;
        if (!histogram_add(histogram, whole(upper), share))
            return false;
    }
    return true;
}

bool histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (!from->cap)
        return true;
    if (!widen(into, from->low, from->low + from->cap))
        return false;
    for (uint32_t i = 0; i < from->cap; i++)
        into->counts[from->low + i - into->low] += from->counts[i];
    into->n += from->n;
    return true;
}

uint64_t histogram_quantile(const struct histogram *histogram, double q)
{
    if (histogram->n <= 0)
        return UINT64_MAX;
    int64_t rank = (int64_t)ceil(q * (double)histogram->n), seen = 0;
    if (rank < 1)
        rank = 1;
    for (uint32_t i = 0; i < histogram->cap; i++) {
        seen += histogram->counts[i];
        if (seen >= rank)
            return histogram_upper_ns(histogram->low + i);
    }
    return histogram_max(histogram);
}

uint64_t histogram_max(const struct histogram *histogram)
{
    for (uint32_t i = histogram->cap; i > 0; i--) {
        if (histogram->counts[i - 1] > 0)
            return histogram_upper_ns(histogram->low + i - 1);
    }
    return UINT64_MAX;
}

void histogram_encode(const struct histogram *histogram, struct buf *buf)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < histogram->cap; i++) {
        if (histogram->counts[i] <= 0)
            continue;
        buf_add_varint(buf, histogram->low + i - last);
        buf_add_varint(buf, (uint64_t)histogram->counts[i]);
        last = histogram->low + i;
    }
}

static bool read_varint(struct str *blob, uint64_t *number)
{
    /* Nearly all are of one byte. */
    if (blob->len && (unsigned char)blob->p[0] < 0x80) {
        *number = (unsigned char)blob->p[0];
        *blob = (struct str){blob->p + 1, blob->len - 1};
        return true;
    }
    *number = 0;
    for (unsigned i = 0; i < blob->len && i < 10; i++) {
        uint64_t part = (unsigned char)blob->p[i] & 0x7f;
        *number |= part << (7 * i);
        if (!((unsigned char)blob->p[i] & 0x80)) {
            *blob = str_skip(*blob, i + 1);
            return true;
        }
    }
    return false;
}

bool histogram_decode(struct histogram *histogram, struct str blob)
{
    uint64_t gap, count, bucket = 0;
    while (blob.len) {
        if (!read_varint(&blob, &gap) || !read_varint(&blob, &count))
            return false;
        if (gap >= HISTOGRAM_BUCKETS || count > INT64_MAX / 2)
            return false;
        bucket += gap;
        if (bucket >= HISTOGRAM_BUCKETS || !add_bucket(histogram, (unsigned)bucket, (int64_t)count))
            return false;
    }
    return true;
}
