/* otlp_make.c - builds the structures protobuf-c packs. */
#include "tests/oracle/otlp_make.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_LONG 5000
#define DEEPEST 34

struct making {
    struct choices *choices;
    struct arena *arena;
};

static void *take(struct making *making, size_t size)
{
    void *memory = arena_calloc(making->arena, size);
    if (!memory)
        abort();
    return memory;
}

static ProtobufCBinaryData bytes_of(struct making *making, struct str text)
{
    char *copy = take(making, text.len + 1);
    memcpy(copy, text.p, text.len);
    return (ProtobufCBinaryData){text.len, (uint8_t *)copy};
}

/* ---- texts ---- */

static const char *const words[] = {"service.name",
                                    "service.namespace",
                                    "k8s.pod.name",
                                    "http.response.status_code",
                                    "http.status_code",
                                    "http.request.method",
                                    "url.full",
                                    "http.url",
                                    "component",
                                    "proxy",
                                    "upstream_cluster",
                                    "outbound|9080|v1|reviews.default.svc.cluster.local",
                                    "response_flags",
                                    "UF,URX",
                                    "guid:x-request-id",
                                    "node_id",
                                    "sidecar~10.0.0.1~a.default~default.svc.cluster.local",
                                    "error",
                                    "true",
                                    "grpc.status_code",
                                    "14",
                                    "rpc.system",
                                    "grpc",
                                    "db.system",
                                    "redis",
                                    "peer.service",
                                    "server.address",
                                    "[::1]:80",
                                    "messaging.destination.name",
                                    "sampler.type",
                                    "probabilistic",
                                    "sampler.param",
                                    "0.25",
                                    "ot=th:8;rv:1",
                                    "https://u:p@shop:443/items/42?q#f",
                                    "GET",
                                    "-",
                                    "\xc3\xa9t\xc3\xa9",
                                    "\xf0\x9f\x98\x80",
                                    "nul\0byte",
                                    "cut \xf0\x9f\x98",
                                    "\"\\\n\x7f"};

static ProtobufCBinaryData word(struct making *making)
{
    unsigned i = choose(making->choices, sizeof(words) / sizeof(words[0]));
    struct str text = str_of(words[i]);
    if (i == 39)
        text = STR("nul\0byte");
    return bytes_of(making, text);
}

/* A long one, so that limits fall anywhere in it: between, before and within its characters. */
static ProtobufCBinaryData long_text(struct making *making)
{
    static const char *const units[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "\xff"};
    char text[MAX_LONG + 8];
    unsigned unit = choose(making->choices, 5), end = choose(making->choices, 5);
    size_t n = 0, shift = choose(making->choices, 4),
           most = choose(making->choices, 2) ? 8u + choose(making->choices, 120)
                                             : 1000u + (size_t)choose(making->choices, 200) * 20;
    for (; n < shift; n++)
        text[n] = 'x';
    for (; n + 4 <= most; n += strlen(units[unit]))
        memcpy(text + n, units[unit], strlen(units[unit]));
    memcpy(text + n, units[end], strlen(units[end]));
    return bytes_of(making, (struct str){text, n + strlen(units[end])});
}

static ProtobufCBinaryData text(struct making *making)
{
    char bytes[48];
    struct str some = {bytes, 0};
    switch (choose(making->choices, 8)) {
    case 0:
        return (ProtobufCBinaryData){0};
    case 1:
        some.len = choose_bytes(making->choices, bytes, sizeof(bytes));
        return bytes_of(making, some);
    case 2:
        return long_text(making);
    case 3:
        some.len = (size_t)snprintf(bytes, sizeof(bytes), "k%u", choose(making->choices, 20));
        return bytes_of(making, some);
    default:
        return word(making);
    }
}

/* ---- values ---- */

static void fill_value(struct making *making, Otlp__AnyValue *value, unsigned depth);

static Otlp__AnyValue *make_value(struct making *making, unsigned depth)
{
    Otlp__AnyValue *value = take(making, sizeof(*value));
    otlp__any_value__init(value);
    fill_value(making, value, depth);
    return value;
}

static Otlp__KeyValue *make_pair(struct making *making, unsigned depth)
{
    Otlp__KeyValue *pair = take(making, sizeof(*pair));
    otlp__key_value__init(pair);
    pair->key = text(making);
    if (!choose_rarely(making->choices, 12))
        pair->value = make_value(making, depth);
    return pair;
}

