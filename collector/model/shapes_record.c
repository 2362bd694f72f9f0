/* shapes_record.c - from a decoded span to a record: its shape, its attribute set, its own texts.
 */
#include "collector/model/shapes_internal.h"

#include <stdlib.h>

#include "collector/base/hash.h"

void shapes_settings_changed(struct shapes *shapes)
{
    places_clear(shapes);
}

bool shapes_next_batch(struct shapes *shapes, uint32_t n_resources)
{
    if (n_resources > shapes->cap_slots) {
        struct resource_slot *grown = realloc(shapes->slots, n_resources * sizeof(*grown));
        if (!grown)
            return false;
        shapes->slots = grown;
        shapes->cap_slots = n_resources;
    }
    shapes->n_slots = n_resources;
    if (n_resources)
        memset(shapes->slots, 0, n_resources * sizeof(*shapes->slots));
    return true;
}

static struct resource_slot *slot_of(struct shapes *shapes, const struct resource *resource)
{
    struct resource_slot *slot = &shapes->slots[resource->index];
    if (slot->resource)
        return slot;
    buf_reset(&shapes->json);
    for (uint32_t i = 0; i < resource->n_attrs; i++) {
        if (i)
            buf_add_char(&shapes->json, ',');
        attr_render(&shapes->json, &resource->attrs[i]);
    }
    slot->resource = resource;
    slot->no = shapes_add_resource(shapes, buf_str(&shapes->json));
    return slot;
}

static void made_attr(struct attr_row *row, unsigned i, struct str key, struct str text)
{
    if (!text.len || row->n >= MAX_SPAN_ATTRS)
        return;
    row->made[i] = (struct attr){.key = key, .text = text, .type = VALUE_TEXT};
    row->attrs[row->n++] = &row->made[i];
}

/* The span's attributes, and what else of it has no column of its own. */
static void row_fill(struct attr_row *row, const struct span *span)
{
    row->n = 0;
    for (uint32_t i = 0; i < span->n_attrs && row->n < MAX_SPAN_ATTRS - 4; i++)
        row->attrs[row->n++] = &span->attrs[i];
    if (!str_eq(span->name, span->facts.operation))
        made_attr(row, 0, STR("span.name"), span->name);
    made_attr(row, 1, STR("otel.scope.name"), span->scope_name);
    made_attr(row, 2, STR("otel.scope.version"), span->scope_version);
    made_attr(row, 3, STR("w3c.tracestate"), span->trace_state);
}

static struct name_pair *pair_of(struct shapes *shapes, name_no service, name_no operation)
{
    uint64_t hash = hash_u64((uint64_t)service << 32 | operation);
    for (struct map_iter it = map_find(&shapes->pair_map, hash);
         map_next(&shapes->pair_map, &it);) {
        struct name_pair *pair = chunks_at(&shapes->pairs, it.value);
        if (pair->service == service && pair->operation == operation)
            return pair;
    }
    return NULL;
}

static struct name_pair *pair_add(struct shapes *shapes, name_no service, name_no operation)
{
    uint64_t hash = hash_u64((uint64_t)service << 32 | operation);
    uint32_t no = shapes->pairs.n;
    struct name_pair *pair = chunks_append(&shapes->pairs);
    if (!pair || !map_add(&shapes->pair_map, hash, no))
        return NULL;
    *pair = (struct name_pair){.service = service, .operation = operation};
    return pair;
}

/* limit.services: distinct service names; stitch.alias renames. */
static name_no service_name(struct shapes *shapes, struct str text)
{
    if (shapes->limits.alias)
        text = shapes->limits.alias(shapes->limits.ctx, text);
    name_no known = names_find(shapes->names, text);
    if (!text.len || (known != NAME_NONE && pair_of(shapes, known, NAME_NONE)))
        return known;
    if (shapes->limits.services && shapes->n_services >= shapes->limits.services) {
        shapes->overflow.services++;
        return NAME_OTHER;
    }
    name_no service = names_add(shapes->names, text);
    if (service == NAME_OTHER || !pair_add(shapes, service, NAME_NONE))
        return NAME_OTHER;
    shapes->n_services++;
    return service;
}

/* limit.operations: distinct operations of a service name. */
static name_no operation_name(struct shapes *shapes, name_no service, struct str text)
{
    name_no known = names_find(shapes->names, text);
    if (!text.len || (known != NAME_NONE && pair_of(shapes, service, known)))
        return known;
    struct name_pair *of_service = pair_of(shapes, service, NAME_NONE);
    if (!of_service)
        of_service = pair_add(shapes, service, NAME_NONE);
    if (!of_service ||
        (shapes->limits.operations && of_service->n_operations >= shapes->limits.operations)) {
        shapes->overflow.operations++;
        return NAME_OTHER;
    }
    name_no operation = names_add(shapes->names, text);
    if (operation == NAME_OTHER || !pair_add(shapes, service, operation))
        return NAME_OTHER;
    of_service->n_operations++;
    return operation;
}

