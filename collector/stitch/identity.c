/* identity.c - unknown parts of nodes: from the other half of a call, then from what others of the
 * same service in the trace agree on (STITCHING §1).
 */
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/stitch/work.h"

/* ---- attributes that only a few spans are asked for ---- */

/* The value behind "key": in the inside of a JSON object. Quotes in texts are escaped, so that the
 * key with its quotes is found nowhere else but in a nested object. */
static struct str json_value(struct str json, struct str key)
{
    char quoted[80];
    if (key.len + 3 >= sizeof(quoted) || !json.len)
        return STR_NONE;
    quoted[0] = '"';
    memcpy(quoted + 1, key.p, key.len);
    memcpy(quoted + 1 + key.len, "\":", 2);
    const char *at = memmem(json.p, json.len, quoted, key.len + 3);
    return at ? str_skip(json, (size_t)(at - json.p) + key.len + 3) : STR_NONE;
}

static struct str value_of(const struct record *record, struct str key)
{
    struct str value = json_value(own_attributes(record->own), key);
    return value.len ? value : json_value(record->attr_set->json, key);
}

struct str span_escaped(const struct record *record, struct str key)
{
    struct str value = value_of(record, key);
    if (!value.len || value.p[0] != '"')
        return STR_NONE;
    value = str_skip(value, 1);
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] == '"')
            return (struct str){value.p, i};
        i += value.p[i] == '\\';
    }
    return STR_NONE;
}

struct str span_text(const struct record *record, struct str key)
{
    struct str text = span_escaped(record, key);
    return str_find(text, '\\') < 0 ? text : STR_NONE; /* names with escapes are left alone */
}

uint64_t span_number(const struct record *record, struct str key)
{
    struct str value = value_of(record, key);
    uint64_t number = 0;
    size_t n = 0;
    if (value.len && value.p[0] == '"')
        value = str_skip(value, 1);
    while (n < value.len && value.p[n] >= '0' && value.p[n] <= '9')
        n++;
    return str_to_u64((struct str){value.p, n}, &number) ? number : 0;
}

/* ---- waypoints ---- */

static name_no peer_part(struct stitch *stitch, const struct record *record, struct str side,
                         const char *part)
{
    char key[64];
    size_t n = strlen(part);
    memcpy(key, side.p, side.len);
    memcpy(key + side.len, part, n);
    struct str text = span_text(record, (struct str){key, side.len + n});
    bool unknown = str_eq(text, STR("unknown")) || str_eq(text, STR("latest"));
    return unknown ? NAME_NONE : names_add(stitch->names, text);
}

static bool waypoint_peer(struct stitch *stitch, const struct record *record, struct str side,
                          struct node *node)
{
    name_no service = peer_part(stitch, record, side, "canonical_service");
    service = service ? service : peer_part(stitch, record, side, "app");
    service = service ? service : peer_part(stitch, record, side, "workload");
    if (!service)
        return false;
    *node = (struct node){.service = service,
                          .cluster = peer_part(stitch, record, side, "cluster_id"),
                          .namespace = peer_part(stitch, record, side, "namespace"),
                          .version = peer_part(stitch, record, side, "canonical_revision"),
                          .role = ROLE_WORKLOAD};
    if (!node->version)
        node->version = peer_part(stitch, record, side, "app_version");
    return true;
}

bool waypoint_source(struct stitch *stitch, const struct record *record, struct node *node)
{
    return waypoint_peer(stitch, record, STR("istio.source_"), node);
}

bool waypoint_destination(struct stitch *stitch, const struct record *record, struct node *node)
{
    return waypoint_peer(stitch, record, STR("istio.destination_"), node);
}

/* ---- unknown parts ---- */

void fill_node(struct node *node, const struct node *other)
{
    node->cluster = node->cluster ? node->cluster : other->cluster;
    node->namespace = node->namespace ? node->namespace : other->namespace;
    node->version = node->version ? node->version : other->version;
}

static bool is_whole(const struct node *node)
{
    return node->cluster && node->namespace && node->version;
}

/* What the visits of one service name agree on; a part on which they do not is left unknown. */
struct agreed {
    name_no service;
    struct node only;
    bool several[3];
};

struct agreement {
    struct agreed few[16], *items; /* `few` as long as they do */
    uint32_t n, cap;
    struct map map; /* service -> item, beyond the few */
};

static struct agreed *agreed_of(struct agreement *agreement, name_no service)
{
    if (!agreement->map.slots) {
        for (uint32_t i = 0; i < agreement->n; i++) {
            if (agreement->items[i].service == service)
                return &agreement->items[i];
        }
        return NULL;
    }
    for (struct map_iter it = map_find(&agreement->map, hash_u64(service));
         map_next(&agreement->map, &it);) {
        if (agreement->items[it.value].service == service)
            return &agreement->items[it.value];
    }
    return NULL;
}

