/* compare.h - two versions of a service from the database: their calls read, compare() asked,
 * examples added. For the command, the API and the series of /metrics.
 */
#ifndef COMMAND_COMPARE_H
#define COMMAND_COMPARE_H

#include "collector/model/comparison.h"
#include "collector/store/query.h"

/* Back from now, where no --from is given. */
#define COMPARE_WINDOW_NS (30 * UINT64_C(60000000000))

/* The JSON of CONTRACT §7. ERR_NOT_FOUND when nobody called the service. */
int compare_json(struct query *query, const struct comparison_request *request, struct buf *out,
                 struct err *err);

/* faultline_canary_verdict: of every service that two versions took calls of, of the last half
 * hour. */
struct canary;
struct canary *canary_new(const char *db_path, uint32_t min_calls);
void canary_free(struct canary *canary);
/* The next series are computed anew. Any thread. */
void canary_forget(struct canary *canary);
/* Whole families of gauges. Any thread. */
void canary_metrics(struct canary *canary, struct buf *out);

#endif
