/* merge.h - two records of one key become one, whatever came first (STITCHING §1). */
#ifndef STITCH_MERGE_H
#define STITCH_MERGE_H

#include "collector/base/buf.h"
#include "collector/model/shapes.h"

/* Do these two bear one key: span id (equal already), side, service, proxy or not, and not two
 * attempts? */
bool merge_same_key(const struct record *a, const struct record *b);

enum merge_result { MERGE_SAME, MERGE_CHANGED, MERGE_FAILED };

/* Merges `more` into `into`: longer duration, worse status, union of attributes, events and links,
 * the bytewise greater of two values. MERGE_CHANGED: *into differs from before; its `own` then
 * points into `scratch`, to be copied. MERGE_SAME: both say the same (where they came from aside).
 * MERGE_FAILED: memory is short, *into is as it was. */
enum merge_result merge_records(struct shapes *shapes, struct record *into,
                                const struct record *more, struct buf *scratch);

#endif
