/* giants.h - the keys of spans of traces beyond stitch.max_spans_per_trace, whose spans are stored
 * in pieces and not held together: what tells that one of them came already.
 *
 * A few traces, a few million keys; of what is beyond, resent spans are stored again. All of it
 * belongs to the stitcher's thread.
 */
#ifndef STITCH_GIANTS_H
#define STITCH_GIANTS_H

#include "collector/model/record.h"

struct giants;

/* NULL when memory is short. */
struct giants *giants_new(void);
void giants_free(struct giants *giants);

/* Is anything known of this trace? If not, what the file has of it must be added first. */
bool giants_know(const struct giants *giants, struct trace_id id);
/* A span of this trace is stored, or on its way there. */
void giants_add(struct giants *giants, struct trace_id id, uint64_t span_id, uint64_t start_ns);
/* Did a span of the same id and start come before? */
bool giants_has(const struct giants *giants, struct trace_id id, uint64_t span_id,
                uint64_t start_ns);

#endif
