/* gauges.h - where a fault began by what services say of themselves alone, where neither spans nor
 * a mesh's series tell of requests (LOCALISING §3). Pure.
 *
 * Nobody says who called whom. A service is as suspect as the log of its own relative slowdown, the
 * rise of the share of its requests that fail, and the log of the growth of what may be a cause,
 * beyond what traffic makes of it: who only waits for somebody slow is slower by the same time, and
 * so relatively less, and has no cause of its own. There is an incident where somebody's requests
 * suffer.
 */
#ifndef LOCALISE_GAUGES_H
#define LOCALISE_GAUGES_H

#include "collector/model/diagnosis.h"
#include "collector/model/metric_samples.h"

/* Fills suspects of *diagnosis from a list of everybody, and where that tells of anybody's requests
 * verdict and need; all texts lie in `arena`. False when memory is short. */
bool localise_gauges(const struct metric_samples_list *list, struct arena *arena, uint32_t limit,
                     struct diagnosis *diagnosis);

/* Where the verdict of requests is that nobody is to blame, it stays: what the list says comes to
 * the hints, at most `most` for each, and they are ranked again. */
bool hints_add(const struct metric_samples_list *list, struct arena *arena, uint32_t limit,
               double most, struct diagnosis *diagnosis);

#endif
