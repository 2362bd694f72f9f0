/* query_points.h - the stored points of metric series in a window, one series after the other, for
 * the questions that make something of them. So many are read for one answer and no more.
 */
#ifndef STORE_QUERY_POINTS_H
#define STORE_QUERY_POINTS_H

#include "collector/model/metric_samples.h"
#include "collector/store/query_internal.h"

/* A point before the window tells what a counter was; senders send once a minute, some in five. */
#define POINTS_BEFORE_NS (5 * NS_PER_MINUTE)
/* A series that begins so long after others of its sender is new, and grew from 0: a scrape of all
 * targets, and one more that was missed. */
#define POINTS_NEW_AFTER_NS (90 * NS_PER_S)

struct points_reading {
    struct query *query; /* these two are the caller's to set */
    uint32_t max;        /* points of all series */
    uint32_t n;
    sqlite3_stmt *select;
    struct metric_sample *points; /* of the series that was read last, by time */
    uint32_t n_points, cap;
    bool memory_short;
    int code; /* of SQLite */
};

/* Of points from POINTS_BEFORE_NS before from_ns on up to last_ns. points_end() in any case. */
int points_begin(struct points_reading *reading, uint64_t from_ns, uint64_t last_ns,
                 struct err *err);
/* Into reading->points, which stay until the next. */
void points_read(struct points_reading *reading, int64_t series);
/* No more can be read: there were as many as may be, or something failed. */
bool points_are_over(const struct points_reading *reading);
/* What failed while they were read goes into err, unless something is there. */
void points_end(struct points_reading *reading, struct err *err);

#endif
