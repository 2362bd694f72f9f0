/* merge.c - the union of two records. Rare: a resent batch is found equal by comparing numbers. */
#include "collector/stitch/merge.h"

#include <stdlib.h>

#include "collector/base/json.h"

#define MAX_MEMBERS 2048
#define ATTEMPT_NS 1000u /* starts that differ by less belong to one attempt: clocks of 1 µs */

static bool is_caller(const struct shape *shape)
{
    return shape->kind == KIND_CLIENT || shape->kind == KIND_PRODUCER;
}

bool merge_same_key(const struct record *a, const struct record *b)
{
    if (is_caller(a->shape) != is_caller(b->shape) ||
        a->shape->node.service != b->shape->node.service ||
        (a->shape->proxy == PROXY_NONE) != (b->shape->proxy == PROXY_NONE) ||
        (a->shape->log == LOG_NONE) != (b->shape->log == LOG_NONE))
        return false;
    if (!a->start_ns || !b->start_ns)
        return true;
    uint64_t apart =
        a->start_ns > b->start_ns ? a->start_ns - b->start_ns : b->start_ns - a->start_ns;
    return apart < ATTEMPT_NS;
}

struct member {
    struct str key, value; /* as they stand in the JSON text; a key with its quotes */
};

struct members {
    struct member items[MAX_MEMBERS];
    uint32_t n;
};

/* Cuts the inside of an object (`object`) or of an array into its members. */
static bool cut_members(struct members *members, struct str inside, bool object,
                        struct buf *scratch)
{
    struct json json;
    struct json_text key;
    buf_reset(scratch);
    buf_add_char(scratch, object ? '{' : '[');
    buf_add_str(scratch, inside);
    buf_add_char(scratch, object ? '}' : ']');
    if (buf_failed(scratch))
        return false;
    json_init(&json, buf_str(scratch));
    if (!(object ? json_open_object(&json) : json_open_array(&json)))
        return false;
    while (members->n < MAX_MEMBERS &&
           (object ? json_next_key(&json, &key) : json_next_item(&json))) {
        struct member *member = &members->items[members->n];
        member->key = object ? (struct str){key.raw.p - 1, key.raw.len + 2} : STR_NONE;
        if (!json_skip(&json, &member->value))
            return false;
        /* The scratch is used again: point into the text that lives on. */
        if (object)
            member->key.p = inside.p + (member->key.p - scratch->p - 1);
        member->value.p = inside.p + (member->value.p - scratch->p - 1);
        members->n++;
    }
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct member *one = a, *other = b;
    int order = str_cmp(one->key, other->key);
    return order ? order : str_cmp(one->value, other->value);
}

/* Sorts, and keeps of each key (or of equal array members) the greatest value. */
static void unite(struct members *members, bool object)
{
    uint32_t kept = 0;
    qsort(members->items, members->n, sizeof(members->items[0]), by_key);
    for (uint32_t i = 0; i < members->n; i++) {
        const struct member *item = &members->items[i];
        struct member *last = kept ? &members->items[kept - 1] : NULL;
        if (last && str_eq(last->key, item->key) && (object || str_eq(last->value, item->value)))
            *last = *item;
        else
            members->items[kept++] = *item;
    }
    members->n = kept;
}

static void write_members(const struct members *members, bool object, struct buf *out)
{
    for (uint32_t i = 0; i < members->n; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_str(out, members->items[i].key);
        if (object)
            buf_add_char(out, ':');
        buf_add_str(out, members->items[i].value);
    }
}

/* The union of two lists of events or links, as an array text, '' when both are empty. */
static bool unite_arrays(struct members *members, struct str a, struct str b, struct buf *scratch,
                         struct buf *out)
{
    if (!a.len && !b.len)
        return true;
    members->n = 0;
    struct str lists[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        struct str list = lists[i];
        if (list.len < 2)
            continue;
        if (!cut_members(members, (struct str){list.p + 1, list.len - 2}, false, scratch))
            return false;
    }
    unite(members, false);
    buf_add_char(out, '[');
    write_members(members, false, out);
    buf_add_char(out, ']');
    return true;
}

