/* addresses.c - claims by address, or name, and service; the newest claim of an address wins unless
 * another service has made one within the hour: then it is of both (a node's own address, a pod's
 * that was given away), and nobody is named. A claim outlives its spans: who is silent is still
 * there.
 */
#include "collector/stitch/addresses.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/stitch/stitch.h"

#define MAX_CLAIMS 65536u
#define RENEW_NS NS_PER_MINUTE
#define RIVAL_MINUTES 60u
#define SAVE_MINUTES 10u /* the file's time of a claim may lag so far behind */
#define UNASKED 0u
#define NO_CLAIM 1u
#define FIRST_CLAIM 2u

struct claim {
    name_no address, service;
    node_no node;         /* as filled in by the last trace; without its proxy's role */
    uint32_t seen, saved; /* minutes; saved 0: never */
    uint32_t next;        /* of the same address, UINT32_MAX the last */
};

struct addresses {
    struct names *names;
    struct nodes *nodes;
    struct claim *claims;
    uint32_t n, cap;
    struct map first;   /* address -> its first claim */
    uint32_t *of_shape; /* by number of shape: its claim + FIRST_CLAIM, or one of the above */
    uint32_t n_shapes;
    struct map snapshot; /* address -> index of answers */
    struct answer {
        name_no address;
        node_no node;
    } * answers;
    uint32_t n_answers, cap_answers;
    uint64_t renewed_ns; /* 0: never, but for what the file held */
    bool changed;        /* since the snapshot */
    bool seen;           /* a claim was made, or made again, since the last turn */
};

struct addresses *addresses_new(struct names *names, struct nodes *nodes)
{
    struct addresses *addresses = calloc(1, sizeof(*addresses));
    if (!addresses)
        return NULL;
    addresses->names = names;
    addresses->nodes = nodes;
    map_init(&addresses->first);
    map_init(&addresses->snapshot);
    return addresses;
}

void addresses_free(struct addresses *addresses)
{
    if (!addresses)
        return;
    map_fini(&addresses->first);
    map_fini(&addresses->snapshot);
    free(addresses->claims);
    free(addresses->of_shape);
    free(addresses->answers);
    free(addresses);
}

/* ---- claims ---- */

static uint32_t first_claim(const struct addresses *addresses, name_no address)
{
    for (struct map_iter it = map_find(&addresses->first, hash_u64(address));
         map_next(&addresses->first, &it);) {
        if (addresses->claims[it.value].address == address)
            return it.value;
    }
    return UINT32_MAX;
}

/* UINT32_MAX beyond the limit, or without memory: that address is then not resolved. */
static uint32_t claim_of(struct addresses *addresses, name_no address, name_no service)
{
    uint32_t first = first_claim(addresses, address);
    for (uint32_t i = first; i != UINT32_MAX; i = addresses->claims[i].next) {
        if (addresses->claims[i].service == service)
            return i;
    }
    if (addresses->n == MAX_CLAIMS)
        return UINT32_MAX;
    if (addresses->n == addresses->cap) {
        uint32_t cap = addresses->cap ? 2 * addresses->cap : 64;
        struct claim *grown = realloc(addresses->claims, cap * sizeof(*grown));
        if (!grown)
            return UINT32_MAX;
        addresses->claims = grown;
        addresses->cap = cap;
    }
    struct claim *claim = &addresses->claims[addresses->n];
    *claim = (struct claim){.address = address, .service = service, .next = UINT32_MAX};
    if (first == UINT32_MAX) {
        if (!map_add(&addresses->first, hash_u64(address), addresses->n))
            return UINT32_MAX;
    } else {
        claim->next = addresses->claims[first].next;
        addresses->claims[first].next = addresses->n;
    }
    return addresses->n++;
}

