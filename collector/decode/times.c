/* times.c - nothing is rejected for its time; what cannot be true is marked and kept out of
 * statistics. */
#include "collector/decode/times.h"

#define YEAR_1971_NS (UINT64_C(31536000) * 1000000000)
#define YEAR_2262_NS (UINT64_C(9214646400) * 1000000000)

bool time_is_odd(uint64_t ns)
{
    return ns < YEAR_1971_NS || ns >= YEAR_2262_NS;
}

void times_set(struct span *span, uint64_t start_ns, uint64_t end_ns)
{
    span->start_ns = start_ns;
    span->bad_times = time_is_odd(start_ns) || time_is_odd(end_ns) || end_ns < start_ns;
    if (!start_ns || !end_ns)
        span->duration_ns = DURATION_UNKNOWN;
    else
        span->duration_ns = end_ns < start_ns ? 0 : end_ns - start_ns;
    /* The database's integers are signed: what lies beyond is no time anybody meant. */
    if (start_ns > INT64_MAX)
        span->start_ns = 0;
    if (span->duration_ns != DURATION_UNKNOWN && span->duration_ns > INT64_MAX)
        span->duration_ns = DURATION_UNKNOWN;
}
