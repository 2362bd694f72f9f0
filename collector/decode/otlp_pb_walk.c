/* otlp_pb_walk.c - the resources of a request are walked twice: a resource may stand behind what it
 * sent.
 */
#include "collector/decode/otlp_pb_walk.h"

#include "collector/decode/semconv.h"

#define LEGACY_ITEMS 1000 /* InstrumentationLibrarySpans of old senders */

bool otlp_pb_malformed(struct decoding *decoding, const char *what)
{
    err_set(decoding->err, ERR_INVALID, "the protobuf body is malformed (%s)", what);
    return false;
}

bool otlp_pb_keep_name(struct decoding *decoding, struct str *text)
{
    struct batch *batch = decoding->batch;
    if (text_keep(batch, text, decoding->limits->name_bytes, &batch->counts.n_cut_names, NULL))
        return true;
    decoding_too_big(decoding);
    return false;
}

static struct resource *read_resource(struct decoding *decoding, struct str bytes)
{
    struct attr_list list = {0};
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES &&
            !value_read_attribute(decoding, wire.bytes, &list))
            return NULL;
    }
    if (wire.error) {
        otlp_pb_malformed(decoding, "resource");
        return NULL;
    }
    struct resource *resource = arena_calloc(&decoding->batch->arena, sizeof(*resource));
    if (!resource) {
        decoding_too_big(decoding);
        return NULL;
    }
    attr_list_unique(&list);
    resource->attrs = list.items;
    resource->n_attrs = list.n;
    resource->index = decoding->batch->n_resources++;
    semconv_resource(&decoding->batch->arena, resource);
    return resource;
}

static bool read_scope(struct decoding *decoding, struct str bytes, struct scope *scope)
{
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES)
            scope->name = wire.bytes;
        else if (wire.field == 2 && wire.type == WIRE_BYTES)
            scope->version = wire.bytes;
    }
    if (wire.error)
        return otlp_pb_malformed(decoding, "scope");
    return otlp_pb_keep_name(decoding, &scope->name) &&
           otlp_pb_keep_name(decoding, &scope->version);
}

static bool read_scope_items(struct decoding *decoding, struct str bytes,
                             const struct resource *resource, otlp_pb_item_f *read_item)
{
    struct scope scope = {0};
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES && !read_scope(decoding, wire.bytes, &scope))
            return false;
    }
    if (wire.error)
        return otlp_pb_malformed(decoding, "a scope and what it sent");
    wire = wire_of(bytes);
    while (wire_next_fast(&wire)) {
        if (wire.field == 2 && wire.type == WIRE_BYTES &&
            !read_item(decoding, wire.bytes, resource, &scope))
            return false;
    }
    return true;
}

static bool read_resource_items(struct decoding *decoding, struct str bytes,
                                otlp_pb_item_f *read_item)
{
    struct str resource_bytes = STR_NONE;
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES)
            resource_bytes = wire.bytes;
    }
    if (wire.error)
        return otlp_pb_malformed(decoding, "a resource and what it sent");
    struct resource *resource = read_resource(decoding, resource_bytes);
    if (!resource)
        return false;
    wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if ((wire.field == 2 || wire.field == LEGACY_ITEMS) && wire.type == WIRE_BYTES &&
            !read_scope_items(decoding, wire.bytes, resource, read_item))
            return false;
    }
    return true;
}

/* Counts the items there are, so that an array of them is allocated once. Bytes that are no message
 * are found by the walk that follows. */
static size_t count_items(struct str body)
{
    size_t n = 0;
    struct wire request = wire_of(body);
    while (wire_next(&request)) {
        if (request.field != 1 || request.type != WIRE_BYTES)
            continue;
        struct wire resource_spans = wire_of(request.bytes);
        while (wire_next(&resource_spans)) {
            bool scopes = resource_spans.field == 2 || resource_spans.field == LEGACY_ITEMS;
            if (!scopes || resource_spans.type != WIRE_BYTES)
                continue;
            struct wire scope_spans = wire_of(resource_spans.bytes);
            while (wire_next_fast(&scope_spans))
                n += scope_spans.field == 2 && scope_spans.type == WIRE_BYTES;
        }
    }
    return n;
}

bool otlp_pb_count(struct decoding *decoding, struct str body, const char *items, size_t *n)
{
    *n = count_items(body);
    if (*n <= decoding->limits->max_spans)
        return true;
    err_set(decoding->err, ERR_TOO_BIG, "the body holds %zu %s, receive.max_spans is %u", *n, items,
            decoding->limits->max_spans);
    return false;
}

bool otlp_pb_walk(struct decoding *decoding, struct str body, otlp_pb_item_f *read_item)
{
    struct wire wire = wire_of(body);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES &&
            !read_resource_items(decoding, wire.bytes, read_item))
            return false;
    }
    return !wire.error || otlp_pb_malformed(decoding, "request");
}
