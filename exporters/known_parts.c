/* known_parts.c - for each service and role the values of each part that were seen last, two at
 * most: with a second one it is not known which is meant. */
#include "exporters/known_parts.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/base/map.h"

enum { N_PARTS = 3 };

struct part {
    name_no value[2]; /* the newest first */
    uint32_t minute[2];
};

struct service_parts {
    name_no service;
    uint8_t role;
    struct part parts[N_PARTS];
};

struct known_parts {
    struct service_parts *services;
    uint32_t n, cap;
    struct map map;        /* service and role -> index */
    uint32_t *seen_minute; /* by node: when it was noted last */
    uint32_t n_seen;
};

struct known_parts *known_parts_new(void)
{
    struct known_parts *known = calloc(1, sizeof(*known));
    if (known)
        map_init(&known->map);
    return known;
}

void known_parts_free(struct known_parts *known)
{
    if (!known)
        return;
    map_fini(&known->map);
    free(known->services);
    free(known->seen_minute);
    free(known);
}

static uint64_t hash_of(const struct node *node)
{
    return hash_u64((uint64_t)node->service << 8 | node->role);
}

static struct service_parts *find(const struct known_parts *known, const struct node *node)
{
    for (struct map_iter it = map_find(&known->map, hash_of(node)); map_next(&known->map, &it);) {
        struct service_parts *service = &known->services[it.value];
        if (service->service == node->service && service->role == node->role)
            return service;
    }
    return NULL;
}

static struct service_parts *add(struct known_parts *known, const struct node *node)
{
    if (known->n == known->cap) {
        uint32_t cap = known->cap ? 2 * known->cap : 64;
        struct service_parts *grown = realloc(known->services, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        known->services = grown;
        known->cap = cap;
    }
    if (!map_add(&known->map, hash_of(node), known->n))
        return NULL;
    struct service_parts *service = &known->services[known->n++];
    *service = (struct service_parts){.service = node->service, .role = node->role};
    return service;
}

static bool noted(struct known_parts *known, node_no no, uint32_t minute)
{
    if (no >= known->n_seen) {
        uint32_t n = known->n_seen ? known->n_seen : 256;
        while (n <= no)
            n *= 2;
        uint32_t *grown = realloc(known->seen_minute, n * sizeof(*grown));
        if (!grown)
            return true;
        memset(grown + known->n_seen, 0, (n - known->n_seen) * sizeof(*grown));
        known->seen_minute = grown;
        known->n_seen = n;
    }
    bool was = known->seen_minute[no] == minute;
    known->seen_minute[no] = minute;
    return was;
}

static void note(struct part *part, name_no value, uint32_t minute)
{
    if (!value)
        return;
    if (part->value[0] != value) {
        part->value[1] = part->value[0];
        part->minute[1] = part->minute[0];
        part->value[0] = value;
    }
    part->minute[0] = minute;
}

static void parts_of(const struct node *node, name_no parts[N_PARTS])
{
    parts[0] = node->cluster;
    parts[1] = node->namespace;
    parts[2] = node->version;
}

void known_parts_see(struct known_parts *known, const struct nodes *nodes, node_no no,
                     uint32_t minute)
{
    const struct node *node = nodes_get(nodes, no);
    name_no parts[N_PARTS];
    parts_of(node, parts);
    if (noted(known, no, minute) || !(parts[0] | parts[1] | parts[2]))
        return;
    struct service_parts *service = find(known, node);
    service = service ? service : add(known, node);
    for (int i = 0; service && i < N_PARTS; i++)
        note(&service->parts[i], parts[i], minute);
}

static name_no only(const struct part *part, uint32_t minute)
{
    bool first = part->value[0] && part->minute[0] + 1 >= minute,
         second = part->value[1] && part->minute[1] + 1 >= minute;
    return first && !second ? part->value[0] : NAME_NONE;
}

bool known_parts_fill(const struct known_parts *known, const struct node *node, uint32_t minute,
                      struct node *filled)
{
    *filled = *node;
    if (node->cluster && node->namespace && node->version)
        return false;
    const struct service_parts *service = find(known, node);
    if (!service)
        return false;
    filled->cluster = node->cluster ? node->cluster : only(&service->parts[0], minute);
    filled->namespace = node->namespace ? node->namespace : only(&service->parts[1], minute);
    filled->version = node->version ? node->version : only(&service->parts[2], minute);
    return filled->cluster != node->cluster || filled->namespace != node->namespace ||
           filled->version != node->version;
}
