/* upstream.c - names of Envoy's clusters: Istio's say direction, port, subset and host; others are
 * a name and no more.
 */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/model/cluster_stat.h"
#include "collector/stitch/work.h"

bool cluster_host(struct stitch *stitch, struct str host, name_no *service, name_no *namespace)
{
    struct str first, second;
    if (!cluster_host_cut(host, &first, &second))
        return false;
    *service = names_add(stitch->names, first);
    *namespace = names_add(stitch->names, second);
    return true;
}

static bool is_bare_name(struct str host)
{
    return str_find(host, '.') < 0 && str_find(host, ':') < 0 && str_find(host, '|') < 0 &&
           !address_is_loopback(host);
}

static void parse_cluster(struct stitch *stitch, struct str text, struct upstream *upstream)
{
    struct str direction = STR_NONE, subset = STR_NONE, host = text;
    bool istio = cluster_cut(text, &direction, &subset, &host);
    /* inbound-vip|… is a waypoint's way to what it stands before: outbound from where it stands. */
    if (str_eq(direction, STR("inbound")))
        upstream->direction = DIRECTION_INBOUND;
    else if (str_eq(direction, STR("outbound")) || str_eq(direction, STR("inbound-vip")))
        upstream->direction = DIRECTION_OUTBOUND;
    upstream->special = cluster_is_special(text);
    if (upstream->special)
        upstream->direction =
            str_starts(text, STR("Inbound")) ? DIRECTION_INBOUND : DIRECTION_OUTBOUND;
    if (!host.len || upstream->special)
        return;
    if (str_starts(direction, STR("outbound")))
        upstream->subset = names_add(stitch->names, subset);
    upstream->host = names_add(stitch->names, host);
    upstream->service = upstream->host;
    bool in_cluster = cluster_host(stitch, host, &upstream->service, &upstream->namespace);
    upstream->kubernetes = istio && in_cluster;
    upstream->of_one = in_cluster || is_bare_name(host);
}

const struct upstream *upstream_parse(struct stitch *stitch, name_no name)
{
    static const struct upstream none;
    if (name == NAME_NONE)
        return &none;
    uint64_t hash = hash_u64(name);
    for (struct map_iter it = map_find(&stitch->upstream_map, hash);
         map_next(&stitch->upstream_map, &it);) {
        if (stitch->upstreams[it.value].name == name)
            return &stitch->upstreams[it.value];
    }
    if (stitch->n_upstreams == stitch->cap_upstreams) {
        uint32_t cap = stitch->cap_upstreams ? 2 * stitch->cap_upstreams : 64;
        struct upstream *grown = realloc(stitch->upstreams, cap * sizeof(*grown));
        if (!grown)
            return &none;
        stitch->upstreams = grown;
        stitch->cap_upstreams = cap;
    }
    struct upstream *upstream = &stitch->upstreams[stitch->n_upstreams];
    *upstream = (struct upstream){.name = name};
    parse_cluster(stitch, names_text(stitch->names, name), upstream);
    if (!map_add(&stitch->upstream_map, hash, stitch->n_upstreams))
        return &none;
    stitch->n_upstreams++;
    return upstream;
}

const struct upstream *upstream_of_host(struct stitch *stitch, name_no host)
{
    struct str text = names_text(stitch->names, host);
    bool one = is_bare_name(text) || str_contains(text, STR(".svc"));
    return upstream_parse(stitch, one ? host : NAME_NONE);
}