static bool unite_attributes(struct members *members, const struct record *a,
                             const struct record *b, struct buf *scratch, struct buf *out)
{
    members->n = 0;
    const struct str texts[4] = {a->attr_set->json, own_attributes(a->own), b->attr_set->json,
                                 own_attributes(b->own)};
    for (int i = 0; i < 4; i++) {
        if (texts[i].len && !cut_members(members, texts[i], true, scratch))
            return false;
    }
    unite(members, true);
    write_members(members, true, out);
    return true;
}

static struct str greater_text(struct str a, struct str b)
{
    return str_cmp(a, b) >= 0 ? a : b;
}

/* Builds the own of the union in `out`: every attribute becomes the span's own. */
static bool unite_own(const struct record *a, const struct record *b, struct buf *out)
{
    struct members *members = malloc(sizeof(*members));
    struct buf scratch;
    struct own own = {0};
    buf_init(&scratch, 64u << 20);
    buf_reset(out);
    buf_add(out, &own, sizeof(own));
    bool ok = members && unite_attributes(members, a, b, &scratch, out);
    own.n_attributes = out->len - sizeof(own);
    ok = ok && unite_arrays(members, own_events(a->own), own_events(b->own), &scratch, out);
    own.n_events = out->len - sizeof(own) - own.n_attributes;
    ok = ok && unite_arrays(members, own_links(a->own), own_links(b->own), &scratch, out);
    own.n_links = out->len - sizeof(own) - own.n_attributes - own.n_events;
    struct str message = greater_text(own_message(a->own), own_message(b->own));
    struct str name = greater_text(own_name(a->own), own_name(b->own));
    buf_add_str(out, message);
    buf_add_str(out, name);
    own.n_message = message.len;
    own.n_name = name.len;
    buf_fini(&scratch);
    free(members);
    if (!ok || buf_failed(out))
        return false;
    memcpy(out->p, &own, sizeof(own));
    return true;
}

static name_no greater_name(const struct shapes *shapes, name_no a, name_no b)
{
    if (a == b)
        return a;
    const struct names *names = shapes_names(shapes);
    return str_cmp(names_text(names, a), names_text(names, b)) >= 0 ? a : b;
}

/* A shape that knows what either knows; of two different texts the greater. */
static struct shape unite_shapes(const struct shapes *shapes, const struct shape *a,
                                 const struct shape *b)
{
    struct shape shape = *a;
    shape.node.cluster = greater_name(shapes, a->node.cluster, b->node.cluster);
    shape.node.namespace = greater_name(shapes, a->node.namespace, b->node.namespace);
    shape.node.version = greater_name(shapes, a->node.version, b->node.version);
    shape.instance = greater_name(shapes, a->instance, b->instance);
    shape.zone = greater_name(shapes, a->zone, b->zone);
    shape.host = greater_name(shapes, a->host, b->host);
    shape.address = greater_name(shapes, a->address, b->address);
    shape.operation = greater_name(shapes, a->operation, b->operation);
    shape.upstream_cluster = greater_name(shapes, a->upstream_cluster, b->upstream_cluster);
    shape.peer = greater_name(shapes, a->peer, b->peer);
    shape.peer_namespace = greater_name(shapes, a->peer_namespace, b->peer_namespace);
    shape.peer_address = greater_name(shapes, a->peer_address, b->peer_address);
    shape.url_host = greater_name(shapes, a->url_host, b->url_host);
    shape.protocol = greater_name(shapes, a->protocol, b->protocol);
    if (str_cmp(shapes_resource(shapes, b->resource), shapes_resource(shapes, a->resource)) > 0)
        shape.resource = b->resource;
    shape.kind = a->kind > b->kind ? a->kind : b->kind;
    shape.proxy = a->proxy > b->proxy ? a->proxy : b->proxy;
    shape.node.role = a->node.role > b->node.role ? a->node.role : b->node.role;
    /* ROLE_EXTERNAL means that attributes do not tell. */
    shape.peer_role = a->peer_role == ROLE_EXTERNAL                                  ? b->peer_role
                      : b->peer_role == ROLE_EXTERNAL || a->peer_role > b->peer_role ? a->peer_role
                                                                                     : b->peer_role;
    shape.security = a->security > b->security ? a->security : b->security;
    shape.format = a->format < b->format ? a->format : b->format;
    shape.message = a->message > b->message ? a->message : b->message;
    shape.database = a->database || b->database;
    shape.messaging = a->messaging || b->messaging;
    shape.peer_resolvable = a->peer_resolvable || b->peer_resolvable;
    shape.mirrored = a->mirrored || b->mirrored;
    shape.shared = a->shared || b->shared;
    return shape;
}

