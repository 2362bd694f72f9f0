/* replay_otlp.h - spans of a batch as OTLP JSON, for formats that no port takes. */
#ifndef COMMAND_REPLAY_OTLP_H
#define COMMAND_REPLAY_OTLP_H

#include "collector/base/buf.h"
#include "collector/model/batch.h"

/* Appends one ExportTraceServiceRequest with all spans of the batch. */
void replay_otlp_json(struct buf *out, const struct batch *batch);

#endif
