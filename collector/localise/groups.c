/* groups.c - nodes of one service, or of one version of it, are one; what one node does not know of
 * itself (its namespace, its cluster) another may.
 */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/base/order.h"
#include "collector/localise/work.h"

static bool same_role_class(uint8_t a, uint8_t b)
{
    bool a_workload = a == ROLE_WORKLOAD || a == ROLE_SIDECAR;
    bool b_workload = b == ROLE_WORKLOAD || b == ROLE_SIDECAR;
    return a == b || (a_workload && b_workload);
}

static bool fits(name_no a, name_no b)
{
    return a == b || a == NAME_NONE || b == NAME_NONE;
}

/* Exactly one group that fits takes a node with unknowns; else it is a group of its own. */
static uint32_t find_group(const struct groups *groups, const struct node *node, bool by_version,
                           bool exact)
{
    uint32_t found = NO_GROUP;
    for (uint32_t i = 0; i < groups->n; i++) {
        const struct node *other = &groups->items[i].node;
        if (other->service != node->service || !same_role_class(other->role, node->role))
            continue;
        bool same =
            exact ? other->cluster == node->cluster && other->namespace == node->namespace
                  : fits(other->cluster, node->cluster) && fits(other->namespace, node->namespace);
        bool version = !by_version || other->version == node->version;
        if (!same || !version)
            continue;
        if (found != NO_GROUP)
            return NO_GROUP;
        found = i;
    }
    return found;
}

static void mark_used(const struct rollup *rollup, bool *used)
{
    for (uint32_t i = 0; i < rollup->n; i++) {
        used[rollup->items[i].key.node] = true;
        used[rollup->items[i].key.peer] = true;
    }
}

static uint32_t n_unknown(const struct node *node)
{
    return !node->cluster + !node->namespace;
}

/* The group of those of a service whose version is not known; NO_GROUP without. */
static uint32_t unversioned(const struct groups *groups, uint32_t service)
{
    for (uint32_t i = 0; i < groups->n; i++) {
        if (groups->items[i].service == service && !groups->items[i].node.version)
            return i;
    }
    return NO_GROUP;
}

/* A failure that seems to be inside of a service is its call's where one callee is all that its
 * name leads to: that one; else NO_GROUP. */
static uint32_t failed_callee(const struct work *work, const struct tally_key *key)
{
    uint32_t service = work->services.of_node[key->node];
    return key->channel == TALLY_ORIGIN && key->peer == NODE_NONE && service != NO_GROUP
               ? leads_to(work, service, key->name)
               : NO_GROUP;
}

/* Nobody knows which version did not answer. */
static void add_unversioned(const struct work *work, struct groups *groups, uint32_t service)
{
    if (service != NO_GROUP && unversioned(groups, service) == NO_GROUP)
        groups->items[groups->n++] = work->services.items[service];
}

static void add_unanswering(const struct work *work, struct groups *groups)
{
    const struct rollup *rollups[] = {work->input->normal, work->input->now};
    for (uint32_t caller = 0; caller < work->services.n; caller++)
        add_unversioned(work, groups, work->callee_of_nameless[caller]);
    for (int t = 0; t < 2; t++) {
        for (uint32_t i = 0; i < rollups[t]->n; i++)
            add_unversioned(work, groups, failed_callee(work, &rollups[t]->items[i].key));
    }
}

bool groups_make(struct work *work, bool by_version, struct groups *groups)
{
    const struct nodes *nodes = work->input->nodes;
    uint32_t n_nodes = nodes_count(nodes);
    bool *used = arena_calloc(work->arena, n_nodes + 1);
    groups->n = 0;
    groups->items =
        arena_alloc(work->arena, (n_nodes + 2 * work->services.n + 1) * sizeof(*groups->items));
    groups->of_node = arena_alloc(work->arena, (n_nodes + 1) * sizeof(uint32_t));
    if (!used || !groups->items || !groups->of_node)
        return false;
    mark_used(work->input->normal, used);
    mark_used(work->input->now, used);
    memset(groups->of_node, 0xff, (n_nodes + 1) * sizeof(uint32_t));
    /* The best known first, so that those who know less find them. */
    for (uint32_t unknown = 0; unknown <= 2; unknown++) {
        for (node_no no = 1; no < n_nodes; no++) {
            struct node node = *nodes_get(nodes, no);
            if (!used[no] || n_unknown(&node) != unknown)
                continue;
            uint32_t group = find_group(groups, &node, by_version, true);
            if (group == NO_GROUP && unknown)
                group = find_group(groups, &node, by_version, false);
            if (group == NO_GROUP) {
                group = groups->n++;
                groups->items[group] = (struct group){.node = node, .service = group};
                if (!by_version)
                    groups->items[group].node.version = NAME_NONE;
            }
            groups->of_node[no] = group;
            if (by_version)
                groups->items[group].service = work->services.of_node[no];
        }
    }
    if (by_version)
        add_unanswering(work, groups);
    for (uint32_t i = 0; by_version && i < work->services.n; i++)
        groups->items[groups->n + i] = work->services.items[i];
    return true;
}

