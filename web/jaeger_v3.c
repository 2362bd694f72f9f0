/* jaeger_v3.c - version 3 of Jaeger's query API (formats: query APIs §2), which the newest Jaeger
 * UI and Grafana ask: names, traces as OTLP JSON, and what a list of traces shows of each. A
 * parameter has two spellings.
 */
#include <stdio.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/base/times.h"
#include "exporters/otlp.h"
#include "web/jaeger.h"

#define TRACES "/api/v3/traces/"
#define MOST_SERVICES 64 /* that a summary names */

/* ---- names ---- */

static int services(struct others_ask *ask, struct err *err)
{
    struct others_list list = {.out = ask->out};
    struct name_filter all = {0};
    buf_add_c(ask->out, "{\"services\":[");
    query_span_services(ask->query, &all, others_add_name, &list, err);
    buf_add_c(ask->out, "]}");
    return err->code;
}
OTHERS_ROUTE(jaeger_v3_services, services)

static const char *spelled(const struct http_request *request, const char *name, const char *other)
{
    return http_query(request, name).len ? name : other;
}

static int operations(struct others_ask *ask, struct err *err)
{
    struct others_list list = {.out = ask->out};
    struct name_filter filter = {.service = http_query(ask->request, "service")};
    const char *kind = spelled(ask->request, "spanKind", "span_kind");
    if (!filter.service.len)
        return err_set(err, ERR_INVALID, "parameter 'service' is required");
    if (!jaeger_kind(ask->request, kind, &filter.kind, err))
        return err->code;
    buf_add_c(ask->out, "{\"operations\":[");
    query_span_operations(ask->query, &filter, jaeger_add_operation, &list, err);
    buf_add_c(ask->out, "]}");
    return err->code;
}
OTHERS_ROUTE(jaeger_v3_operations, operations)

/* ---- what is searched for ---- */

/* 2026-11-23T10:00:00.5+02:00 as 2026-11-23T10:00:00.5Z and an offset. A + that was not encoded
 * came as a blank. */
static bool read_offset(struct str text, char base[64], int64_t *offset_ns)
{
    uint64_t hours, minutes;
    struct str zone = str_skip(text, text.len < 6 ? text.len : text.len - 6);
    if (text.len >= 64 || zone.len != 6 || zone.p[3] != ':' || !strchr("+- ", zone.p[0]) ||
        !str_to_u64((struct str){zone.p + 1, 2}, &hours) ||
        !str_to_u64((struct str){zone.p + 4, 2}, &minutes) || hours > 23 || minutes > 59)
        return false;
    snprintf(base, 64, "%.*sZ", (int)(text.len - 6), text.p);
    *offset_ns = (int64_t)((hours * 60 + minutes) * NS_PER_MINUTE) * (zone.p[0] == '-' ? -1 : 1);
    return true;
}

static bool read_time(const struct http_request *request, const char *name, uint64_t *ns,
                      struct err *err)
{
    struct str text = http_query(request, name);
    char base[64];
    int64_t offset_ns = 0;
    bool moved = read_offset(text, base, &offset_ns);
    if (!text.len)
        return !err_set(err, ERR_INVALID, "%s is required", name);
    bool good = text.len >= 20 && time_parse(moved ? str_of(base) : text, 0, ns);
    if (!good || *ns > INT64_MAX || (offset_ns > 0 && *ns < (uint64_t)offset_ns))
        return !err_set(err, ERR_INVALID, "%s is a time: 2026-11-23T10:00:00Z", name);
    *ns -= (uint64_t)offset_ns;
    return true;
}

static bool read_depth(const struct http_request *request, uint32_t *limit, struct err *err)
{
    const char *name = spelled(request, "query.searchDepth", "query.search_depth");
    name = spelled(request, name, "query.num_traces");
    struct str text = http_query(request, name);
    uint64_t number = JAEGER_DEFAULT_TRACES;
    if (text.len && (!str_to_u64(text, &number) || number < 1 || number > MOST_TRACES))
        return !err_set(err, ERR_INVALID, "%s is 1 to %d", name, MOST_TRACES);
    *limit = (uint32_t)number;
    return true;
}

