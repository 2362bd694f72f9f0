/* zipkin_span.c - a sender is a local endpoint with the tags that identify a workload; senders that
 * repeat share one resource.
 */
#include "collector/decode/zipkin_span.h"

#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/decode/keys.h"
#include "collector/decode/otel_tags.h"
#include "collector/decode/semconv.h"
#include "collector/decode/span_list.h"
#include "collector/decode/times.h"

#define NS_PER_US UINT64_C(1000)
#define MOST_US (UINT64_MAX / NS_PER_US / 2) /* a time and a duration of less can be added */

void zipkin_senders_init(struct zipkin_senders *senders, struct decoding *decoding)
{
    *senders = (struct zipkin_senders){.decoding = decoding};
    map_init(&senders->resources);
}

void zipkin_senders_fini(struct zipkin_senders *senders)
{
    map_fini(&senders->resources);
    free(senders->by_index);
}

bool zipkin_span_annotate(struct decoding *decoding, struct zipkin_span *raw, struct str value,
                          uint64_t us, uint32_t n)
{
    struct batch *batch = decoding->batch;
    us = us < MOST_US ? us : 0;
    struct span_item item = {.time_ns = us * NS_PER_US};
    if ((str_eq(value, STR("ss")) || str_eq(value, STR("cr"))) && us > raw->ended_us)
        raw->ended_us = us;
    if (n >= decoding->limits->events) {
        batch->counts.n_dropped_events++;
        return true;
    }
    if (!otel_event_read(decoding, value, &item))
        return false;
    if (!text_keep(batch, &item.name, decoding->limits->name_bytes, &batch->counts.n_cut_names,
                   NULL)) {
        decoding_too_big(decoding);
        return false;
    }
    span_item_render(&raw->events, &item, false);
    return true;
}

/* Tags that the senders repeat from their resource. */
static bool is_resource_key(enum known_key key)
{
    return (key >= KEY_SERVICE_NAME && key <= KEY_CLOUD_AVAILABILITY_ZONE) ||
           key == KEY_TELEMETRY_SDK_NAME;
}

static uint64_t resource_hash(const struct zipkin_span *raw, const struct attr_list *tags)
{
    uint64_t hash = hash_mix(hash_str(raw->local.service), hash_str(raw->local.ip));
    for (uint32_t i = 0; i < tags->n; i++) {
        if (is_resource_key(key_number(tags->items[i].key)))
            hash += hash_mix(hash_str(tags->items[i].key), hash_str(tags->items[i].text));
    }
    return hash;
}

static bool fill_resource(struct zipkin_senders *senders, struct resource *resource,
                          const struct zipkin_span *raw, const struct attr_list *tags)
{
    struct batch *batch = senders->decoding->batch;
    struct attr_list list = {0};
    bool named = false;
    for (uint32_t i = 0; i < tags->n; i++) {
        enum known_key number = key_number(tags->items[i].key);
        if (!is_resource_key(number))
            continue;
        struct attr *copy = attr_list_add(batch, &list);
        if (!copy)
            return false;
        *copy = tags->items[i];
        named = named || number == KEY_SERVICE_NAME;
    }
    if (!named && raw->local.service.len &&
        !attr_list_add_text(batch, &list, STR("service.name"), raw->local.service))
        return false;
    if (raw->local.ip.len && !attr_list_add_text(batch, &list, STR("net.host.ip"), raw->local.ip))
        return false;
    resource->attrs = list.items;
    resource->n_attrs = list.n;
    semconv_resource(&batch->arena, resource);
    return true;
}

