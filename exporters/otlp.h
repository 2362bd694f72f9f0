/* otlp.h - spans of a batch as OTLP: JSON, and protobuf. */
#ifndef EXPORTERS_OTLP_H
#define EXPORTERS_OTLP_H

#include "collector/base/buf.h"
#include "collector/model/batch.h"

/* Appends one ExportTraceServiceRequest with all spans of the batch, in one line. */
void otlp_json_write(struct buf *out, const struct batch *batch);
/* What stands in the list of it: resourceSpans with commas between. */
void otlp_json_list_write(struct buf *out, const struct batch *batch);
/* The same as protobuf: TracesData, and what Tempo calls a Trace, are equal on the wire. */
void otlp_pb_write(struct buf *out, const struct batch *batch);

#endif
