/* otlp_same.h - one generated request by three ways: decode_otlp_pb, decode_otlp_json, protobuf-c.
 */
#ifndef ORACLE_OTLP_SAME_H
#define ORACLE_OTLP_SAME_H

#include "collector/base/buf.h"
#include "tests/oracle/choices.h"

/* Makes a request, decodes it every way, compares. False: they differ, *why shows the request as
 * JSON and what each said. */
bool otlp_same(struct choices *choices, struct buf *why);

#endif