bool addresses_claim(struct addresses *addresses, const struct known_address *known)
{
    struct node node = {.cluster = names_add(addresses->names, known->cluster),
                        .namespace = names_add(addresses->names, known->namespace),
                        .service = names_add(addresses->names, known->service),
                        .version = names_add(addresses->names, known->version),
                        .role = ROLE_WORKLOAD};
    uint32_t no = claim_of(addresses, names_add(addresses->names, known->address), node.service);
    if (no == UINT32_MAX)
        return false;
    struct claim *claim = &addresses->claims[no];
    claim->node = nodes_add(addresses->nodes, &node);
    claim->seen = claim->saved = known->seen_minute;
    addresses->changed = true;
    return true;
}

/* ---- spans ---- */

/* A gateway's address is no workload's; a host's own tells nothing of who is where: a sidecar there
 * is known by its pod. */
static uint32_t ask_shape(struct addresses *addresses, const struct shape *shape)
{
    name_no name = shape->address;
    bool here = address_is_loopback(names_text(addresses->names, name));
    if (here)
        name = shape->proxy == PROXY_SIDECAR && !shape->log ? shape->instance : NAME_NONE;
    if (name == NAME_NONE || name == NAME_OTHER || shape->node.service == NAME_NONE ||
        shape->node.service == NAME_OTHER || shape->proxy == PROXY_GATEWAY ||
        shape->proxy == PROXY_WAYPOINT)
        return NO_CLAIM;
    uint32_t claim = claim_of(addresses, name, shape->node.service);
    return claim == UINT32_MAX ? NO_CLAIM : claim + FIRST_CLAIM;
}

static uint32_t *slot_of_shape(struct addresses *addresses, uint32_t no)
{
    if (no >= addresses->n_shapes) {
        uint32_t n = addresses->n_shapes ? addresses->n_shapes : 256;
        while (n <= no)
            n *= 2;
        uint32_t *grown = realloc(addresses->of_shape, n * sizeof(*grown));
        if (!grown)
            return NULL;
        memset(grown + addresses->n_shapes, 0, (n - addresses->n_shapes) * sizeof(*grown));
        addresses->of_shape = grown;
        addresses->n_shapes = n;
    }
    return &addresses->of_shape[no];
}

/* The node as a workload's, with what the claim knew already where this span does not. */
static node_no node_of_claim(struct addresses *addresses, const struct claim *claim, node_no no)
{
    struct node node = *nodes_get(addresses->nodes, no);
    node.role = ROLE_WORKLOAD;
    if (claim->node) {
        const struct node *was = nodes_get(addresses->nodes, claim->node);
        node.cluster = node.cluster ? node.cluster : was->cluster;
        node.namespace = node.namespace ? node.namespace : was->namespace;
        node.version = node.version ? node.version : was->version;
    }
    return nodes_add(addresses->nodes, &node);
}

/* What spans like this claim; NULL for nothing. */
static struct claim *claim_of_shape(struct addresses *addresses, const struct record *record)
{
    uint32_t *slot = slot_of_shape(addresses, record->shape_no);
    if (slot && *slot == UNASKED)
        *slot = ask_shape(addresses, record->shape);
    return slot && *slot >= FIRST_CLAIM ? &addresses->claims[*slot - FIRST_CLAIM] : NULL;
}

bool addresses_is_news(struct addresses *addresses, const struct record *record)
{
    const struct claim *claim = claim_of_shape(addresses, record);
    return claim && !claim->node;
}

void addresses_see(struct addresses *addresses, const struct record *record, node_no node)
{
    struct claim *claim = claim_of_shape(addresses, record);
    uint32_t minute = ARRIVAL_MINUTE(record->arrival);
    if (!claim)
        return;
    if (claim->seen >= minute && claim->node)
        return; /* told within this minute */
    claim->node = node_of_claim(addresses, claim, node);
    claim->seen = minute;
    addresses->changed = addresses->seen = true;
}