static void fill_list(struct making *making, Otlp__AnyValue *value, unsigned depth)
{
    Otlp__ArrayValue *list = take(making, sizeof(*list));
    otlp__array_value__init(list);
    list->n_values = choose(making->choices, 4);
    list->values = take(making, 4 * sizeof(*list->values));
    for (size_t i = 0; i < list->n_values; i++)
        list->values[i] = make_value(making, depth + 1);
    value->value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
    value->array_value = list;
}

static void fill_map(struct making *making, Otlp__AnyValue *value, unsigned depth)
{
    Otlp__KeyValueList *map = take(making, sizeof(*map));
    otlp__key_value_list__init(map);
    map->n_values = choose(making->choices, 4);
    map->values = take(making, 4 * sizeof(*map->values));
    for (size_t i = 0; i < map->n_values; i++)
        map->values[i] = make_pair(making, depth + 1);
    value->value_case = OTLP__ANY_VALUE__VALUE_KVLIST_VALUE;
    value->kvlist_value = map;
}

/* Lists in lists, to about the deepest that is taken. */
static void fill_deep(struct making *making, Otlp__AnyValue *value, unsigned depth)
{
    unsigned levels = DEEPEST - 4 + choose(making->choices, 5);
    for (; depth < levels; depth++) {
        Otlp__ArrayValue *list = take(making, sizeof(*list));
        otlp__array_value__init(list);
        list->n_values = 1;
        list->values = take(making, sizeof(*list->values));
        value->value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
        value->array_value = list;
        value = list->values[0] = take(making, sizeof(*value));
        otlp__any_value__init(value);
    }
}

static double odd_double(struct making *making)
{
    static const double numbers[] = {0, -0.0, 1.5, -1e300, 1e-310, 0.1, 1e15, 123456789012345678.0};
    unsigned i = choose(making->choices, 12);
    if (i < 8)
        return numbers[i];
    return i == 8 ? 1.0 / 0.0 : i == 9 ? -1.0 / 0.0 : i == 10 ? __builtin_nan("") : 200.0;
}

static void fill_value(struct making *making, Otlp__AnyValue *value, unsigned depth)
{
    static const int64_t integers[] = {0, 1, -1, 200, 503, INT64_MAX, INT64_MIN, 1u << 31};
    switch (depth >= 5 ? 1 : choose(making->choices, 14)) {
    case 0:
        return;
    case 2:
        value->value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
        value->bool_value = (protobuf_c_boolean)choose(making->choices, 2);
        return;
    case 3:
        value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
        value->int_value = integers[choose(making->choices, 8)];
        return;
    case 4:
        value->value_case = OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
        value->double_value = odd_double(making);
        return;
    case 5:
        fill_list(making, value, depth);
        return;
    case 6:
        fill_map(making, value, depth);
        return;
    case 7:
        value->value_case = OTLP__ANY_VALUE__VALUE_BYTES_VALUE;
        value->bytes_value = text(making);
        return;
    case 8:
        if (depth == 0 && choose_rarely(making->choices, 8)) {
            fill_deep(making, value, depth);
            return;
        }
        /* fall through */
    default:
        value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
        value->string_value = text(making);
    }
}

static Otlp__KeyValue **make_attributes(struct making *making, size_t *n)
{
    *n = choose(making->choices, choose_rarely(making->choices, 20) ? 150 : 8);
    Otlp__KeyValue **list = take(making, 150 * sizeof(*list));
    for (size_t i = 0; i < *n; i++)
        list[i] = make_pair(making, 0);
    return list;
}

/* ---- spans ---- */

static ProtobufCBinaryData make_id(struct making *making, size_t size, bool may_lack)
{
    char bytes[20] = {0};
    unsigned what = choose(making->choices, 24);
    size_t n = size;
    if (what == 23)
        n = choose(making->choices, 20);
    if (what == 22 || (may_lack && what < 6))
        n = 0;
    for (size_t i = 0; what != 21 && i < n; i++)
        bytes[i] = (char)(1 + choose(making->choices, 3));
    return bytes_of(making, (struct str){bytes, n});
}

static uint64_t make_time(struct making *making)
{
    static const uint64_t times[] = {0,
                                     1,
                                     UINT64_C(1700000000000000000),
                                     UINT64_C(1700000000005000000),
                                     UINT64_C(31536000000000000),
                                     UINT64_C(31535999999999999),
                                     UINT64_C(9214646400000000000),
                                     INT64_MAX,
                                     UINT64_C(1) << 63,
                                     UINT64_MAX};
    unsigned i = choose(making->choices, 16);
    return i < 10 ? times[i] : times[2] + choose(making->choices, 100) * UINT64_C(1000000);
}

