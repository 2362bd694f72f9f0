/* zipkin.h - spans of a batch as Zipkin v2 JSON (formats: Zipkin, span v2; OTLP to Zipkin).
 *
 * Times are whole microseconds there, all values texts, a duration at least 1. An attribute `error`
 * of a span whose status is an error is read back as that status alone.
 */
#ifndef EXPORTERS_ZIPKIN_H
#define EXPORTERS_ZIPKIN_H

#include "collector/base/buf.h"
#include "collector/model/batch.h"

/* Appends one list with all spans of the batch. */
void zipkin_json_write(struct buf *out, const struct batch *batch);

#endif
