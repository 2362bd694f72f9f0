/* zipkin.c - endpoints from attributes; what OTLP has and Zipkin has not goes into tags. */
#include "exporters/zipkin.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "collector/base/clock.h"
#include "exporters/span_items.h"

struct endpoint {
    struct str service, ip;
    uint64_t port;
    bool v6;
};

/* ---- endpoints ---- */

static bool read_ip(struct str text, struct endpoint *endpoint)
{
    char address[INET6_ADDRSTRLEN], bytes[16];
    if (!text.len || text.len >= sizeof(address))
        return false;
    memcpy(address, text.p, text.len);
    address[text.len] = '\0';
    endpoint->v6 = inet_pton(AF_INET6, address, bytes) == 1;
    if (!endpoint->v6 && inet_pton(AF_INET, address, bytes) != 1)
        return false;
    endpoint->ip = text;
    return true;
}

static bool take_text(struct str *field, const struct attr *attr)
{
    if (attr->type != VALUE_TEXT || !attr->text.len)
        return false;
    *field = attr->text;
    return true;
}

static bool take_port(struct endpoint *endpoint, const struct attr *attr)
{
    if (attr->type != VALUE_INT || attr->integer < 1 || attr->integer > 65535)
        return false;
    endpoint->port = (uint64_t)attr->integer;
    return true;
}

/* The attributes that a reader makes of an endpoint. True: it is taken. */
static bool take_local(struct endpoint *local, const struct attr *attr)
{
    if (str_eq(attr->key, STR("service.name")))
        return take_text(&local->service, attr);
    return str_eq(attr->key, STR("net.host.ip")) && attr->type == VALUE_TEXT &&
           read_ip(attr->text, local);
}

static bool take_remote(struct endpoint *remote, const struct attr *attr)
{
    if (str_eq(attr->key, STR("peer.service")))
        return take_text(&remote->service, attr);
    if (str_eq(attr->key, STR("network.peer.port")))
        return take_port(remote, attr);
    return str_eq(attr->key, STR("network.peer.address")) && attr->type == VALUE_TEXT &&
           read_ip(attr->text, remote);
}

static void add_endpoint(struct buf *out, const char *name, const struct endpoint *endpoint)
{
    const char *comma = "";
    if (!endpoint->service.len && !endpoint->ip.len && !endpoint->port)
        return;
    buf_addf(out, ",\"%s\":{", name);
    if (endpoint->service.len) {
        buf_add_c(out, "\"serviceName\":");
        buf_add_json(out, endpoint->service);
        comma = ",";
    }
    if (endpoint->ip.len) {
        buf_addf(out, "%s\"%s\":\"%.*s\"", comma, endpoint->v6 ? "ipv6" : "ipv4",
                 STR_ARG(endpoint->ip));
        comma = ",";
    }
    if (endpoint->port)
        buf_addf(out, "%s\"port\":%" PRIu64, comma, endpoint->port);
    buf_add_char(out, '}');
}

/* ---- tags ---- */

struct tags {
    struct buf *out;
    bool any;
};

static void add_key(struct tags *tags, struct str key)
{
    buf_add_c(tags->out, tags->any ? "," : ",\"tags\":{");
    tags->any = true;
    buf_add_json(tags->out, key);
    buf_add_char(tags->out, ':');
}

static void add_text_tag(struct tags *tags, const char *key, struct str text)
{
    if (!text.len)
        return;
    add_key(tags, str_of(key));
    buf_add_json(tags->out, text);
}

static void add_real(struct buf *out, double real)
{
    const char *quote = isfinite(real) ? "\"" : ""; /* what is no number has its own */
    buf_add_c(out, quote);
    buf_add_json_double(out, real);
    buf_add_c(out, quote);
}

static void add_tag(struct tags *tags, const struct attr *attr)
{
    struct buf *out = tags->out;
    add_key(tags, attr->key);
    switch (attr->type) {
    case VALUE_BOOL:
        buf_add_c(out, attr->integer ? "\"true\"" : "\"false\"");
        break;
    case VALUE_INT:
        buf_addf(out, "\"%" PRId64 "\"", attr->integer);
        break;
    case VALUE_DOUBLE:
        add_real(out, attr->real);
        break;
    default:
        buf_add_json(out, attr->text);
    }
}

static const struct attr *find(const struct attr *attrs, uint32_t n, struct str key)
{
    for (uint32_t i = 0; i < n; i++) {
        if (str_eq(attrs[i].key, key))
            return &attrs[i];
    }
    return NULL;
}

/* `error` is what readers look for, with what went wrong; an attribute of that name says it
 * already. */
static void add_status_tags(struct tags *tags, const struct span *span)
{
    const struct attr *error = find(span->attrs, span->n_attrs, STR("error"));
    bool said = error && error->type == VALUE_TEXT && str_eq(error->text, span->status_message);
    if (span->status != STATUS_UNSET)
        add_text_tag(tags, "otel.status_code",
                     span->status == STATUS_ERROR ? STR("ERROR") : STR("OK"));
    if (span->status == STATUS_ERROR && !error)
        add_text_tag(tags, "error", span->status_message.len ? span->status_message : STR("true"));
    else if (!said)
        add_text_tag(tags, "otel.status_description", span->status_message);
}

