/* onset.h - since when requests are spoilt: the change point of their minutes. Pure. */
#ifndef LOCALISE_ONSET_H
#define LOCALISE_ONSET_H

#include "collector/model/diagnosis.h"

/* The minute, in order of time and not before `from_ns`, from which the share of failed requests,
 * else their mean time, is another: as Unix time in ns; 0 when there is none. */
uint64_t onset_ns(const struct request_minute *rows, size_t n, uint64_t from_ns);

#endif
