/* operation.h - what a span did, in words that recur. */
#ifndef DECODE_OPERATION_H
#define DECODE_OPERATION_H

#include "collector/decode/keys.h"
#include "collector/model/batch.h"

/* Sets span->facts.operation: the span's name; for a proxy, method and templated path, or the gRPC
 * path. False when the batch's arena is full. */
bool operation_of_span(struct batch *batch, struct span *span, const struct seen_keys *seen);

/* Is this path segment an identifier (digits, a UUID, eight or more hexadecimal digits with one
 * decimal among them)? */
bool segment_is_id(struct str segment);

#endif