uint32_t any_version(const struct work *work, uint32_t service)
{
    return work->level == &work->versions ? work->versions.n + service : service;
}

static uint32_t group_or_none(const struct groups *groups, node_no node)
{
    uint32_t group = groups->of_node[node];
    return group == NO_GROUP ? 0 : group + 1;
}

/* By service: do spans tell of its visits? Else no call to it is answered. */
static void mark_reporting(const struct work *work, const struct rollup *rollup, bool *reports)
{
    for (uint32_t i = 0; i < rollup->n; i++) {
        const struct tally_key *key = &rollup->items[i].key;
        uint32_t service = work->services.of_node[key->node];
        if (key->channel == TALLY_SELF && service != NO_GROUP)
            reports[service] = true;
    }
}

/* Do visits tell for what they made their last call? Those of an older file do not. */
static bool are_last_calls_told(const struct rollup *rollup)
{
    int64_t n[2] = {0, 0};
    for (uint32_t i = 0; i < rollup->n; i++) {
        const struct tally *tally = &rollup->items[i];
        if (tally->key.channel == TALLY_FLOW && tally->key.what == FLOW_CALL)
            n[tally->key.detail != NAME_NONE] += tally->n;
    }
    return n[1] >= n[0];
}

/* What differs between senders, or files, is no difference between two times. */
static void level_key(const bool *reports, bool last_told, uint32_t callee, struct tally_key *key)
{
    bool unanswered = (key->channel == TALLY_GAP && key->what == GAP_UNANSWERED) ||
                      (key->channel == TALLY_CALL && key->what == CALL_UNANSWERED);
    if (unanswered && (callee == NO_GROUP || !reports[callee]))
        key->what = 0;
    if (key->channel == TALLY_FLOW && !last_told)
        key->detail = NAME_NONE;
}

/* Keys of the merged bag have groups + 1 in the place of nodes, so that 0 stays "nobody". */
static bool merge(const struct work *work, struct pairs *pairs, const struct groups *groups,
                  uint32_t time, const bool *reports, bool last_told)
{
    const struct rollup *from = time ? work->input->now : work->input->normal;
    for (uint32_t i = 0; i < from->n; i++) {
        const struct tally *tally = &from->items[i];
        struct tally_key key = tally->key;
        uint32_t named = nameless_callee(work, &key), failed = failed_callee(work, &key);
        level_key(reports, last_told, named == NO_GROUP ? work->services.of_node[key.peer] : named,
                  &key);
        key.node = group_or_none(groups, key.node);
        key.peer = group_or_none(groups, key.peer);
        if (failed != NO_GROUP) {
            key.peer = key.node;
            key.what = key.what == ORIGIN_THROWN ? ORIGIN_THROWN_AT_CALL : ORIGIN_LEFT;
        }
        uint32_t callee = failed != NO_GROUP ? failed : named;
        if (callee != NO_GROUP)
            *(key.channel == TALLY_ORIGIN ? &key.node : &key.peer) =
                1 + (groups == &work->services ? callee : unversioned(groups, callee));
        struct tally *into = rollup_tally(&pairs->merged, &key, time);
        if (!into || !tally_merge(into, tally))
            return false;
    }
    return true;
}

static uint64_t hash_of(const struct tally_key *key)
{
    uint64_t hash =
        hash_u128((uint64_t)key->node << 32 | key->peer, (uint64_t)key->name << 32 | key->detail);
    return hash_mix(hash, (uint64_t)key->channel << 8 | key->what);
}

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Of keys, with which pairs begin. */
static int by_node(const void *a, const void *b)
{
    const struct tally_key *x = a, *y = b;
    return compare((uint64_t)x->channel << 32 | x->node, (uint64_t)y->channel << 32 | y->node);
}

static int by_key(const void *a, const void *b)
{
    const struct tally_key *x = a, *y = b;
    int order = by_node(a, b);
    order = order ? order
                  : compare((uint64_t)x->peer << 32 | x->name, (uint64_t)y->peer << 32 | y->name);
    return order
               ? order
               : compare((uint64_t)x->what << 32 | x->detail, (uint64_t)y->what << 32 | y->detail);
}

