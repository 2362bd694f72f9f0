/* node.c - nodes as numbers, in chunks that never move (see names.c for why readers need no lock).
 */
#include "collector/model/node.h"

#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/base/map.h"

#define CHUNK_BITS 10
#define CHUNK_SIZE (1u << CHUNK_BITS)

struct nodes {
    struct node **chunks;
    uint32_t n, max;
    struct map map;
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
    /* Room for the overflow node of every role beside the nodes that the limit allows. */
    nodes->max = max_nodes + 1 + N_ROLES;
    nodes->chunks = calloc((nodes->max >> CHUNK_BITS) + 1, sizeof(*nodes->chunks));
    map_init(&nodes->map);
    if (!nodes->chunks || !append(nodes, &(struct node){0})) {
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
    free(nodes);
}

const struct node *nodes_get(const struct nodes *nodes, node_no no)
{
    return &nodes->chunks[no >> CHUNK_BITS][no & (CHUNK_SIZE - 1)];
}

node_no nodes_add(struct nodes *nodes, const struct node *node)
{
    for (struct map_iter it = map_find(&nodes->map, node_hash(node)); map_next(&nodes->map, &it);) {
        if (node_eq(nodes_get(nodes, it.value), node))
            return it.value;
    }
    bool reserved =
        node->service == NAME_OTHER && !node->cluster && !node->namespace && !node->version;
    uint32_t room = reserved ? nodes->max : nodes->max - N_ROLES;
    if (nodes->n < room && append(nodes, node))
        return nodes->n - 1;
    if (reserved)
        return NODE_NONE;
    return nodes_add(nodes, &(struct node){.service = NAME_OTHER, .role = node->role});
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
