/* stitch.h - from the spans of one trace to calls, hops and blame. A pure function (STITCHING): the
 * same set of spans gives the same graph, in whatever order they come.
 *
 * `names` and `nodes` are symbol tables: stitch() may add to them, which changes no answer.
 */
#ifndef STITCH_STITCH_H
#define STITCH_STITCH_H

#include "collector/base/arena.h"
#include "collector/model/graph.h"

struct cidr {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t bits;        /* of the 128 */
};
struct renaming {
    struct str from, to;
};
struct zone {
    struct cidr network;
    struct str name;
};

/* An immutable snapshot of what is known across traces. Set NULL or zero where there is nothing. */
struct knowledge {
    const struct str *gateways; /* stitch.gateways, stitch.sidecars: node patterns */
    size_t n_gateways;
    const struct str *sidecars;
    size_t n_sidecars;
    const struct cidr *inside; /* stitch.inside */
    size_t n_inside;
    const struct renaming *alias; /* stitch.alias */
    size_t n_alias;
    const struct zone *zones; /* stitch.zones */
    size_t n_zones;
    /* The workload at an address (no port), or NODE_NONE. May be NULL. */
    node_no (*resolve)(const struct knowledge *knowledge, struct str address);
    /* What a proxy that does not say it was learnt to be: PROXY_SIDECAR, PROXY_GATEWAY, or
     * PROXY_UNKNOWN. May be NULL. */
    uint8_t (*proxy_kind)(const struct knowledge *knowledge, const struct node *node);
    void *ctx;
};

/* Reads "10.0.0.0/8", "fc00::/7", or a single address. */
bool cidr_parse(struct str text, struct cidr *cidr);
/* Is this textual address within one of them? False for what is no address. */
bool cidr_contains(const struct cidr *cidrs, size_t n, struct str address);
/* A host's own: it tells nothing of who is where. */
bool address_is_loopback(struct str address);

/* What stitch.alias makes of a service's name; the zone of an address, '' when none is known. */
struct str knowledge_alias(const struct knowledge *knowledge, struct str service);
struct str knowledge_zone(const struct knowledge *knowledge, struct str address);

struct stitch; /* scratch memory, used again for every trace */

struct requests; /* stitch/requests.h */

struct stitch *stitch_new(struct names *names, struct nodes *nodes);
/* Where request ids were seen in other traces; borrowed, and told which of them a trace has calls
 * to. Without: traces are stitched alone. */
void stitch_set_requests(struct stitch *stitch, struct requests *requests);
/* With request ids: whose records come next. */
void stitch_name_trace(struct stitch *stitch, struct trace_id id);
void stitch_free(struct stitch *stitch);

/* Stitches `n` records into *graph, whose arrays are allocated from `arena`. Records with
 * `unstitched` set get class LEDGER_LOCAL, no calls. False when memory is short. Near linear in n.
 */
bool stitch_trace(struct stitch *stitch, const struct record *records, uint32_t n,
                  const struct knowledge *knowledge, struct arena *arena, struct graph *graph);

#endif