static void add_link_tags(struct tags *tags, const struct span *span)
{
    struct span_items items;
    struct written_item item;
    char key[32];
    span_items_begin(&items, span->links);
    for (unsigned i = 0; span_items_next(&items, &item); i++) {
        snprintf(key, sizeof(key), "otlp.link.%u", i);
        add_key(tags, str_of(key));
        buf_addf(tags->out, "\"%.*s|%.*s||", STR_ARG(item.trace_id), STR_ARG(item.span_id));
        buf_add_json_inner(tags->out, item.attributes.len ? item.attributes : STR("{}"));
        buf_add_c(tags->out, "|0\"");
    }
}

/* Names that say something of the span to a reader, not of its sender. */
static bool is_of_span(struct str key)
{
    return str_eq(key, STR("error")) || str_eq(key, STR("span.kind")) ||
           str_eq(key, STR("w3c.tracestate")) || str_starts(key, STR("otel.")) ||
           str_starts(key, STR("otlp.link."));
}

/* What of the resource a tag of the span says is the span's. */
static void add_tags(struct buf *out, const struct span *span)
{
    struct tags tags = {.out = out};
    struct endpoint aside = {0};
    const struct resource *resource = span->resource;
    for (uint32_t i = 0; i < span->n_attrs; i++) {
        if (!take_remote(&aside, &span->attrs[i]))
            add_tag(&tags, &span->attrs[i]);
    }
    for (uint32_t i = 0; i < resource->n_attrs; i++) {
        const struct attr *attr = &resource->attrs[i];
        if (!take_local(&aside, attr) && !is_of_span(attr->key) &&
            !find(span->attrs, span->n_attrs, attr->key))
            add_tag(&tags, attr);
    }
    if (span->kind == KIND_INTERNAL)
        add_text_tag(&tags, "span.kind", STR("internal"));
    add_status_tags(&tags, span);
    add_text_tag(&tags, "otel.scope.name", span->scope_name);
    add_text_tag(&tags, "otel.scope.version", span->scope_version);
    add_text_tag(&tags, "w3c.tracestate", span->trace_state);
    add_link_tags(&tags, span);
    if (tags.any)
        buf_add_char(out, '}');
}

/* ---- spans ---- */

static void add_annotations(struct buf *out, const struct span *span)
{
    struct span_items items;
    struct written_item item;
    bool any = false;
    span_items_begin(&items, span->events);
    for (; span_items_next(&items, &item); any = true) {
        buf_addf(out, "%s{\"timestamp\":%" PRIu64 ",\"value\":\"%.*s",
                 any ? "," : ",\"annotations\":[", item.time_ns / NS_PER_US, STR_ARG(item.name));
        if (!span_item_is_bare(&item)) {
            buf_add_char(out, '|');
            buf_add_json_inner(out, item.attributes);
            buf_add_c(out, "|0");
        }
        buf_add_c(out, "\"}");
    }
    if (any)
        buf_add_char(out, ']');
}

static void add_endpoints(struct buf *out, const struct span *span)
{
    struct endpoint local = {0}, remote = {0};
    for (uint32_t i = 0; i < span->resource->n_attrs; i++)
        take_local(&local, &span->resource->attrs[i]);
    for (uint32_t i = 0; i < span->n_attrs; i++)
        take_remote(&remote, &span->attrs[i]);
    add_endpoint(out, "localEndpoint", &local);
    add_endpoint(out, "remoteEndpoint", &remote);
}

static void add_times(struct buf *out, const struct span *span)
{
    uint64_t start_us = span->start_ns / NS_PER_US;
    if (!span->start_ns)
        return;
    buf_addf(out, ",\"timestamp\":%" PRIu64, start_us);
    if (span->duration_ns == DURATION_UNKNOWN)
        return;
    uint64_t duration_us = (span->start_ns + span->duration_ns) / NS_PER_US - start_us;
    buf_addf(out, ",\"duration\":%" PRIu64, duration_us ? duration_us : 1);
}

static void add_span(struct buf *out, const struct span *span)
{
    static const char *const kinds[N_KINDS] = {
        [KIND_SERVER] = "SERVER",
        [KIND_CLIENT] = "CLIENT",
        [KIND_PRODUCER] = "PRODUCER",
        [KIND_CONSUMER] = "CONSUMER",
    };
    buf_add_c(out, "{\"traceId\":\"");
    if (span->trace_id.high)
        buf_addf(out, "%016" PRIx64, span->trace_id.high);
    buf_addf(out, "%016" PRIx64 "\",\"id\":\"%016" PRIx64 "\"", span->trace_id.low, span->span_id);
    if (span->parent_id)
        buf_addf(out, ",\"parentId\":\"%016" PRIx64 "\"", span->parent_id);
    if (span->kind < N_KINDS && kinds[span->kind])
        buf_addf(out, ",\"kind\":\"%s\"", kinds[span->kind]);
    if (span->name.len) {
        buf_add_c(out, ",\"name\":");
        buf_add_json(out, span->name);
    }
    add_times(out, span);
    add_endpoints(out, span);
    add_annotations(out, span);
    add_tags(out, span);
    buf_add_c(out, span->shared ? ",\"shared\":true}" : "}");
}

void zipkin_json_write(struct buf *out, const struct batch *batch)
{
    buf_add_char(out, '[');
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        if (i)
            buf_add_char(out, ',');
        add_span(out, &batch->spans[i]);
    }
    buf_add_char(out, ']');
}
