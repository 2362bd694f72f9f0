/* jaeger.h - spans of a batch as Jaeger's query API and page have them (formats: Trace JSON).
 *
 * Times are whole microseconds there. A link of a root to a span of its own trace is left out: it
 * would be read as its parent.
 */
#ifndef EXPORTERS_JAEGER_H
#define EXPORTERS_JAEGER_H

#include "collector/base/buf.h"
#include "collector/model/batch.h"

/* Appends the traces, with commas between; spans of one trace stand together in the batch, and
 * their resources are numbered in the order in which they come (as spans.h gives them). Gives how
 * many traces there are. */
uint32_t jaeger_traces_write(struct buf *out, const struct batch *batch);
/* Appends the answer that holds them: {"data":[…],…}. */
void jaeger_json_write(struct buf *out, const struct batch *batch);

#endif
