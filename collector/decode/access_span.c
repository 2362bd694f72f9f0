/* access_span.c - an entry of an access log as the span that its proxy did not send. */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/decode/access_trace.h"
#include "collector/decode/semconv.h"
#include "collector/decode/times.h"
#include "collector/model/access_id.h"

static const struct str keys[N_ACCESS_FIELDS] = {
#define X(field, key) [ACCESS_##field] = {key, sizeof(key) - 1},
    ACCESS_FIELDS(X)
#undef X
};

/* ---- senders ---- */

void senders_init(struct senders *senders)
{
    *senders = (struct senders){0};
    map_init(&senders->map);
}

void senders_fini(struct senders *senders)
{
    map_fini(&senders->map);
    free(senders->by_index);
}

static const struct {
    enum access_field field;
    struct str key;
} naming[] = {
    {ACCESS_SERVICE, {"service.name", 12}},         {ACCESS_NAMESPACE, {"service.namespace", 17}},
    {ACCESS_VERSION, {"service.version", 15}},      {ACCESS_CLUSTER, {"k8s.cluster.name", 16}},
    {ACCESS_INSTANCE, {"service.instance.id", 19}},
};
#define N_NAMING (sizeof(naming) / sizeof(naming[0]))

static bool fill_resource(struct decoding *decoding, struct resource *resource,
                          const struct access *access)
{
    struct attr_list list = {0};
    for (size_t i = 0; i < N_NAMING; i++) {
        struct str text = access->at[naming[i].field];
        if (!text.len)
            continue;
        if (!text_keep(decoding->batch, &text, decoding->limits->name_bytes,
                       &decoding->batch->counts.n_cut_names, NULL) ||
            !attr_list_add_text(decoding->batch, &list, naming[i].key, text))
            return false;
    }
    resource->attrs = list.items;
    resource->n_attrs = list.n;
    semconv_resource(&decoding->batch->arena, resource);
    return true;
}

static struct resource *sender_of(struct decoding *decoding, struct senders *senders,
                                  const struct access *access)
{
    struct batch *batch = decoding->batch;
    uint64_t hash = 0;
    for (size_t i = 0; i < N_NAMING; i++)
        hash = hash_mix(hash, hash_str(access->at[naming[i].field]));
    for (struct map_iter it = map_find(&senders->map, hash); map_next(&senders->map, &it);)
        return senders->by_index[it.value];
    struct resource *resource = arena_calloc(&batch->arena, sizeof(*resource));
    if (!resource || !fill_resource(decoding, resource, access))
        return NULL;
    if (batch->n_resources >= senders->cap) {
        uint32_t cap = 2 * batch->n_resources + 16;
        struct resource **grown = realloc(senders->by_index, cap * sizeof(*grown));
        batch->arena.short_of_memory |= !grown;
        if (!grown)
            return NULL;
        senders->by_index = grown;
        senders->cap = cap;
    }
    if (!map_add(&senders->map, hash, batch->n_resources)) {
        batch->arena.short_of_memory = true;
        return NULL;
    }
    resource->index = batch->n_resources++;
    return senders->by_index[resource->index] = resource;
}

/* ---- attributes ---- */

struct row {
    struct attr attrs[N_ACCESS_FIELDS + MAX_ACCESS_EXTRAS + 1];
    uint32_t n;
};

static bool has_key(const struct row *row, struct str key)
{
    for (uint32_t i = 0; i < row->n; i++) {
        if (str_eq(row->attrs[i].key, key))
            return true;
    }
    return false;
}

static bool add(struct decoding *decoding, struct row *row, struct str key, struct str text)
{
    if (row->n >= decoding->limits->attributes) {
        decoding->batch->counts.n_dropped_attributes++;
        return true;
    }
    struct attr *attr = &row->attrs[row->n];
    *attr = (struct attr){0};
    if (!value_set_key(decoding, attr, key) || !value_set_text(decoding, attr, text))
        return false;
    row->n += !has_key(row, attr->key);
    return true;
}

static bool take_attributes(struct decoding *decoding, const struct access *access,
                            struct span *span)
{
    struct row row = {.n = 0};
    bool ok = add(decoding, &row, STR("component"), STR("proxy"));
    for (unsigned i = 0; ok && i < N_ACCESS_FIELDS; i++) {
        if (keys[i].len && access->at[i].len)
            ok = add(decoding, &row, keys[i], access->at[i]);
    }
    for (uint32_t i = 0; ok && i < access->n_extras; i++)
        ok = add(decoding, &row, access->extras[i].key, access->extras[i].text);
    if (!ok)
        return false;
    span->attrs = arena_alloc(&decoding->batch->arena, row.n * sizeof(struct attr));
    if (!span->attrs)
        return false;
    memcpy(span->attrs, row.attrs, row.n * sizeof(struct attr));
    span->n_attrs = row.n;
    return true;
}

/* ---- the span ---- */

/* An id that is said to be the proxy's own is the span's. A trace header is logged as it was handed
 * on: its id is that of the proxy's own span, where it has one, else of the caller's; either stands
 * above the entry. */
static void set_ids(struct span *span, const struct access *access, uint64_t id)
{
    struct trace_context context = trace_context_of(access);
    bool traced = context.trace_id.high || context.trace_id.low;
    bool asked = !traced && access->at[ACCESS_REQUEST_ID].len;
    span->trace_id = traced  ? context.trace_id
                     : asked ? access_trace_of_request(access->at[ACCESS_REQUEST_ID])
                             : access_trace_alone(id);
    span->span_id = context.span_id ? context.span_id : id;
    span->parent_id = context.parent_id ? context.parent_id : context.header_id;
    if (span->parent_id == span->span_id)
        span->parent_id = 0;
    span->facts.log = context.span_id ? LOG_OF_SPAN : asked ? LOG_OF_REQUEST : LOG_ALONE;
}

static void adjust_facts(struct span *span, const struct access *access)
{
    struct facts *facts = &span->facts;
    if (access->tcp) {
        facts->protocol = STR("tcp");
        facts->http_status = CODE_NONE;
        facts->operation = facts->operation.len ? facts->operation : STR("tcp");
    }
    if (access->plaintext && facts->security == SECURITY_UNKNOWN)
        facts->security = SECURITY_PLAINTEXT;
}

const char *access_span(struct decoding *decoding, struct senders *senders,
                        const struct access *access, uint64_t id, struct span *span)
{
    *span = (struct span){.kind = access->kind, .proxy = access->proxy};
    times_set(span, access->start_ns, access->end_ns);
    span->resource = sender_of(decoding, senders, access);
    span->trace_state = access->at[ACCESS_TRACE_STATE];
    if (!span->resource || !take_attributes(decoding, access, span) ||
        !text_keep(decoding->batch, &span->trace_state, decoding->limits->attribute_bytes,
                   &decoding->batch->counts.n_cut_values, NULL) ||
        !semconv_span(decoding->batch, span)) {
        decoding_too_big(decoding);
        return "memory";
    }
    set_ids(span, access, id);
    adjust_facts(span, access);
    return NULL;
}
