/* batch_text.c - every field of every span, one line each. */
#include "tests/oracle/batch_text.h"

#include <inttypes.h>

#include "collector/model/shapes.h"

void text_line(struct buf *out, const char *name, struct str text)
{
    if (!text.len)
        return;
    buf_addf(out, "  %s ", name);
    buf_add_json(out, text);
    buf_add_char(out, '\n');
}

void text_number(struct buf *out, const char *name, uint64_t number)
{
    buf_addf(out, "  %s %" PRIu64 "\n", name, number);
}

void text_ids(struct buf *out, struct trace_id trace_id, uint64_t span_id, uint64_t parent_id)
{
    buf_addf(out, "span %016" PRIx64 "%016" PRIx64 " %016" PRIx64 " parent %016" PRIx64 "\n",
             trace_id.high, trace_id.low, span_id, parent_id);
}

void text_attr_begin(struct buf *out, const char *of, struct str key)
{
    buf_addf(out, "  %s ", of);
    buf_add_json(out, key);
    buf_add_c(out, " = ");
}

static void attrs(struct buf *out, const char *of, const struct attr *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct attr value = items[i];
        text_attr_begin(out, of, value.key);
        /* The key is written; what attr_render() puts before the value is cut off again. */
        size_t from = out->len;
        value.key = STR_NONE;
        attr_render(out, &value);
        if (buf_failed(out))
            return;
        memmove(out->p + from, out->p + from + 3, out->len - from - 3);
        out->len -= 3;
        buf_add_char(out, '\n');
    }
}

static void times(struct buf *out, const struct span *span)
{
    text_number(out, "start", span->start_ns);
    if (span->duration_ns == DURATION_UNKNOWN)
        buf_add_c(out, "  duration unknown\n");
    else
        text_number(out, "duration", span->duration_ns);
    if (span->bad_times)
        buf_add_c(out, "  bad times\n");
}

static void said(struct buf *out, const struct span *span)
{
    text_ids(out, span->trace_id, span->span_id, span->parent_id);
    text_line(out, "name", span->name);
    buf_addf(out, "  kind %u status %u%s\n", span->kind, span->status,
             span->shared ? " shared" : "");
    text_line(out, "message", span->status_message);
    times(out, span);
    text_line(out, "tracestate", span->trace_state);
    text_line(out, "scope", span->scope_name);
    text_line(out, "scope version", span->scope_version);
    attrs(out, "resource", span->resource->attrs, span->resource->n_attrs);
    attrs(out, "attr", span->attrs, span->n_attrs);
    text_line(out, "events", span->events);
    text_line(out, "links", span->links);
}

static void identity(struct buf *out, const struct resource *resource)
{
    buf_addf(out, "  -- resource %u\n", resource->index);
    text_line(out, "its cluster", resource->cluster);
    text_line(out, "its namespace", resource->namespace);
    text_line(out, "its service", resource->service);
    text_line(out, "its version", resource->version);
    text_line(out, "its instance", resource->instance);
    text_line(out, "its zone", resource->zone);
    text_line(out, "its sdk", resource->sdk_name);
    text_line(out, "its address", resource->host_address);
}

static void flag(struct buf *out, const char *name, bool set)
{
    if (set)
        buf_addf(out, " %s", name);
}

static void fact_flags(struct buf *out, const struct facts *facts)
{
    buf_addf(out, "  is proxy=%u peer_role=%s security=%s", facts->proxy,
             role_word(facts->peer_role), security_word(facts->security));
    flag(out, "error_tag", facts->error_tag);
    flag(out, "error_tag_4xx_only", facts->error_tag_4xx_only);
    flag(out, "canceled", facts->canceled);
    flag(out, "mirrored", facts->mirrored);
    flag(out, "messaging", facts->messaging);
    flag(out, "database", facts->database);
    flag(out, "peer_resolvable", facts->peer_resolvable);
    buf_add_char(out, '\n');
}

