/* identity.h - who a span speaks for (STITCHING §1), and what kind of proxy it is. */
#ifndef DECODE_IDENTITY_H
#define DECODE_IDENTITY_H

#include "collector/decode/keys.h"

/* Istio's name for a proxy, `type~ip~pod.namespace~namespace.svc.domain`; all empty when it is
 * none. Points into the text. */
struct node_id {
    struct str type, ip, pod, namespace;
};
struct node_id node_id_parse(struct str text);

/* The workload of a pod: a Deployment's `cart-6b9f7c5d8-x2x7q`, a DaemonSet's or a Job's
 * `cart-x2x7q`, a StatefulSet's `cart-0`. */
struct str workload_of_pod(struct str pod);

/* Fills cluster, namespace, service, version, instance, zone and proxy of span->facts. */
void identity_of_span(struct span *span, const struct seen_keys *seen);

#endif
