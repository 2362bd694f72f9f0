/* otlp_answer.h - what OTLP says of a body, in protobuf and in JSON, whatever carried it. */
#ifndef RECEIVE_OTLP_ANSWER_H
#define RECEIVE_OTLP_ANSWER_H

#include "collector/receive/accept.h"

/* ExportTraceServiceResponse and those of metrics and logs, which differ in one name:
 * partial_success is there only when records were rejected. */
void otlp_write_answer(struct buf *out, enum signal signal, bool json,
                       const struct acceptance *acceptance);
/* google.rpc.Status with one of gRPC's codes. */
void otlp_write_status(struct buf *out, bool json, unsigned code, const char *reason);

#endif