void addresses_answer(struct addresses *addresses, const struct answered *answered, uint32_t minute)
{
    name_no service = nodes_get(addresses->nodes, answered->node)->service;
    uint32_t no = claim_of(addresses, answered->name, service);
    if (no == UINT32_MAX)
        return;
    struct claim *claim = &addresses->claims[no];
    claim->node = node_of_claim(addresses, claim, answered->node);
    claim->seen = claim->seen > minute ? claim->seen : minute;
    addresses->changed = addresses->seen = true;
}

/* ---- the snapshot ---- */

static node_no judge(const struct addresses *addresses, uint32_t first)
{
    const struct claim *newest = &addresses->claims[first];
    for (uint32_t i = newest->next; i != UINT32_MAX; i = addresses->claims[i].next) {
        if (addresses->claims[i].seen > newest->seen)
            newest = &addresses->claims[i];
    }
    for (uint32_t i = first; i != UINT32_MAX; i = addresses->claims[i].next) {
        const struct claim *claim = &addresses->claims[i];
        if (claim != newest && claim->seen + RIVAL_MINUTES >= newest->seen)
            return NODE_NONE;
    }
    return newest->node;
}

void addresses_renew(struct addresses *addresses, uint64_t now_mono_ns)
{
    if (!addresses->changed ||
        (addresses->renewed_ns && now_mono_ns < addresses->renewed_ns + RENEW_NS))
        return;
    if (addresses->cap_answers < addresses->n) {
        struct answer *grown = realloc(addresses->answers, addresses->cap * sizeof(*grown));
        if (!grown)
            return;
        addresses->answers = grown;
        addresses->cap_answers = addresses->cap;
    }
    map_clear(&addresses->snapshot);
    addresses->n_answers = 0;
    for (uint32_t i = 0; i < addresses->n; i++) {
        name_no address = addresses->claims[i].address;
        node_no node =
            first_claim(addresses, address) == i ? judge(addresses, i) : (node_no)NODE_NONE;
        if (node == NODE_NONE ||
            !map_add(&addresses->snapshot, hash_u64(address), addresses->n_answers))
            continue;
        addresses->answers[addresses->n_answers++] = (struct answer){address, node};
    }
    addresses->changed = false;
    addresses->renewed_ns = now_mono_ns;
}

node_no addresses_find(const struct addresses *addresses, struct str address)
{
    if (!addresses->n_answers)
        return NODE_NONE;
    name_no name = names_find(addresses->names, address);
    if (name == NAME_NONE || name == NAME_OTHER)
        return NODE_NONE;
    for (struct map_iter it = map_find(&addresses->snapshot, hash_u64(name));
         map_next(&addresses->snapshot, &it);) {
        if (addresses->answers[it.value].address == name)
            return addresses->answers[it.value].node;
    }
    return NODE_NONE;
}

/* ---- to the file ---- */

static bool is_unsaved(const struct claim *claim)
{
    return claim->node && (!claim->saved || claim->saved + SAVE_MINUTES <= claim->seen);
}

void addresses_hand_on(struct addresses *addresses, struct turn *turn)
{
    uint32_t n = 0;
    for (uint32_t i = 0; addresses->seen && i < addresses->n; i++)
        n += is_unsaved(&addresses->claims[i]);
    struct known_address *known = n ? arena_alloc(&turn->arena, n * sizeof(*known)) : NULL;
    addresses->seen = n && !known;
    if (!known)
        return;
    turn->known = known;
    for (uint32_t i = 0; i < addresses->n; i++) {
        struct claim *claim = &addresses->claims[i];
        if (!is_unsaved(claim))
            continue;
        const struct node *node = nodes_get(addresses->nodes, claim->node);
        claim->saved = claim->seen;
        turn->known[turn->n_known++] = (struct known_address){
            .address = names_text(addresses->names, claim->address),
            .cluster = names_text(addresses->names, node->cluster),
            .namespace = names_text(addresses->names, node->namespace),
            .service = names_text(addresses->names, claim->service),
            .version = names_text(addresses->names, node->version),
            .seen_minute = claim->seen,
        };
    }
}
