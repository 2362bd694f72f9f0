/* node.h - who takes part in calls: (cluster, namespace, service, version, role), STITCHING §1.
 *
 * Nodes and shapes are interned like names: numbers, append-only, one thread adds, readers may read
 * what they were handed.
 */
#ifndef MODEL_NODE_H
#define MODEL_NODE_H

#include "collector/model/names.h"
#include "collector/model/words.h"

struct node {
    name_no cluster, namespace, service, version; /* NAME_NONE: unknown */
    uint8_t role;                                 /* enum role */
};

typedef uint32_t node_no;
#define NODE_NONE 0u  /* the node with nothing in it */
#define NODE_OTHER 1u /* the workload 'other': who is beyond a limit */
/* The service of whom nobody names, role external. */
#define NAMELESS_SERVICE "unknown"

struct nodes;
struct nodes *nodes_new(uint32_t max_nodes);
void nodes_free(struct nodes *nodes);
/* limit.services: so many (cluster, namespace, service) that tell of themselves, and as many that
 * only others tell of, so that peers leave no sender without its name. Four times as many versions,
 * of one service a tenth of them: one that calls every build or request a version leaves the others
 * theirs. Beyond: service NAME_OTHER with the same role; no version. 0: no limit, as at first. */
void nodes_limit(struct nodes *nodes, uint32_t services);
/* The node that stands for one whose own spans tell of it, within the limit. */
struct node nodes_bound_own(struct nodes *nodes, const struct node *node);
/* One that was stored is known whatever the limit: what was counted for it must be found again. */
void nodes_know(struct nodes *nodes, const struct node *node);
/* The number of this node, or of what stands for it within the limits. */
node_no nodes_add(struct nodes *nodes, const struct node *node);
const struct node *nodes_get(const struct nodes *nodes, node_no no);
uint32_t nodes_count(const struct nodes *nodes);
/* How often a limit was met. */
struct nodes_overflow {
    uint64_t services, versions;
};
struct nodes_overflow nodes_overflowed(const struct nodes *nodes);
/* service, namespace/service or cluster/namespace/service into its parts, borrowed from the text;
 * what it does not say stays as it is. */
void node_read_text(struct str text, struct str *cluster, struct str *namespace,
                    struct str *service);

/* What spans of one place in a program have in common: everything about a span that has few values.
 * A span row in the database names its shape. */
struct shape {
    struct node node; /* as the span itself says (role: workload, sidecar, gateway, waypoint,
                         load_balancer) */
    name_no instance, zone;
    name_no host, address;    /* whose clock it is; its own address. Follow from resource and
                                 instance */
    name_no operation;        /* span.operation; NAME_OTHER beyond limit.operations */
    name_no upstream_cluster; /* as it came */
    name_no peer, peer_namespace, peer_address, url_host, protocol;
    uint32_t resource; /* struct resource_text in shapes */
    uint8_t kind;      /* enum span_kind */
    uint8_t proxy;     /* enum proxy_kind */
    uint8_t peer_role; /* enum role */
    uint8_t security;  /* enum security */
    uint8_t format;    /* enum format */
    uint8_t message;   /* enum message_step */
    uint8_t log;       /* enum log_ids */
    bool database, messaging, peer_resolvable, mirrored, shared;
};

/* Resource attributes, rendered once: the inside of a JSON object, `"k":"v","k2":…`. */
struct resource_text {
    struct str json;
    uint32_t no;
};

/* Attributes that many spans share, rendered once: the inside of a JSON object. */
struct attr_set {
    struct str json; /* '' for the empty set, which is number 0 */
    uint32_t no;
};

#endif