static void means(struct buf *out, const struct facts *facts)
{
    buf_add_c(out, "  -- means\n");
    text_line(out, "cluster", facts->cluster);
    text_line(out, "namespace", facts->namespace);
    text_line(out, "service", facts->service);
    text_line(out, "version", facts->version);
    text_line(out, "instance", facts->instance);
    text_line(out, "zone", facts->zone);
    text_line(out, "operation", facts->operation);
    text_line(out, "upstream cluster", facts->upstream_cluster);
    text_line(out, "peer", facts->peer);
    text_line(out, "peer namespace", facts->peer_namespace);
    text_line(out, "peer address", facts->peer_address);
    text_line(out, "url host", facts->url_host);
    text_line(out, "protocol", facts->protocol);
    text_line(out, "request id", facts->request_id);
    text_line(out, "response flags", facts->response_flags);
    if (facts->flags)
        buf_addf(out, "  flags %08x\n", facts->flags);
    if (facts->http_status != CODE_NONE)
        buf_addf(out, "  http %d\n", facts->http_status);
    if (facts->grpc_status != CODE_NONE)
        buf_addf(out, "  grpc %d\n", facts->grpc_status);
    if (facts->resend_count)
        buf_addf(out, "  resend %u\n", facts->resend_count);
    if (facts->weight != 1)
        buf_addf(out, "  weight %g\n", (double)facts->weight);
    fact_flags(out, facts);
}

static void point_text(struct buf *out, const struct metric_point *point)
{
    const struct metric *metric = point->metric;
    buf_addf(out, "point %s at %" PRIu64 "\n", metric_type_word(metric->type), point->at_ns);
    text_line(out, "name", metric->name);
    text_line(out, "unit", metric->unit);
    text_line(out, "scope", metric->scope_name);
    buf_addf(out, "  temporality %u%s\n", metric->temporality,
             metric->monotonic ? " monotonic" : "");
    attrs(out, "resource", metric->resource->attrs, metric->resource->n_attrs);
    attrs(out, "attr", point->attrs, point->n_attrs);
    if (point->value_type == METRIC_INT)
        buf_addf(out, "  value %" PRId64 "\n", point->integer);
    if (point->value_type == METRIC_REAL)
        buf_addf(out, "  value %a\n", point->real);
    if (point->has_count)
        text_number(out, "count", point->count);
    if (point->has_sum)
        buf_addf(out, "  sum %a\n", point->sum);
    for (size_t i = 0; i < point->histogram.len; i++)
        buf_addf(out, "%s%02x", i ? "" : "  histogram ", (unsigned char)point->histogram.p[i]);
    buf_add_char(out, '\n');
}

static void family_text(struct buf *out, const struct metric_family *family)
{
    buf_addf(out, "family of type %u\n", family->type);
    text_line(out, "name", family->name);
    text_line(out, "unit", family->unit);
    text_line(out, "description", family->description);
}

static void log_text(struct buf *out, const struct log_record *record)
{
    text_ids(out, record->trace_id, record->span_id, 0);
    text_number(out, "at", record->at_ns);
    text_line(out, "json", record->json);
}

void batch_text_said(struct buf *out, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_spans; i++)
        said(out, &batch->spans[i]);
}

void batch_text_all(struct buf *out, const struct batch *batch)
{
    const struct batch_counts *counts = &batch->counts;
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        said(out, &batch->spans[i]);
        identity(out, batch->spans[i].resource);
        means(out, &batch->spans[i].facts);
    }
    for (uint32_t i = 0; i < batch->n_points; i++)
        point_text(out, &batch->points[i]);
    for (uint32_t i = 0; i < batch->n_families; i++)
        family_text(out, &batch->families[i]);
    for (uint32_t i = 0; i < batch->n_logs; i++)
        log_text(out, &batch->logs[i]);
    buf_addf(out,
             "spans %u resources %u rejected %u\ncut values %u names %u; dropped attributes %u "
             "events %u links %u exemplars %u; cleaned %u\n",
             batch->n_spans, batch->n_resources, counts->n_rejected, counts->n_cut_values,
             counts->n_cut_names, counts->n_dropped_attributes, counts->n_dropped_events,
             counts->n_dropped_links, counts->n_dropped_exemplars, counts->n_cleaned_texts);
    if (batch->first_reason[0])
        buf_addf(out, "first reason: %s\n", batch->first_reason);
}