static bool shape_says_same(const struct shape *a, const struct shape *b)
{
    struct shape other = *b;
    other.format = a->format;
    return memcmp(a, &other, sizeof(other)) == 0;
}

static int worse(uint8_t status)
{
    return status == STATUS_ERROR ? 2 : status == STATUS_OK ? 1 : 0;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    if (a == DURATION_UNKNOWN || b == DURATION_UNKNOWN)
        return a == DURATION_UNKNOWN ? b : a;
    return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

static void unite_numbers(const struct shapes *shapes, struct record *into,
                          const struct record *more)
{
    into->parent_id = into->parent_id > more->parent_id ? into->parent_id : more->parent_id;
    into->start_ns = earlier(into->start_ns, more->start_ns);
    into->duration_ns = longer(into->duration_ns, more->duration_ns);
    into->bad_times = into->bad_times && more->bad_times;
    into->status = worse(into->status) >= worse(more->status) ? into->status : more->status;
    into->flags |= more->flags;
    into->flags_text = greater_name(shapes, into->flags_text, more->flags_text);
    into->http_status =
        into->http_status > more->http_status ? into->http_status : more->http_status;
    into->grpc_status =
        into->grpc_status > more->grpc_status ? into->grpc_status : more->grpc_status;
    into->resend_count =
        into->resend_count > more->resend_count ? into->resend_count : more->resend_count;
    bool codes_only = (!into->error_tag || into->error_tag_4xx_only) &&
                      (!more->error_tag || more->error_tag_4xx_only);
    into->error_tag |= more->error_tag;
    into->error_tag_4xx_only = into->error_tag && codes_only;
    into->canceled |= more->canceled;
    into->request_id = into->request_id > more->request_id ? into->request_id : more->request_id;
    into->weight = into->weight > more->weight ? into->weight : more->weight;
}

static bool numbers_equal(const struct record *a, const struct record *b)
{
    return a->parent_id == b->parent_id && a->start_ns == b->start_ns &&
           a->duration_ns == b->duration_ns && a->status == b->status && a->flags == b->flags &&
           a->flags_text == b->flags_text && a->http_status == b->http_status &&
           a->grpc_status == b->grpc_status && a->resend_count == b->resend_count &&
           a->error_tag == b->error_tag && a->error_tag_4xx_only == b->error_tag_4xx_only &&
           a->canceled == b->canceled && a->bad_times == b->bad_times &&
           a->request_id == b->request_id;
}

static bool own_equal(const struct own *a, const struct own *b)
{
    return own_size(a) == own_size(b) && (own_size(a) == 0 || memcmp(a, b, own_size(a)) == 0);
}

/* The record's own texts with every attribute in them, in canonical order, to compare contents. */
static bool same_texts(const struct record *a, const struct own *united, struct buf *scratch)
{
    if (!unite_own(a, a, scratch))
        return false;
    return own_equal((const struct own *)(const void *)scratch->p, united);
}

enum merge_result merge_records(struct shapes *shapes, struct record *into,
                                const struct record *more, struct buf *scratch)
{
    bool same_shape = shape_says_same(into->shape, more->shape);
    if (same_shape && numbers_equal(into, more) && into->attr_set == more->attr_set &&
        own_equal(into->own, more->own))
        return MERGE_SAME;
    struct record united = *into;
    unite_numbers(shapes, &united, more);
    if (!unite_own(into, more, scratch))
        return MERGE_FAILED;
    const struct own *own = (const struct own *)(const void *)scratch->p;
    struct buf alone;
    buf_init(&alone, 64u << 20);
    bool same = same_shape && numbers_equal(into, more) && same_texts(into, own, &alone) &&
                same_texts(more, own, &alone);
    buf_fini(&alone);
    if (same)
        return MERGE_SAME;
    struct shape shape = unite_shapes(shapes, into->shape, more->shape);
    united.shape = shapes_add(shapes, &shape, &united.shape_no);
    united.attr_set = shapes_set(shapes, 0);
    united.own = own_size(own) == sizeof(*own) ? NULL : own;
    if (!united.shape)
        return MERGE_FAILED;
    *into = united;
    return MERGE_CHANGED;
}
