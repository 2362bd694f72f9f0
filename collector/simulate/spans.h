/* spans.h - what the two kinds of span writers share: a span's frame, and names of what is called.
 */
#ifndef SIMULATE_SPANS_H
#define SIMULATE_SPANS_H

#include "collector/simulate/simulation_internal.h"

#define MAX_PATH 128

/* Ids, name, kind and times of a span, in the walk's buffer; attributes (field 9) follow. */
struct buf *span_begin(struct walk *walk, uint32_t sender, const struct span_times *times,
                       struct str name, enum span_kind kind);
/* Status and flags; hands the span over to leave with its sender when it has ended. */
void span_end(struct walk *walk, uint32_t sender, const struct span_times *times,
              enum span_status status, const char *message);
/* The path of an operation with the request's own number in it; gives `out` as a text. */
struct str path_of_operation(const struct walk *walk, const struct mesh_operation *operation,
                             char out[MAX_PATH]);
struct str method_of_operation(const struct mesh_operation *operation);

#endif