static bool read_search(const struct http_request *r, struct jaeger_asked *asked, struct err *err)
{
    struct span_wanted *wanted = &asked->wanted;
    const char *service = spelled(r, "query.serviceName", "query.service_name");
    const char *operation = spelled(r, "query.operationName", "query.operation_name");
    *wanted = (struct span_wanted){.service = http_query(r, service),
                                   .operation = http_query(r, operation),
                                   .tags = asked->tags};
    if (http_query(r, "query.filter").len)
        return !err_set(err, ERR_INVALID, "query.filter is not known here");
    if (!read_time(r, spelled(r, "query.startTimeMin", "query.start_time_min"),
                   &wanted->window.from_ns, err) ||
        !read_time(r, spelled(r, "query.startTimeMax", "query.start_time_max"),
                   &wanted->window.to_ns, err) ||
        !jaeger_duration(r, spelled(r, "query.durationMin", "query.duration_min"),
                         &wanted->least_ns, err) ||
        !jaeger_duration(r, spelled(r, "query.durationMax", "query.duration_max"), &wanted->most_ns,
                         err) ||
        !read_depth(r, &wanted->limit, err) || !jaeger_tags(r, "query.attributes", asked, err))
        return false;
    if (wanted->window.from_ns >= wanted->window.to_ns)
        return !err_set(err, ERR_INVALID,
                        "query.start_time_min is not before query.start_time_max");
    return !wanted->most_ns || wanted->least_ns <= wanted->most_ns ||
           !err_set(err, ERR_INVALID, "query.duration_min is more than query.duration_max");
}

/* Writes what `write` makes of each trace that is found; ERR_NOT_FOUND for none. Nothing in this
 * API says that a search stopped: a header does. */
static int search(struct others_ask *ask, void (*write)(struct buf *out, const struct batch *batch),
                  struct err *err)
{
    struct span_found found;
    struct jaeger_asked asked;
    uint32_t n = 0;
    arena_init(&asked.arena, 1u << 20);
    if (read_search(ask->request, &asked, err) &&
        query_span_search(ask->query, &asked.wanted, &found, err) == 0) {
        others_warn_stopped(ask, &found);
        others_write_traces(ask, &found, write, &n, err);
        if (!err->code && !n)
            err_set(err, ERR_NOT_FOUND, "No traces found");
    }
    arena_fini(&asked.arena);
    return err->code;
}

static int traces(struct others_ask *ask, struct err *err)
{
    buf_add_c(ask->out, "{\"result\":{\"resourceSpans\":[");
    search(ask, otlp_json_list_write, err);
    buf_add_c(ask->out, "]}}");
    return err->code;
}
OTHERS_ROUTE(jaeger_v3_traces, traces)

static int trace(struct others_ask *ask, struct err *err)
{
    struct str id = str_skip(http_path(ask->request), sizeof(TRACES) - 1);
    buf_add_c(ask->out, "{\"result\":");
    others_write_trace(ask, id, otlp_json_write, err);
    buf_add_char(ask->out, '}');
    return err->code;
}
OTHERS_ROUTE_REST(jaeger_v3_trace, trace)

/* ---- summaries ---- */

struct service_sum {
    struct str name;
    uint32_t n_spans, n_failed;
};

struct summary {
    const struct span *root; /* NULL while it is not there */
    uint64_t from_ns, to_ns;
    uint32_t n_failed, n_orphans;
    struct service_sum services[MOST_SERVICES];
    uint32_t n_services;
};

static struct str service_of(const struct span *span)
{
    const struct resource *resource = span->resource;
    for (uint32_t i = 0; i < resource->n_attrs; i++) {
        const struct attr *attr = &resource->attrs[i];
        if (attr->type == VALUE_TEXT && str_eq(attr->key, STR("service.name")))
            return attr->text;
    }
    return STR_NONE;
}

