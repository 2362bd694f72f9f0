/* prometheus.h - /metrics: the service graph, span metrics, and the program's own health (CONTRACT
 * §8).
 *
 * A call counts once, when its trace is first cut and committed. The exporter owns its series;
 * turns come from its queue after the commit. Rendering holds the series still: turns wait
 * meanwhile, receivers do not.
 */
#ifndef EXPORTERS_PROMETHEUS_H
#define EXPORTERS_PROMETHEUS_H

#include "collector/base/buf.h"
#include "collector/base/err.h"
#include "collector/model/turn.h"

struct prometheus_settings {
    uint64_t expire_ns;         /* export.prometheus.expire */
    uint32_t max_series;        /* export.prometheus.max_series */
    bool ingested;              /* export.prometheus.ingested */
    uint32_t keep_percent;      /* store.keep; 100: all */
    uint32_t max_operations;    /* limit.operations, per service */
    const char *sqlite_version; /* shown in faultline_build_info */
    /* What was judged (incidents, canaries): writes whole families of gauges. May be NULL. */
    void (*judged)(struct buf *out, void *ctx);
    void *ctx;
};

struct prometheus;
struct prometheus *prometheus_new(const struct prometheus_settings *settings);
void prometheus_free(struct prometheus *prometheus);
/* Borrows the turn: adds every trace that was cut for the first time (was == NULL); others only to
 * faultline_stitch_corrections_total. One thread. */
void prometheus_take(struct prometheus *prometheus, const struct turn *turn, uint64_t now_ns);
/* Any thread. `openmetrics`: OpenMetrics 1.0 with exemplars, else text 0.0.4. */
void prometheus_render(struct prometheus *prometheus, bool openmetrics, uint64_t now_ns,
                       struct buf *out);
/* By an Accept header: true for OpenMetrics. */
bool prometheus_wants_openmetrics(struct str accept);
/* Appends `name="value"` with its escapes, after a comma unless the buffer is empty. */
void prometheus_label(struct buf *labels, const char *name, struct str value);

#endif
