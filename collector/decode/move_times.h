/* move_times.h - a body with its times moved, all else as it came: for files that are sent on as if
 * they had just been recorded.
 */
#ifndef DECODE_MOVE_TIMES_H
#define DECODE_MOVE_TIMES_H

#include "collector/base/buf.h"
#include "collector/decode/decode.h"

/* Appends the body, of OTLP (any signal), Zipkin or Jaeger, with `by_ns` (whole microseconds, also
 * negative) added to every time in it; times that cannot be true (times.h) stay. The body is one
 * that decodes. False for other formats: their times stand in texts. */
bool move_times(struct content content, struct str body, int64_t by_ns, struct buf *out);

#endif
