/* proxies.c - what was seen of each proxy that does not say what it is: when it last served its own
 * application, when others, and one of those. */
#include "collector/stitch/proxies.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/stitch/work.h"

#define MAX_PROXIES 16384u
#define RENEW_NS NS_PER_MINUTE
#define RIVAL_MINUTES 60u
#define SAVE_MINUTES 10u /* the file's times may lag so far behind */

struct proxy {
    node_no node;                          /* as a workload, without version */
    uint32_t itself_minute, others_minute; /* 0: never */
    name_no other;
    uint8_t kind; /* in the snapshot */
    bool unsaved;
};

struct proxies {
    struct names *names;
    struct nodes *nodes;
    struct proxy *proxies;
    uint32_t n, cap;
    struct map map;      /* service -> proxy */
    uint64_t renewed_ns; /* 0: never, but for what the file held */
    bool changed;        /* since the snapshot */
    bool unsaved;        /* one of them is */
};

struct proxies *proxies_new(struct names *names, struct nodes *nodes)
{
    struct proxies *proxies = calloc(1, sizeof(*proxies));
    if (!proxies)
        return NULL;
    proxies->names = names;
    proxies->nodes = nodes;
    map_init(&proxies->map);
    return proxies;
}

void proxies_free(struct proxies *proxies)
{
    if (!proxies)
        return;
    map_fini(&proxies->map);
    free(proxies->proxies);
    free(proxies);
}

static struct proxy *proxy_of(struct proxies *proxies, node_no no)
{
    uint64_t hash = hash_u64(nodes_get(proxies->nodes, no)->service);
    for (struct map_iter it = map_find(&proxies->map, hash); map_next(&proxies->map, &it);) {
        if (proxies->proxies[it.value].node == no)
            return &proxies->proxies[it.value];
    }
    if (proxies->n == MAX_PROXIES)
        return NULL;
    if (proxies->n == proxies->cap) {
        uint32_t cap = proxies->cap ? 2 * proxies->cap : 64;
        struct proxy *grown = realloc(proxies->proxies, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        proxies->proxies = grown;
        proxies->cap = cap;
    }
    if (!map_add(&proxies->map, hash, proxies->n))
        return NULL;
    struct proxy *proxy = &proxies->proxies[proxies->n++];
    *proxy = (struct proxy){.node = no, .kind = PROXY_UNKNOWN};
    return proxy;
}

bool proxies_know(struct proxies *proxies, const struct known_proxy *known)
{
    struct node node = {.cluster = names_add(proxies->names, known->cluster),
                        .namespace = names_add(proxies->names, known->namespace),
                        .service = names_add(proxies->names, known->service),
                        .role = ROLE_WORKLOAD};
    struct proxy *proxy = proxy_of(proxies, nodes_add(proxies->nodes, &node));
    if (!proxy)
        return false;
    proxy->itself_minute = known->itself_minute;
    proxy->others_minute = known->others_minute;
    proxy->other = names_add(proxies->names, known->other);
    proxies->changed = true;
    return true;
}

/* A time that moves by a minute changes nothing in the file; the first and one much later do. */
static void see(struct proxies *proxies, struct proxy *proxy, uint32_t *seen, uint32_t minute)
{
    if (*seen >= minute)
        return;
    proxies->changed = true;
    if (!*seen || minute / SAVE_MINUTES != *seen / SAVE_MINUTES)
        proxies->unsaved = proxy->unsaved = true;
    *seen = minute;
}

void proxies_see(struct proxies *proxies, const struct graph *graph, uint32_t minute)
{
    for (uint32_t i = 0; i < graph->n_served; i++) {
        const struct served *served = &graph->served[i];
        struct proxy *proxy = proxy_of(proxies, served->proxy);
        if (!proxy)
            continue;
        bool itself = nodes_get(proxies->nodes, served->proxy)->service == served->name;
        if (!itself)
            proxy->other = served->name;
        see(proxies, proxy, itself ? &proxy->itself_minute : &proxy->others_minute, minute);
    }
}

static uint8_t judge(const struct proxy *proxy)
{
    bool own = proxy->itself_minute && proxy->itself_minute + RIVAL_MINUTES >= proxy->others_minute;
    return own ? PROXY_SIDECAR : proxy->others_minute ? PROXY_GATEWAY : PROXY_UNKNOWN;
}

void proxies_renew(struct proxies *proxies, uint64_t now_mono_ns)
{
    if (!proxies->changed || (proxies->renewed_ns && now_mono_ns < proxies->renewed_ns + RENEW_NS))
        return;
    for (uint32_t i = 0; i < proxies->n; i++)
        proxies->proxies[i].kind = judge(&proxies->proxies[i]);
    proxies->changed = false;
    proxies->renewed_ns = now_mono_ns;
}

/* Of several that may be meant, for some do not say where they are, a sidecar is the safer guess.
 */
uint8_t proxies_kind(const struct proxies *proxies, const struct node *node)
{
    uint8_t kind = PROXY_UNKNOWN;
    if (!proxies->n)
        return kind;
    for (struct map_iter it = map_find(&proxies->map, hash_u64(node->service));
         map_next(&proxies->map, &it) && kind != PROXY_SIDECAR;) {
        const struct proxy *proxy = &proxies->proxies[it.value];
        if (proxy->kind != PROXY_UNKNOWN &&
            same_workload(nodes_get(proxies->nodes, proxy->node), node))
            kind = proxy->kind;
    }
    return kind;
}

void proxies_hand_on(struct proxies *proxies, struct turn *turn)
{
    uint32_t n = 0;
    for (uint32_t i = 0; proxies->unsaved && i < proxies->n; i++)
        n += proxies->proxies[i].unsaved;
    struct known_proxy *known = n ? arena_alloc(&turn->arena, n * sizeof(*known)) : NULL;
    proxies->unsaved = n && !known;
    if (!known)
        return;
    turn->known_proxies = known;
    for (uint32_t i = 0; i < proxies->n; i++) {
        struct proxy *proxy = &proxies->proxies[i];
        if (!proxy->unsaved)
            continue;
        const struct node *node = nodes_get(proxies->nodes, proxy->node);
        proxy->unsaved = false;
        known[turn->n_known_proxies++] =
            (struct known_proxy){.cluster = names_text(proxies->names, node->cluster),
                                 .namespace = names_text(proxies->names, node->namespace),
                                 .service = names_text(proxies->names, node->service),
                                 .other = names_text(proxies->names, proxy->other),
                                 .itself_minute = proxy->itself_minute,
                                 .others_minute = proxy->others_minute};
    }
}
