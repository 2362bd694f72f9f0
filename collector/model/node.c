/* node.c - nodes as numbers, in chunks that never move (see names.c for why readers need no lock).
 * What is counted against the limit is the adding thread's alone.
 */
#include "collector/model/node.h"

#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/base/map.h"

#define CHUNK_BITS 10
#define CHUNK_SIZE (1u << CHUNK_BITS)

#define VERSIONS_A_SERVICE 4     /* on the average */
#define VERSIONS_OF_ONE_SHARE 10 /* of all versions */

/* (cluster, namespace, service) */
struct identity {
    name_no cluster, namespace, service;
    uint32_t n_versions;
    bool tells; /* of itself */
};

struct identity_version {
    uint32_t identity;
    name_no version;
};

struct nodes {
    struct node **chunks;
    uint32_t n, max;
    struct map map;
    uint32_t limit; /* of identities that tell, and of those told of; 0: none */
    struct identity *identities;
    uint32_t n_identities, cap_identities, n_tell;
    struct map identity_map;
    struct identity_version *versions;
    uint32_t n_versions, cap_versions;
    struct map version_map;
    struct nodes_overflow overflow;
};

static uint64_t node_hash(const struct node *node)
{
    uint64_t hash = hash_u128((uint64_t)node->cluster << 32 | node->namespace,
                              (uint64_t)node->service << 32 | node->version);
    return hash_mix(hash, node->role);
}

static bool node_eq(const struct node *a, const struct node *b)
{
    return a->service == b->service && a->namespace == b->namespace && a->cluster == b->cluster &&
           a->version == b->version && a->role == b->role;
}

static bool append(struct nodes *nodes, const struct node *node)
{
    uint32_t chunk = nodes->n >> CHUNK_BITS;
    if (!nodes->chunks[chunk])
        nodes->chunks[chunk] = malloc(CHUNK_SIZE * sizeof(struct node));
    if (!nodes->chunks[chunk] || !map_add(&nodes->map, node_hash(node), nodes->n))
        return false;
    nodes->chunks[chunk][nodes->n & (CHUNK_SIZE - 1)] = *node;
    nodes->n++;
    return true;
}

struct nodes *nodes_new(uint32_t max_nodes)
{
    struct nodes *nodes = calloc(1, sizeof(*nodes));
    if (!nodes)
        return NULL;
    /* Room for the overflow node of every role beside the nodes that are asked for. */
    nodes->max = max_nodes + 1 + N_ROLES;
    nodes->chunks = calloc((nodes->max >> CHUNK_BITS) + 1, sizeof(*nodes->chunks));
    map_init(&nodes->map);
    map_init(&nodes->identity_map);
    map_init(&nodes->version_map);
    const struct node other = {.service = NAME_OTHER, .role = ROLE_WORKLOAD};
    if (!nodes->chunks || !append(nodes, &(struct node){0}) || !append(nodes, &other)) {
        nodes_free(nodes);
        return NULL;
    }
    return nodes;
}

void nodes_free(struct nodes *nodes)
{
    if (!nodes)
        return;
    for (uint32_t i = 0; nodes->chunks && i <= nodes->max >> CHUNK_BITS; i++)
        free(nodes->chunks[i]);
    free(nodes->chunks);
    map_fini(&nodes->map);
    free(nodes->identities);
    map_fini(&nodes->identity_map);
    free(nodes->versions);
    map_fini(&nodes->version_map);
    free(nodes);
}

const struct node *nodes_get(const struct nodes *nodes, node_no no)
{
    return &nodes->chunks[no >> CHUNK_BITS][no & (CHUNK_SIZE - 1)];
}

/* ---- the limit ---- */

void nodes_limit(struct nodes *nodes, uint32_t services)
{
    nodes->limit = services;
}

/* With room for one more; NULL when memory is short. */
static void *roomy(void *things, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return things;
    uint32_t grown_cap = *cap ? 2 * *cap : 64;
    void *grown = realloc(things, grown_cap * size);
    if (grown)
        *cap = grown_cap;
    return grown;
}

static uint64_t identity_hash(const struct node *node)
{
    return hash_u128((uint64_t)node->cluster << 32 | node->namespace, node->service);
}

static struct identity *identity_find(struct nodes *nodes, const struct node *node)
{
    for (struct map_iter it = map_find(&nodes->identity_map, identity_hash(node));
         map_next(&nodes->identity_map, &it);) {
        struct identity *identity = &nodes->identities[it.value];
        if (identity->service == node->service && identity->namespace == node->namespace &&
            identity->cluster == node->cluster)
            return identity;
    }
    return NULL;
}

static struct identity *identity_add(struct nodes *nodes, const struct node *node)
{
    uint32_t no = nodes->n_identities;
    struct identity *identities =
        roomy(nodes->identities, no, &nodes->cap_identities, sizeof(*identities));
    if (!identities)
        return NULL;
    nodes->identities = identities;
    if (!map_add(&nodes->identity_map, identity_hash(node), no))
        return NULL;
    nodes->identities[no] = (struct identity){
        .cluster = node->cluster, .namespace = node->namespace, .service = node->service};
    nodes->n_identities++;
    return &nodes->identities[no];
}

