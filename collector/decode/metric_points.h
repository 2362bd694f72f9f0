/* metric_points.h - the points of metrics as they come one by one, whichever way they were written
 * down; buckets become the house's histogram.
 */
#ifndef DECODE_METRIC_POINTS_H
#define DECODE_METRIC_POINTS_H

#include "collector/decode/value.h"
#include "collector/model/histogram.h"
#include "collector/model/metric.h"

#define MAX_BUCKETS 16384u /* of one point */
#define NO_RECORDED_VALUE 1u

/* Decoding one body of metrics. */
struct metric_reading {
    struct decoding decoding;    /* first: items are read by functions that know only this */
    struct metric *metric;       /* the one at hand; in the arena */
    double scale;                /* from its unit to ns, or 1 */
    struct attr_list attributes; /* of the point at hand; copied when it is taken */
    struct histogram histogram;
    struct buf counts, bounds, below; /* of the point at hand: uint64_t, double, uint64_t */
    struct buf compact;               /* a reader's own: counts not yet in their places */
};

void metric_reading_init(struct metric_reading *reading, const struct limits *limits,
                         struct batch *batch, struct err *err);
void metric_reading_fini(struct metric_reading *reading);

/* Begins the metric at hand. False when there is no room (err says). */
bool metric_begin(struct metric_reading *reading, const struct metric *metric);

/* What a point says beside its value. Buckets lie in the reading's buffers. */
struct raw_point {
    uint64_t count, flags;
    double sum, min, max;
    bool has_count, has_sum, has_min, has_max;
    int64_t scale, offset, below_offset; /* of an exponential histogram */
    uint64_t zero_count;
    uint64_t at_ns;
    uint8_t value_type; /* enum metric_value */
    int64_t integer;
    double real;
    struct attr_list attributes;
    const char *reason; /* why it is to be rejected, as its reader saw; NULL: it is good */
};

/* Empties the buffers for the next point. */
void metric_point_begin(struct metric_reading *reading, struct raw_point *raw);
/* Adds the point, or rejects it alone when it contradicts itself. False when the body fails (err
 * says). */
bool metric_point_take(struct metric_reading *reading, struct raw_point *raw);

#endif
