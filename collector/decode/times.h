/* times.h - what start and end say, and when they say nothing. */
#ifndef DECODE_TIMES_H
#define DECODE_TIMES_H

#include "collector/model/span.h"

/* Sets start, duration and bad_times. 0 is unknown. */
void times_set(struct span *span, uint64_t start_ns, uint64_t end_ns);

#endif