/* One that was told of at first tells of itself: it leaves its place among those to another. */
static void identity_tells(struct nodes *nodes, struct identity *identity)
{
    if (identity->tells || nodes->n_tell >= nodes->limit)
        return;
    nodes->n_tell++;
    identity->tells = true;
}

static uint64_t version_hash(struct identity_version version)
{
    return hash_u64((uint64_t)version.identity << 32 | version.version);
}

static bool version_is_known(const struct nodes *nodes, struct identity_version version)
{
    for (struct map_iter it = map_find(&nodes->version_map, version_hash(version));
         map_next(&nodes->version_map, &it);) {
        if (nodes->versions[it.value].identity == version.identity &&
            nodes->versions[it.value].version == version.version)
            return true;
    }
    return false;
}

static bool version_add(struct nodes *nodes, struct identity *identity,
                        struct identity_version version)
{
    uint32_t no = nodes->n_versions;
    struct identity_version *versions =
        roomy(nodes->versions, no, &nodes->cap_versions, sizeof(*versions));
    if (!versions)
        return false;
    nodes->versions = versions;
    if (!map_add(&nodes->version_map, version_hash(version), no))
        return false;
    nodes->versions[no] = version;
    nodes->n_versions++;
    identity->n_versions++;
    return true;
}

static bool version_fits(const struct nodes *nodes, const struct identity *identity)
{
    uint64_t most = (uint64_t)nodes->limit * VERSIONS_A_SERVICE;
    return nodes->n_versions < most &&
           (uint64_t)identity->n_versions * VERSIONS_OF_ONE_SHARE < most;
}

/* Neither who has no name nor users are services. */
static bool is_counted(const struct nodes *nodes, const struct node *node)
{
    return nodes->limit && node->role != ROLE_USER &&
           (node->service || node->namespace || node->cluster);
}

static bool is_other(const struct node *node)
{
    return node->service == NAME_OTHER && !node->cluster && !node->namespace;
}

static struct node bound(struct nodes *nodes, const struct node *node, bool tells)
{
    struct node bounded = *node;
    const struct node other = {.service = NAME_OTHER, .role = node->role};
    if (!is_counted(nodes, node))
        return bounded;
    if (is_other(node))
        return other;
    struct identity *identity = identity_find(nodes, node);
    uint32_t n = tells ? nodes->n_tell : nodes->n_identities - nodes->n_tell;
    if (!identity && n < nodes->limit)
        identity = identity_add(nodes, node);
    if (!identity) {
        nodes->overflow.services++;
        return other;
    }
    if (tells)
        identity_tells(nodes, identity);
    struct identity_version version = {(uint32_t)(identity - nodes->identities), node->version};
    if (!node->version || version_is_known(nodes, version))
        return bounded;
    if (!version_fits(nodes, identity) || !version_add(nodes, identity, version)) {
        nodes->overflow.versions++;
        bounded.version = NAME_NONE;
    }
    return bounded;
}

struct node nodes_bound_own(struct nodes *nodes, const struct node *node)
{
    return bound(nodes, node, true);
}

void nodes_know(struct nodes *nodes, const struct node *node)
{
    if (!is_counted(nodes, node) || is_other(node))
        return;
    struct identity *identity = identity_find(nodes, node);
    if (!identity)
        identity = identity_add(nodes, node);
    if (!identity || !node->version)
        return;
    struct identity_version version = {(uint32_t)(identity - nodes->identities), node->version};
    if (!version_is_known(nodes, version))
        version_add(nodes, identity, version);
}

struct nodes_overflow nodes_overflowed(const struct nodes *nodes)
{
    return nodes->overflow;
}

/* ---- numbers ---- */

static node_no add_bounded(struct nodes *nodes, const struct node *node)
{
    bool reserved = is_other(node) && !node->version;
    uint32_t room = reserved ? nodes->max : nodes->max - (N_ROLES - 1);
    if (nodes->n < room && append(nodes, node))
        return nodes->n - 1;
    if (reserved)
        return NODE_NONE;
    nodes->overflow.services++;
    return nodes_add(nodes, &(struct node){.service = NAME_OTHER, .role = node->role});
}

/* What is not known yet; apart, so that what is known is found quickly. */
static __attribute__((noinline)) node_no add_new(struct nodes *nodes, const struct node *node)
{
    struct node bounded = bound(nodes, node, false);
    return node_eq(&bounded, node) ? add_bounded(nodes, &bounded) : nodes_add(nodes, &bounded);
}

node_no nodes_add(struct nodes *nodes, const struct node *node)
{
    for (struct map_iter it = map_find(&nodes->map, node_hash(node)); map_next(&nodes->map, &it);) {
        if (node_eq(nodes_get(nodes, it.value), node))
            return it.value;
    }
    return add_new(nodes, node);
}

uint32_t nodes_count(const struct nodes *nodes)
{
    return nodes->n;
}

void node_read_text(struct str text, struct str *cluster, struct str *namespace,
                    struct str *service)
{
    struct str *const parts[3] = {service, namespace, cluster};
    for (int i = 0; i < 3; i++) {
        size_t at = text.len;
        while (i < 2 && at > 0 && text.p[at - 1] != '/')
            at--;
        at = i < 2 ? at : 0;
        *parts[i] = str_skip(text, at);
        if (at == 0)
            return;
        text.len = at - 1;
    }
}