/* Two of one key, of the two times, become one. */
static void unite(struct pairs *pairs)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < pairs->n; i++) {
        struct pair *last = kept ? &pairs->items[kept - 1] : NULL;
        if (last && tally_key_eq(&last->key, &pairs->items[i].key)) {
            int time = pairs->items[i].t[1].key.what == 1; /* see pairs_make() */
            last->t[time] = pairs->items[i].t[time];
        } else {
            pairs->items[kept++] = pairs->items[i];
        }
    }
    pairs->n = kept;
}

bool pairs_make(struct work *work, const struct groups *groups, struct pairs *pairs)
{
    rollup_init(&pairs->merged, UINT32_MAX);
    map_init(&pairs->map);
    bool *reports = arena_calloc(work->arena, work->services.n + 1);
    if (!reports)
        return false;
    mark_reporting(work, work->input->normal, reports);
    mark_reporting(work, work->input->now, reports);
    bool last_told =
        are_last_calls_told(work->input->normal) && are_last_calls_told(work->input->now);
    if (!merge(work, pairs, groups, 0, reports, last_told) ||
        !merge(work, pairs, groups, 1, reports, last_told))
        return false;
    pairs->items = arena_alloc(work->arena, (pairs->merged.n + 1) * sizeof(*pairs->items));
    pairs->n = pairs->merged.n;
    for (uint32_t i = 0; pairs->items && i < pairs->n; i++) {
        const struct tally *tally = &pairs->merged.items[i];
        struct pair *pair = &pairs->items[i];
        *pair = (struct pair){.key = tally->key};
        pair->key.node = tally->key.node ? tally->key.node - 1 : NO_GROUP;
        pair->key.peer = tally->key.peer ? tally->key.peer - 1 : NO_GROUP;
        pair->t[tally->step] = *tally;              /* borrows the histogram */
        pair->t[1].key.what = (uint8_t)tally->step; /* which of the two it is, for unite() */
    }
    if (!pairs->items)
        return false;
    qsort(pairs->items, pairs->n, sizeof(*pairs->items), by_key);
    unite(pairs);
    for (uint32_t i = 0; i < pairs->n; i++) {
        if (!map_add(&pairs->map, hash_of(&pairs->items[i].key), i))
            return false;
    }
    return true;
}

bool pairs_any(const struct pairs *pairs, unsigned channel, uint32_t node)
{
    uint32_t from, to;
    pairs_range(pairs, channel, node, &from, &to);
    return from < to;
}

void pairs_range(const struct pairs *pairs, unsigned channel, uint32_t node, uint32_t *from,
                 uint32_t *to)
{
    const struct tally_key wanted = {.channel = (uint8_t)channel, .node = node};
    *from = *to = first_not_before(pairs->items, pairs->n, sizeof(*pairs->items), &wanted, by_node);
    while (*to < pairs->n && pairs->items[*to].key.channel == channel &&
           pairs->items[*to].key.node == node)
        ++*to;
}

const struct pair *pairs_find(const struct pairs *pairs, const struct tally_key *key)
{
    for (struct map_iter it = map_find(&pairs->map, hash_of(key)); map_next(&pairs->map, &it);) {
        if (tally_key_eq(&pairs->items[it.value].key, key))
            return &pairs->items[it.value];
    }
    return NULL;
}

static struct tally_key sibling_key(const struct tally_key *instance)
{
    struct tally_key key = *instance;
    key.name = NAME_NONE;
    return key;
}

bool siblings_make(struct work *work)
{
    rollup_init(&work->siblings, UINT32_MAX);
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel != TALLY_INSTANCE && pair->key.channel != TALLY_GAP_INSTANCE)
            continue;
        struct tally_key key = sibling_key(&pair->key);
        struct tally *sum = rollup_tally(&work->siblings, &key, 0);
        if (!sum || !tally_merge(sum, &pair->t[0]))
            return false;
    }
    return true;
}

const struct tally *siblings_normal(struct work *work, const struct tally_key *instance)
{
    struct tally_key key = sibling_key(instance);
    return rollup_tally(&work->siblings, &key, 0);
}

void pairs_free(struct pairs *pairs)
{
    rollup_fini(&pairs->merged);
    map_fini(&pairs->map);
}

struct str name_text(const struct work *work, name_no name)
{
    return names_text(work->input->names, name);
}

struct node_text group_text(const struct work *work, const struct groups *groups, uint32_t group)
{
    if (group == NO_GROUP)
        return (struct node_text){0};
    const struct node *node = &groups->items[group].node;
    return (struct node_text){name_text(work, node->cluster), name_text(work, node->namespace),
                              name_text(work, node->service), name_text(work, node->version),
                              str_of(role_word(node->role))};
}
