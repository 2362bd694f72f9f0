/* semconv.h - what attributes mean: facts of a span and identity of a resource, by the lists of
 * formats 05 and 09 and STITCHING §1. First hit wins, new names before old ones.
 */
#ifndef DECODE_SEMCONV_H
#define DECODE_SEMCONV_H

#include "collector/model/batch.h"

/* Fills cluster … host_address of a resource from its attributes. What cannot be written into the
 * arena is not known. */
void semconv_resource(struct arena *arena, struct resource *resource);
/* Fills span->facts; span->resource is already read. False when the arena is full. */
bool semconv_span(struct batch *batch, struct span *span);

#endif