static void fact_texts(const struct facts *facts, struct str texts[N_FACT_TEXTS])
{
    texts[0] = facts->service;
    texts[1] = facts->namespace;
    texts[2] = facts->cluster;
    texts[3] = facts->version;
    texts[4] = facts->instance;
    texts[5] = facts->zone;
    texts[6] = facts->upstream_cluster;
    texts[7] = facts->peer;
    texts[8] = facts->peer_namespace;
    texts[9] = facts->url_host;
    texts[10] = facts->protocol;
}

static uint8_t role_of(const struct facts *facts)
{
    switch (facts->proxy) {
    case PROXY_SIDECAR:
        return ROLE_SIDECAR;
    case PROXY_GATEWAY:
        return ROLE_GATEWAY;
    case PROXY_WAYPOINT:
        return ROLE_WAYPOINT;
    case PROXY_LOAD_BALANCER:
        return ROLE_LOAD_BALANCER;
    default:
        return ROLE_WORKLOAD;
    }
}

static bool shape_memo_fits(const struct shape_memo *memo, const struct span *span,
                            const struct str texts[N_FACT_TEXTS])
{
    const struct shape *shape = memo->shape;
    const struct facts *facts = &span->facts;
    if (shape->proxy != facts->proxy || shape->peer_role != facts->peer_role ||
        shape->security != facts->security || shape->database != facts->database ||
        shape->messaging != facts->messaging || shape->peer_resolvable != facts->peer_resolvable ||
        shape->mirrored != facts->mirrored || shape->shared != span->shared ||
        shape->message != facts->message || shape->log != facts->log)
        return false;
    if (memo->n_peer_address != facts->peer_address.len ||
        memcmp(memo->peer_address, facts->peer_address.p ? facts->peer_address.p : "",
               facts->peer_address.len) != 0)
        return false;
    for (unsigned i = 0; i < N_FACT_TEXTS; i++) {
        if (!str_eq(memo->texts[i], texts[i]))
            return false;
    }
    return true;
}

static name_no peer_address_name(struct shapes *shapes, struct str address)
{
    if (address.len && shapes->limits.inside && !shapes->limits.inside(shapes->limits.ctx, address))
        return names_add(shapes->names, STR("outside"));
    return names_add(shapes->names, address);
}

/* As it says itself, else as stitch.zones has it for its address. */
static name_no zone_name(struct shapes *shapes, const struct facts *facts)
{
    if (facts->zone.len || !shapes->limits.zone)
        return names_add(shapes->names, facts->zone);
    return names_add(shapes->names, shapes->limits.zone(shapes->limits.ctx, facts->address));
}

static const struct shape *shape_slow(struct shapes *shapes, struct resource_slot *slot,
                                      const struct span *span, uint8_t format, uint32_t *no)
{
    const struct facts *facts = &span->facts;
    struct names *names = shapes->names;
    struct shape shape = {
        .node.cluster = names_add(names, facts->cluster),
        .node.namespace = names_add(names, facts->namespace),
        .node.version = names_add(names, facts->version),
        .node.role = role_of(facts),
        .instance = names_add(names, facts->instance),
        .zone = zone_name(shapes, facts),
        .host = names_add(names, facts->host),
        .address = names_add(names, facts->address),
        .upstream_cluster = names_add(names, facts->upstream_cluster),
        .peer = names_add(names, facts->peer),
        .peer_namespace = names_add(names, facts->peer_namespace),
        .peer_address = peer_address_name(shapes, facts->peer_address),
        .url_host = names_add(names, facts->url_host),
        .protocol = names_add(names, facts->protocol),
        .resource = slot->no,
        .kind = span->kind,
        .proxy = facts->proxy,
        .peer_role = facts->peer_role,
        .security = facts->security,
        .format = format,
        .database = facts->database,
        .messaging = facts->messaging,
        .peer_resolvable = facts->peer_resolvable,
        .mirrored = facts->mirrored,
        .message = facts->message,
        .log = facts->log,
        .shared = span->shared,
    };
    shape.node.service = service_name(shapes, facts->service);
    shape.node = nodes_bound_own(shapes->nodes, &shape.node);
    shape.operation = operation_name(shapes, shape.node.service, facts->operation);
    const struct shape *found = shapes_add(shapes, &shape, no);
    if (*no != 0 || !found)
        return found;
    /* The table is full: what is left is who it is. */
    struct shape plain = {.node = shape.node, .operation = NAME_OTHER, .kind = span->kind};
    return shapes_add(shapes, &plain, no);
}