static void fill_events(struct making *making, Otlp__Span *span)
{
    span->n_events = choose(making->choices, choose_rarely(making->choices, 8) ? 6 : 2);
    span->events = take(making, 6 * sizeof(*span->events));
    for (size_t i = 0; i < span->n_events; i++) {
        Otlp__Event *event = span->events[i] = take(making, sizeof(*event));
        otlp__event__init(event);
        event->time_unix_nano = make_time(making);
        event->name = text(making);
        event->attributes = make_attributes(making, &event->n_attributes);
    }
}

static void fill_links(struct making *making, Otlp__Span *span)
{
    span->n_links = choose(making->choices, choose_rarely(making->choices, 8) ? 6 : 2);
    span->links = take(making, 6 * sizeof(*span->links));
    for (size_t i = 0; i < span->n_links; i++) {
        Otlp__Link *link = span->links[i] = take(making, sizeof(*link));
        otlp__link__init(link);
        link->trace_id = make_id(making, 16, false);
        link->span_id = make_id(making, 8, false);
        link->trace_state = text(making);
        link->attributes = make_attributes(making, &link->n_attributes);
        link->flags = choose(making->choices, 2) * 0x301u;
    }
}

static Otlp__Span *make_span(struct making *making)
{
    Otlp__Span *span = take(making, sizeof(*span));
    otlp__span__init(span);
    span->trace_id = make_id(making, 16, false);
    span->span_id = make_id(making, 8, false);
    span->parent_span_id = make_id(making, 8, true);
    span->name = text(making);
    span->trace_state = choose_rarely(making->choices, 5) ? text(making) : span->trace_state;
    span->kind = (int32_t)choose(making->choices, 8) - choose_rarely(making->choices, 30);
    span->start_time_unix_nano = make_time(making);
    span->end_time_unix_nano = make_time(making);
    span->attributes = make_attributes(making, &span->n_attributes);
    span->flags = choose(making->choices, 2) * 0x101u;
    span->dropped_attributes_count = choose(making->choices, 3);
    fill_events(making, span);
    fill_links(making, span);
    if (choose(making->choices, 2)) {
        span->status = take(making, sizeof(*span->status));
        otlp__status__init(span->status);
        span->status->code = (int32_t)choose(making->choices, 4);
        span->status->message = text(making);
    }
    return span;
}

static Otlp__ScopeSpans *make_scope_spans(struct making *making)
{
    Otlp__ScopeSpans *scope = take(making, sizeof(*scope));
    otlp__scope_spans__init(scope);
    if (choose(making->choices, 3)) {
        scope->scope = take(making, sizeof(*scope->scope));
        otlp__scope__init(scope->scope);
        scope->scope->name = text(making);
        scope->scope->version = text(making);
    }
    scope->n_spans = choose(making->choices, 4);
    scope->spans = take(making, 4 * sizeof(*scope->spans));
    for (size_t i = 0; i < scope->n_spans; i++)
        scope->spans[i] = make_span(making);
    return scope;
}

static Otlp__ResourceSpans *make_resource_spans(struct making *making)
{
    Otlp__ResourceSpans *group = take(making, sizeof(*group));
    otlp__resource_spans__init(group);
    if (choose(making->choices, 4)) {
        group->resource = take(making, sizeof(*group->resource));
        otlp__resource__init(group->resource);
        group->resource->attributes = make_attributes(making, &group->resource->n_attributes);
    }
    group->schema_url = choose_rarely(making->choices, 4) ? text(making) : group->schema_url;
    group->n_scope_spans = choose(making->choices, 3);
    group->scope_spans = take(making, 3 * sizeof(*group->scope_spans));
    for (size_t i = 0; i < group->n_scope_spans; i++)
        group->scope_spans[i] = make_scope_spans(making);
    return group;
}

Otlp__Request *otlp_make(struct choices *choices, struct arena *arena)
{
    struct making making = {.choices = choices, .arena = arena};
    Otlp__Request *request = take(&making, sizeof(*request));
    otlp__request__init(request);
    request->n_resource_spans = choose(choices, 3);
    request->resource_spans = take(&making, 3 * sizeof(*request->resource_spans));
    for (size_t i = 0; i < request->n_resource_spans; i++)
        request->resource_spans[i] = make_resource_spans(&making);
    return request;
}

struct str otlp_pack(const Otlp__Request *request, struct arena *arena)
{
    size_t n = otlp__request__get_packed_size(request);
    uint8_t *bytes = arena_alloc(arena, n + 1);
    if (!bytes)
        abort();
    otlp__request__pack(request, bytes);
    return (struct str){(const char *)bytes, n};
}
