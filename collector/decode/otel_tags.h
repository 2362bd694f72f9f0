/* otel_tags.h - what OpenTelemetry's exporters put into tags where Zipkin and Jaeger have no place
 * for it (formats: Zipkin to OpenTelemetry, OTLP to Jaeger): status, kind, scope, tracestate,
 * links, attributes of events. Taken out again, so that a span is what it was before it was
 * exported.
 */
#ifndef DECODE_OTEL_TAGS_H
#define DECODE_OTEL_TAGS_H

#include "collector/decode/span_list.h"
#include "collector/decode/value.h"

struct otel_tags {
    struct buf *links;  /* where links go: an array that is begun when empty */
    bool status_stated; /* given: there was an otel.status_code */
};
/* Moves such tags into the span's own fields. An `error` beside otel.status_code=ERROR says the
 * same again and goes too. False when there is no room (err says). */
bool otel_tags_take(struct decoding *decoding, struct span *span, struct attr_list *tags,
                    struct otel_tags *found);
/* `name|{attributes}|dropped` of an annotation; any other text is a name. The name is not cut yet.
 * False when there is no room (err says). */
bool otel_event_read(struct decoding *decoding, struct str value, struct span_item *item);

#endif