static const struct shape *shape_of(struct shapes *shapes, struct resource_slot *slot,
                                    struct place *place, const struct span *span, uint32_t *no)
{
    struct str texts[N_FACT_TEXTS];
    fact_texts(&span->facts, texts);
    for (unsigned i = 0; i < place->n_shapes; i++) {
        if (shape_memo_fits(&place->shapes[i], span, texts)) {
            *no = place->shapes[i].no;
            return place->shapes[i].shape;
        }
    }
    const struct shape *shape = shape_slow(shapes, slot, span, place->format, no);
    struct str address = span->facts.peer_address;
    if (!shape || address.len > sizeof(place->shapes[0].peer_address))
        return shape;
    struct shape_memo *memo = &place->shapes[place->next_shape];
    place->next_shape = (place->next_shape + 1) % N_MEMOS;
    if (place->n_shapes < N_MEMOS)
        place->n_shapes++;
    *memo = (struct shape_memo){.shape = shape, .no = *no, .n_peer_address = address.len};
    if (address.len)
        memcpy(memo->peer_address, address.p, address.len);
    /* What the span says, not what the settings made of it; kept as names, which stay. */
    for (unsigned i = 0; i < N_FACT_TEXTS; i++)
        memo->texts[i] = i == 0 && shape->node.service == NAME_OTHER
                             ? STR("other")
                             : names_text(shapes->names, names_add(shapes->names, texts[i]));
    return shape;
}

/* FNV-1a over the id with the digit masked that carries Envoy's trace decision; 0 for no id. The
 * same in every process: it is stored and compared later. */
static uint64_t request_id_hash(struct str id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (!id.len)
        return 0;
    for (size_t i = 0; i < id.len; i++)
        hash = (hash ^ (uint8_t)(i == 14 ? '4' : id.p[i])) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

static void record_facts(struct shapes *shapes, const struct span *span, struct record *record)
{
    const struct facts *facts = &span->facts;
    *record = (struct record){
        .span_id = span->span_id,
        .parent_id = span->parent_id,
        .start_ns = span->start_ns,
        .duration_ns = span->duration_ns,
        .request_id = request_id_hash(facts->request_id),
        .flags = facts->flags,
        .flags_text = facts->flags ? names_add(shapes->names, facts->response_flags) : NAME_NONE,
        .http_status = facts->http_status < INT16_MIN || facts->http_status > INT16_MAX
                           ? CODE_NONE
                           : facts->http_status,
        .grpc_status = facts->grpc_status,
        .resend_count = facts->resend_count,
        .status = span->status,
        .bad_times = span->bad_times,
        .error_tag = facts->error_tag,
        .error_tag_4xx_only = facts->error_tag_4xx_only,
        .canceled = facts->canceled,
        .weight = facts->weight,
    };
}

bool shapes_record(struct shapes *shapes, const struct span *span, uint8_t format,
                   struct buf *scratch, struct record *record)
{
    struct resource_slot *slot = slot_of(shapes, span->resource);
    struct place *place = place_find(shapes, slot, span, format);
    if (!place)
        return false;
    record_facts(shapes, span, record);
    record->shape = shape_of(shapes, slot, place, span, &record->shape_no);
    if (!record->shape)
        return false;
    struct own own = {0};
    buf_reset(scratch);
    buf_add(scratch, &own, sizeof(own));
    row_fill(&shapes->row, span);
    record->attr_set =
        place_set(shapes, place, record->shape->node.service, record->shape->operation, scratch);
    own.n_attributes = scratch->len - sizeof(own);
    own.n_events = span->events.len;
    own.n_links = span->links.len;
    own.n_message = span->status_message.len;
    own.n_name = record->shape->operation == NAME_OTHER ? span->facts.operation.len : 0;
    if (scratch->len == sizeof(own) && !own.n_events && !own.n_links && !own.n_message &&
        !own.n_name)
        return true;
    buf_add_str(scratch, span->events);
    buf_add_str(scratch, span->links);
    buf_add_str(scratch, span->status_message);
    buf_add(scratch, span->facts.operation.p, own.n_name);
    if (buf_failed(scratch))
        return false;
    memcpy(scratch->p, &own, sizeof(own));
    record->own = (const struct own *)(const void *)scratch->p;
    return true;
}