static struct resource *resource_of(struct zipkin_senders *senders, const struct zipkin_span *raw,
                                    const struct attr_list *tags)
{
    struct batch *batch = senders->decoding->batch;
    uint64_t hash = resource_hash(raw, tags);
    /* Equal keyed 64-bit hashes are taken for equal senders: a body holds 50,000 spans at most. */
    for (struct map_iter it = map_find(&senders->resources, hash);
         map_next(&senders->resources, &it);)
        return senders->by_index[it.value];
    struct resource *resource = arena_calloc(&batch->arena, sizeof(*resource));
    if (!resource || !fill_resource(senders, resource, raw, tags))
        return NULL;
    if (batch->n_resources == senders->cap) {
        uint32_t cap = senders->cap ? 2 * senders->cap : 16;
        struct resource **grown = realloc(senders->by_index, cap * sizeof(struct resource *));
        if (!grown) {
            batch->arena.short_of_memory = true;
            return NULL;
        }
        senders->by_index = grown;
        senders->cap = cap;
    }
    if (!map_add(&senders->resources, hash, batch->n_resources)) {
        batch->arena.short_of_memory = true;
        return NULL;
    }
    resource->index = batch->n_resources++;
    senders->by_index[resource->index] = resource;
    return resource;
}

/* The peer's endpoint and what only Zipkin has become attributes. */
static bool add_made_tags(struct zipkin_senders *senders, const struct zipkin_span *raw,
                          struct attr_list *tags)
{
    struct batch *batch = senders->decoding->batch;
    const struct zipkin_endpoint *remote = &raw->remote;
    bool ok = true;
    if (remote->service.len)
        ok = attr_list_add_text(batch, tags, STR("peer.service"), remote->service);
    if (ok && remote->ip.len)
        ok = attr_list_add_text(batch, tags, STR("network.peer.address"), remote->ip);
    if (ok && remote->port) {
        struct attr *attr = attr_list_add(batch, tags);
        ok = attr != NULL;
        if (ok)
            *attr = (struct attr){.key = STR("network.peer.port"),
                                  .integer = (int64_t)remote->port,
                                  .type = VALUE_INT,
                                  .plain = true};
    }
    return ok;
}

/* Zipkin's own word for a failure: that there was one, and what went wrong. */
static void read_error(struct span *span, const struct attr_list *tags, bool status_stated)
{
    for (uint32_t i = 0; i < tags->n; i++) {
        const struct attr *tag = &tags->items[i];
        bool text = tag->type == VALUE_TEXT, truth = tag->type == VALUE_BOOL && tag->integer;
        if (!str_eq(tag->key, STR("error")) || (text && str_eq(tag->text, STR("false"))) ||
            (!text && !truth))
            continue;
        if (!status_stated)
            span->status = STATUS_ERROR;
        if (text && !span->status_message.len && !str_eq(tag->text, STR("true")))
            span->status_message = tag->text;
    }
}

/* Envoy counts the duration from when it made the span, the timestamp from when the stream began;
 * on a busy machine milliseconds lie between, and the span seems to end before the calls beneath
 * it. When it really ended is in its annotation. */
static void set_times(struct span *span, const struct zipkin_span *raw)
{
    uint64_t start_us = raw->start_us < MOST_US ? raw->start_us : 0;
    bool ended = raw->has_duration && raw->duration_us < MOST_US && start_us;
    uint64_t end_us = ended ? start_us + raw->duration_us : 0;
    if (ended && raw->ended_us > end_us)
        end_us = raw->ended_us;
    times_set(span, start_us * NS_PER_US, end_us * NS_PER_US);
}

bool zipkin_span_take(struct zipkin_senders *senders, struct span *span, struct zipkin_span *raw,
                      struct attr_list *tags)
{
    struct decoding *decoding = senders->decoding;
    struct otel_tags found = {.links = &raw->links};
    set_times(span, raw);
    attr_list_unique(tags);
    if (!otel_tags_take(decoding, span, tags, &found))
        return false;
    read_error(span, tags, found.status_stated);
    span->resource = resource_of(senders, raw, tags);
    if (!span->resource || !add_made_tags(senders, raw, tags) ||
        !span_items_take(decoding, &raw->events, &span->events) ||
        !span_items_take(decoding, &raw->links, &span->links))
        goto too_big;
    span->attrs = tags->items;
    span->n_attrs = tags->n;
    if (!semconv_span(decoding->batch, span))
        goto too_big;
    decoding->batch->n_spans++;
    return true;
too_big:
    decoding_too_big(decoding);
    return false;
}
