/* pipeline_state.c - how the pipeline does, as probes, scrapes and people ask. */
#include "collector/base/clock.h"
#include "collector/command/pipeline_internal.h"

#define STUCK_NS (30 * NS_PER_S)
#define VACUUM_LIMIT_NS (60 * NS_PER_MINUTE)

const char *pipeline_not_ready(struct pipeline *pipeline)
{
    const char *state = pipeline->inbox ? inbox_state(pipeline->inbox) : "";
    return state[0] ? state : store_state(pipeline->store);
}

bool pipeline_settled(struct pipeline *pipeline)
{
    return store_booked_to(pipeline->store) >= pipeline->found_to;
}

int64_t pipeline_kafka_next(struct pipeline *pipeline, uint64_t topic, int32_t partition)
{
    return store_kafka_next(pipeline->store, topic, partition);
}

const char *pipeline_unhealthy(struct pipeline *pipeline)
{
    uint64_t now_ns = clock_mono_ns();
    /* Against the flow: who is stuck keeps those before him. */
    if (now_ns > store_progress_ns(pipeline->store) + STUCK_NS)
        return "writer";
    if (now_ns > stitcher_progress_ns(pipeline->stitcher) + STUCK_NS)
        return "stitcher";
    if (pipeline->inbox && now_ns > inbox_progress_ns(pipeline->inbox) + STUCK_NS)
        return "inbox";
    return "";
}

void pipeline_metrics(struct pipeline *pipeline, struct str accept, struct buf *out,
                      const char **content_type)
{
    bool openmetrics = prometheus_wants_openmetrics(accept);
    *content_type = openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                : "text/plain; version=0.0.4; charset=utf-8";
    prometheus_render(pipeline->prometheus, openmetrics, clock_wall_ns(), out);
}

void pipeline_status(struct pipeline *pipeline, struct buf *out)
{
    uint64_t oldest_ns = inbox_oldest_ns(pipeline->inbox), now_ns = clock_wall_ns();
    double oldest_s = oldest_ns && now_ns > oldest_ns ? (now_ns - oldest_ns) / 1e9 : 0;
    buf_addf(out, "\"inbox\":{\"bytes\":%llu,\"records\":%llu,\"oldest_s\":",
             (unsigned long long)inbox_bytes(pipeline->inbox),
             (unsigned long long)inbox_records(pipeline->inbox));
    buf_add_double(out, oldest_s);
    buf_addf(out, "},\"live\":{\"traces\":%llu,\"spans\":%llu,\"bytes\":%llu}",
             (unsigned long long)stitcher_live_traces(pipeline->stitcher),
             (unsigned long long)stitcher_live_spans(pipeline->stitcher),
             (unsigned long long)stitcher_live_bytes(pipeline->stitcher));
}

void pipeline_tell_web(struct pipeline *pipeline, const struct store_web *web)
{
    store_tell_web(pipeline->store, web);
}

int pipeline_vacuum(struct pipeline *pipeline, uint64_t bytes[2], struct err *err)
{
    return store_vacuum(pipeline->store, clock_wall_ns() + VACUUM_LIMIT_NS, bytes, err);
}
