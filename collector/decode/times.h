/* times.h - what start and end say, and when they say nothing. */
#ifndef DECODE_TIMES_H
#define DECODE_TIMES_H

#include "collector/model/span.h"

/* Before 1971 or from 2262 on: nobody meant it. */
bool time_is_odd(uint64_t ns);
/* Sets start, duration and bad_times. 0 is unknown. */
void times_set(struct span *span, uint64_t start_ns, uint64_t end_ns);

#endif