static void count_service(struct summary *summary, struct str name, bool failed)
{
    uint32_t i = 0;
    while (i < summary->n_services && !str_eq(summary->services[i].name, name))
        i++;
    if (i == MOST_SERVICES)
        return;
    if (i == summary->n_services)
        summary->services[summary->n_services++] = (struct service_sum){.name = name};
    summary->services[i].n_spans++;
    summary->services[i].n_failed += failed;
}

static bool has_span(const struct map *ids, const struct batch *batch, uint64_t id)
{
    for (struct map_iter it = map_find(ids, hash_u64(id)); map_next(ids, &it);) {
        if (batch->spans[it.value].span_id == id)
            return true;
    }
    return false;
}

static void count_span(struct summary *summary, const struct batch *batch, const struct map *ids,
                       const struct span *span)
{
    bool failed = span->status == STATUS_ERROR;
    uint64_t ns = span->duration_ns == DURATION_UNKNOWN ? 0 : span->duration_ns;
    summary->n_failed += failed;
    count_service(summary, service_of(span), failed);
    if (span->parent_id && !has_span(ids, batch, span->parent_id))
        summary->n_orphans++;
    if (!span->parent_id && (!summary->root || span->start_ns < summary->root->start_ns))
        summary->root = span;
    if (!span->start_ns)
        return;
    if (!summary->from_ns || span->start_ns < summary->from_ns)
        summary->from_ns = span->start_ns;
    if (span->start_ns + ns > summary->to_ns)
        summary->to_ns = span->start_ns + ns;
}

static void write_counts(struct buf *out, const struct summary *summary, uint32_t n_spans)
{
    buf_addf(out,
             ",\"minStartTimeUnixNano\":\"%llu\",\"maxEndTimeUnixNano\":\"%llu\",\"spanCount\":%u,"
             "\"errorSpanCount\":%u,\"orphanSpanCount\":%u,\"services\":[",
             (unsigned long long)summary->from_ns, (unsigned long long)summary->to_ns, n_spans,
             summary->n_failed, summary->n_orphans);
    for (uint32_t i = 0; i < summary->n_services; i++) {
        const struct service_sum *service = &summary->services[i];
        buf_add_c(out, i ? ",{\"name\":" : "{\"name\":");
        buf_add_json(out, service->name);
        buf_addf(out, ",\"spanCount\":%u,\"errorSpanCount\":%u}", service->n_spans,
                 service->n_failed);
    }
    buf_add_c(out, "]}");
}

static void write_summary(struct buf *out, const struct batch *batch)
{
    struct summary summary = {0};
    struct map ids;
    map_init(&ids);
    for (uint32_t i = 0; i < batch->n_spans; i++)
        out->failed |= !map_add(&ids, hash_u64(batch->spans[i].span_id), i);
    for (uint32_t i = 0; i < batch->n_spans; i++)
        count_span(&summary, batch, &ids, &batch->spans[i]);
    map_fini(&ids);
    struct trace_id id = batch->spans[0].trace_id;
    buf_addf(out,
             "{\"traceId\":\"%016llx%016llx\",\"rootServiceName\":", (unsigned long long)id.high,
             (unsigned long long)id.low);
    buf_add_json(out, summary.root ? service_of(summary.root) : STR_NONE);
    buf_add_c(out, ",\"rootOperationName\":");
    buf_add_json(out, summary.root ? summary.root->name : STR_NONE);
    write_counts(out, &summary, batch->n_spans);
}

static int summaries(struct others_ask *ask, struct err *err)
{
    buf_add_c(ask->out, "{\"summaries\":[");
    search(ask, write_summary, err);
    buf_add_c(ask->out, "]}");
    return err->code;
}
OTHERS_ROUTE(jaeger_v3_summaries, summaries)