static struct agreed *agreed_add(struct agreement *agreement, name_no service)
{
    if (agreement->n == agreement->cap) {
        uint32_t cap = agreement->cap ? 4 * agreement->cap : 64;
        bool few = agreement->items == agreement->few;
        struct agreed *grown = realloc(few ? NULL : agreement->items, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        if (few)
            memcpy(grown, agreement->few, sizeof(agreement->few));
        agreement->items = grown;
        agreement->cap = cap;
        for (uint32_t i = 0; few && i < agreement->n; i++)
            map_add(&agreement->map, hash_u64(grown[i].service), i);
    }
    if (agreement->map.slots && !map_add(&agreement->map, hash_u64(service), agreement->n))
        return NULL;
    struct agreed *agreed = &agreement->items[agreement->n++];
    *agreed = (struct agreed){.service = service};
    return agreed;
}

static void agree(struct agreed *agreed, const struct node *node)
{
    const name_no values[3] = {node->cluster, node->namespace, node->version};
    name_no *only[3] = {&agreed->only.cluster, &agreed->only.namespace, &agreed->only.version};
    for (int i = 0; i < 3; i++) {
        agreed->several[i] = agreed->several[i] || (*only[i] && values[i] && *only[i] != values[i]);
        *only[i] = values[i] ? values[i] : *only[i];
    }
}

static struct node agreed_parts(const struct agreed *agreed)
{
    return (struct node){.cluster = agreed->several[0] ? NAME_NONE : agreed->only.cluster,
                         .namespace = agreed->several[1] ? NAME_NONE : agreed->only.namespace,
                         .version = agreed->several[2] ? NAME_NONE : agreed->only.version};
}

static bool gather_node(struct agreement *agreement, const struct node *node)
{
    struct agreed *agreed = agreed_of(agreement, node->service);
    agreed = agreed ? agreed : agreed_add(agreement, node->service);
    if (agreed)
        agree(agreed, node);
    return agreed != NULL;
}

/* Gateways on the way have no visit; they too say where others of their name are. */
static bool gather(const struct stitch *stitch, struct agreement *agreement)
{
    agreement->items = agreement->few;
    agreement->n = 0;
    agreement->cap = sizeof(agreement->few) / sizeof(agreement->few[0]);
    map_init(&agreement->map);
    bool ok = true;
    for (uint32_t i = 0; i < stitch->n_visits && ok; i++)
        ok = stitch->visits[i].silent || gather_node(agreement, &stitch->visits[i].node);
    for (uint32_t i = 0; i < stitch->n && ok; i++) {
        if (stitch->spans[i].passes)
            ok = gather_node(agreement, &stitch->spans[i].shape->node);
    }
    return ok;
}

static void agreement_fini(struct agreement *agreement)
{
    map_fini(&agreement->map);
    if (agreement->items != agreement->few)
        free(agreement->items);
}

/* A caller's proxy knows namespace and subset of the cluster that it sent the request to. */
static void fill_from_callers(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        const struct work_call *call = &stitch->calls[i];
        if (call->callee_visit == NONE || call->bottom == NONE)
            continue;
        struct node *node = &stitch->visits[call->callee_visit].node;
        if (node->namespace && node->version)
            continue;
        const struct upstream *upstream =
            upstream_parse(stitch, stitch->spans[call->bottom].shape->upstream_cluster);
        bool named = upstream->kubernetes && upstream->direction == DIRECTION_OUTBOUND &&
                     upstream->service == node->service &&
                     (!node->namespace || node->namespace == upstream->namespace);
        if (named)
            fill_node(node, &(struct node){.namespace = upstream->namespace,
                                           .version = upstream->subset});
    }
}

void identity_fill(struct stitch *stitch)
{
    struct agreement agreement;
    bool all_whole = true;
    fill_from_callers(stitch);
    for (uint32_t i = 0; i < stitch->n_visits && all_whole; i++)
        all_whole = is_whole(&stitch->visits[i].node);
    if (all_whole)
        return;
    if (gather(stitch, &agreement)) {
        for (uint32_t i = 0; i < stitch->n_visits; i++) {
            struct node *node = &stitch->visits[i].node;
            if (is_whole(node))
                continue;
            const struct agreed *agreed = agreed_of(&agreement, node->service);
            if (!agreed) /* nobody spoke */
                continue;
            struct node parts = agreed_parts(agreed);
            if (stitch->visits[i].silent)
                parts.version = NAME_NONE;
            fill_node(node, &parts);
        }
    }
    agreement_fini(&agreement);
}

/* A callee that sent no span takes cluster and namespace from those of its name that did. Its
 * version may be another: that is what a subset is for. */
void identity_fill_callees(struct stitch *stitch)
{
    struct agreement agreement;
    bool gathered = false, ok = true;
    for (uint32_t i = 0; i < stitch->n_calls && ok; i++) {
        struct work_call *work = &stitch->calls[i];
        if (work->callee_visit != NONE)
            continue;
        struct node node = *nodes_get(stitch->nodes, work->call.callee);
        if (node.role != ROLE_WORKLOAD || (node.cluster && node.namespace))
            continue;
        ok = gathered || gather(stitch, &agreement);
        gathered = true;
        const struct agreed *agreed = ok ? agreed_of(&agreement, node.service) : NULL;
        if (!agreed)
            continue;
        struct node parts = agreed_parts(agreed);
        parts.version = NAME_NONE;
        fill_node(&node, &parts);
        work->call.callee = nodes_add(stitch->nodes, &node);
    }
    if (gathered)
        agreement_fini(&agreement);
}
