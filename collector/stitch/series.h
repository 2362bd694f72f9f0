/* series.h - counters of proxies that Prometheus wrote: which edge they tell of. */
#ifndef STITCH_SERIES_H
#define STITCH_SERIES_H

#include "collector/model/batch.h"
#include "collector/stitch/stitch.h"

/* False when the point tells of no edge. Names and nodes are added. */
bool series_read(struct stitch *stitch, const struct metric_point *point,
                 const struct knowledge *knowledge, struct told_edge *edge);
/* Sets `told` of the points of a batch, in its arena. False when there is no room. */
bool series_read_batch(struct stitch *stitch, const struct knowledge *knowledge,
                       struct batch *batch);

#endif
