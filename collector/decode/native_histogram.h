/* native_histogram.h - a native histogram of Prometheus becomes a point with the house's buckets.
 */
#ifndef DECODE_NATIVE_HISTOGRAM_H
#define DECODE_NATIVE_HISTOGRAM_H

#include "collector/decode/metric_points.h"

/* Reads prometheus.Histogram into `raw` and the reading's buffers; sets raw->reason where it
 * contradicts itself. *type: METRIC_EXPONENTIAL_HISTOGRAM, or METRIC_HISTOGRAM where its bounds are
 * its own. *at_ms: its time. False when it is malformed. */
bool native_histogram_read(struct metric_reading *reading, struct str bytes, struct raw_point *raw,
                           uint8_t *type, int64_t *at_ms);

/* A value that says that its series ended. */
#define STALE_BITS UINT64_C(0x7ff0000000000002)

#endif
