/* ingested.h - the metrics that others sent, as Prometheus names them: the newest point of each
 * series that came within the expiry, a bounded number of series.
 *
 * Names and units follow OpenTelemetry's rules for Prometheus: http.server.request.duration in s
 * becomes http_server_request_duration_seconds, sums that only grow end in _total, service.name and
 * service.instance.id become `job` and `instance`. Names of the program's own families are not
 * taken from others.
 */
#ifndef EXPORTERS_INGESTED_H
#define EXPORTERS_INGESTED_H

#include "collector/base/buf.h"
#include "collector/model/batch.h"

struct ingested;
/* NULL when memory is short. */
struct ingested *ingested_new(uint64_t expire_ns, uint32_t max_series);
void ingested_free(struct ingested *ingested); /* NULL is fine */
/* Borrows the batch. One thread. */
void ingested_take(struct ingested *ingested, const struct batch *batch, uint64_t now_ns);
/* Appends whole families. Any thread. */
void ingested_render(struct ingested *ingested, bool openmetrics, uint64_t now_ns, struct buf *out);

#endif
