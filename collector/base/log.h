/* log.h - one line an event on standard error, logfmt or JSON.
 *
 * log_event(LOG_WARN, "inbox_torn", "segment=%s offset=%llu", ...) - the format gives key=value
 * pairs, values with blanks quoted by the caller with LOG_Q. No client can write a line per
 * request: log_limited() lets one line a second through for each call site's key and counts the
 * rest.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "collector/base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

void log_setup(enum log_level level, enum log_format format);
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct log_limit {
    _Atomic uint64_t next_ns; /* monotonic time from which the next line may be written */
    _Atomic uint64_t held;    /* lines folded since the last one */
};

/* At most one line a second for `limit` (a static of the call site); adds folded=N when some were.
 */
void log_limited(struct log_limit *limit, enum log_level level, const char *event,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Copies `s` for a log line: control bytes and quotes escaped, cut at 200 bytes, quoted. Gives
 * `space`. */
const char *log_quote(struct str s, char space[256]);

/* The last errors and warnings, newest first, for /api/v1/status: fills at most `max` lines of
 * 256 bytes, returns how many. */
size_t log_last_errors(char lines[][256], size_t max);

#endif
