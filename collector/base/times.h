/* times.h - times as people write them (CONTRACT §1): 15m, 2h (ago), now, 2026-11-23T10:00:00Z,
 * Unix seconds. */
#ifndef BASE_TIMES_H
#define BASE_TIMES_H

#include "collector/base/str.h"

/* Unix ns. A leading '-' before a duration is allowed. False when it is none of these. */
bool time_parse(struct str text, uint64_t now_ns, uint64_t *ns);
/* A duration with its unit (15m, 250ms) in ns; 0 needs none. */
bool duration_parse(struct str text, uint64_t *ns);
/* A duration as Go writes it, in ns: one or more numbers, each with ns, us (µs), ms, s, m or h
 * (1.2ms, 1m30s). False for a negative one too. */
bool go_duration_parse(struct str text, uint64_t *ns);
/* FROM..TO, half open; false when malformed or TO is before FROM. */
bool window_parse(struct str text, uint64_t now_ns, uint64_t *from_ns, uint64_t *to_ns);

#endif
