/* ends.c - the ends of the connections that an entry of a log, or a proxy's span, tells of: who may
 * be one pod, and who may have called whom (STITCHING §2, rules 5 and 6).
 *
 * A pod's address is its own, so two addresses that differ speak against a join, whatever else
 * fits. What is on the loopback says nothing of a host; there a port tells one proxy from another.
 */
#include "collector/base/hash.h"
#include "collector/stitch/logs.h"

/* 10.0.0.1:80, [fd00::1]:80, 10.0.0.1, fd00::1 */
static void cut_port(struct str address, struct str *host, struct str *port)
{
    size_t at = address.len;
    while (at && address.p[at - 1] != ':' && address.p[at - 1] != ']')
        at--;
    bool v6 = address.len && address.p[0] == '[';
    bool one = at && address.p[at - 1] == ':' && str_find(address, ':') == (ptrdiff_t)at - 1;
    *host = address;
    *port = STR_NONE;
    if (at > 1 && address.p[at - 1] == ':' && (one || v6)) {
        *host = (struct str){address.p, at - 1};
        *port = str_skip(address, at);
    }
    if (v6 && host->len > 1)
        *host = (struct str){host->p + 1, host->len - 2};
}

/* 0: not said. */
static uint64_t number_of(struct str text)
{
    return text.len ? hash_str(text) | 1 : 0;
}

static uint64_t host_number(struct str host)
{
    return address_is_loopback(host) ? 0 : number_of(host);
}

static struct log_end end_of(const struct record *record, struct str key, struct str *port)
{
    struct str text = span_text(record, key), host;
    cut_port(text, &host, port);
    return (struct log_end){.whole = number_of(text), .host = host_number(host)};
}

/* A client without a port is one that a header named: whose connection it was is not said. */
static struct log_end client_of(const struct record *record)
{
    struct str port;
    struct log_end client = end_of(record, STR("peer.address"), &port);
    bool own = port.len && !str_eq(port, STR("0"));
    return own ? client : (struct log_end){0};
}

static uint64_t own_host(struct stitch *stitch, const struct work_span *span,
                         const struct log_ends *ends)
{
    uint64_t said = host_number(names_text(stitch->names, span->shape->address));
    if (said || !is_log(span))
        return said;
    if (log_direction(stitch, span) == DIRECTION_INBOUND)
        return ends->local.host;
    bool own_client = is_out(span->shape); /* a sidecar's is its own application */
    return ends->near.host ? ends->near.host : own_client ? ends->client.host : 0;
}

bool log_ends_find(struct stitch *stitch)
{
    struct log_ends *all = arena_calloc(stitch->arena, stitch->n * sizeof(*all));
    stitch->ends = all;
    for (uint32_t i = 0; all && i < stitch->n; i++) {
        const struct work_span *span = &stitch->spans[i];
        struct str port;
        if (span->shape->proxy == PROXY_NONE)
            continue;
        all[i].far = end_of(span->record, STR("upstream_address"), &port);
        if (is_log(span)) {
            all[i].near = end_of(span->record, STR("upstream_local_address"), &port);
            all[i].local = end_of(span->record, STR("downstream_local_address"), &port);
            all[i].client = client_of(span->record);
        }
        all[i].own = own_host(stitch, span, &all[i]);
    }
    return all != NULL;
}

static bool differ(uint64_t a, uint64_t b)
{
    return a && b && a != b;
}

static bool same_instance(const struct work_span *a, const struct work_span *b)
{
    return a->shape->instance && a->shape->instance == b->shape->instance;
}

bool log_is_of_other_pod(const struct stitch *stitch, uint32_t a, uint32_t b)
{
    const struct work_span *near = &stitch->spans[a], *far = &stitch->spans[b];
    if (same_instance(near, far))
        return false;
    return differ(near->shape->instance, far->shape->instance) ||
           differ(stitch->ends[a].own, stitch->ends[b].own);
}

bool log_is_of_one_pod(const struct stitch *stitch, uint32_t a, uint32_t b)
{
    const struct work_span *near = &stitch->spans[a], *far = &stitch->spans[b];
    if (same_instance(near, far))
        return true;
    uint64_t host = stitch->ends[a].own;
    return host && host == stitch->ends[b].own && log_is_sender(stitch, near, far) &&
           !differ(near->shape->instance, far->shape->instance);
}

/* ---- who is known to be there ---- */

/* A pod's address, which is its name where it has no other, or that of its own application, which
 * asked the sidecar; on the loopback the pod itself. */
static node_no known_sender(const struct stitch *stitch, const struct work_span *entry)
{
    const struct knowledge *knowledge = stitch->knowledge;
    struct str own = names_text(stitch->names, entry->shape->node.service), port;
    if (str_eq(own, STR("envoy")) && is_out(entry->shape))
        cut_port(span_text(entry->record, STR("peer.address")), &own, &port);
    node_no known = address_is_loopback(own) ? NODE_NONE : knowledge->resolve(knowledge, own);
    struct str pod = names_text(stitch->names, entry->shape->instance);
    return known || !pod.len ? known : knowledge->resolve(knowledge, pod);
}

void logs_name_senders(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_visits && stitch->knowledge->resolve; i++) {
        struct visit *visit = &stitch->visits[i];
        const struct work_span *first = &stitch->spans[visit->first];
        bool nameless = is_of_envoy(first) && first->proxy == PROXY_SIDECAR &&
                        first->named_by == NAME_NONE && log_is_unnamed(stitch, first);
        node_no known = nameless ? known_sender(stitch, first) : NODE_NONE;
        if (known == NODE_NONE)
            continue;
        struct node said = visit->node;
        visit->node = *nodes_get(stitch->nodes, known);
        fill_node(&visit->node, &said);
    }
}

enum log_reach log_reaches(const struct stitch *stitch, uint32_t a, uint32_t b)
{
    const struct log_ends *above = &stitch->ends[a], *ends = &stitch->ends[b];
    if (above->near.whole && above->near.whole == ends->client.whole)
        return REACHES_BY_CONNECTION;
    if (same_instance(&stitch->spans[a], &stitch->spans[b]) ||
        differ(above->near.host ? above->near.host : above->own, ends->client.host))
        return REACHES_NOT;
    if (above->far.whole && above->far.whole == ends->local.whole)
        return above->far.host ? REACHES_ADDRESS : REACHES_PORT;
    return differ(above->far.whole, ends->local.whole) ? REACHES_OTHER : REACHES_MAYBE;
}
