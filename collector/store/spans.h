/* spans.h - stored spans as a batch again, for those who hand them on: the writers of other
 * formats. What a record has no column for (name, scope, tracestate) is back in its field; facts
 * are not filled, and log records that stand with a span are not among its events.
 */
#ifndef STORE_SPANS_H
#define STORE_SPANS_H

#include "collector/model/batch.h"
#include "collector/store/query.h"

/* Adds the spans of one trace. `id`: 1–32 hex digits. ERR_NOT_FOUND for an unknown trace,
 * ERR_TOO_BIG when the batch has no room. */
int spans_of_trace(struct query *query, struct str id, struct batch *batch, struct err *err);
/* The same by its number, which a search gave; adds none when it is gone meanwhile. */
int spans_of_number(struct query *query, int64_t trace_no, struct batch *batch, struct err *err);
/* Adds those of the traces that query_traces_json() lists, one after the other. */
int spans_of_traces(struct query *query, const struct query_filter *filter, struct batch *batch,
                    struct err *err);

#endif
