/* cluster_stat.h - statistics that an Envoy keeps of the clusters it sends to (formats: Envoy and
 * Istio, stats transports): what their names say, as Prometheus scrapes them and as Envoy's own
 * OTLP sink sends them, with stock Envoy's tags or Istio's. Pure.
 *
 *   envoy_cluster_upstream_rq{cluster_name="outbound|80||cart.shop.svc.cluster.local", …}
 *   envoy_cluster_shop_svc_cluster_local_upstream_rq{envoy_cluster_name="outbound|80||cart", …}
 *   cluster.shop.svc.cluster.local.upstream_rq {envoy.cluster_name: "outbound|80||cart", …}
 *
 * Stock Envoy's rules tear a cluster's name apart at its first dot; it is put together again.
 */
#ifndef MODEL_CLUSTER_STAT_H
#define MODEL_CLUSTER_STAT_H

#include "collector/base/str.h"

enum cluster_stat {
    CLUSTER_CALLS, /* by their answer's code */
    CLUSTER_RETRIES,
    /* in milliseconds */
    CLUSTER_TIMES, /* a histogram */
    CLUSTER_TIME_BUCKET,
    CLUSTER_TIME_SUM,
    CLUSTER_TIME_COUNT,
};

struct cluster_stat_name {
    enum cluster_stat stat;
    struct str rest; /* end of the cluster's name where that was torn apart, as it stands there */
    bool dotted;     /* as Envoy itself writes names */
};

/* False for all other names: also for the same requests once more, by where they came from
 * (external, internal, canary, zones), and for tries that were not the last (retry). */
bool cluster_stat_read(struct str text, struct cluster_stat_name *name);

/* What the attributes of a point say. */
enum cluster_label {
    CLUSTER_NAME,
    CLUSTER_CODE,
    /* Labels of the scraped pod: who keeps the statistics. The surest first. */
    CLUSTER_SERVICE,
    CLUSTER_NAMESPACE = CLUSTER_SERVICE + 3,
    CLUSTER_VERSION = CLUSTER_NAMESPACE + 2,
    N_CLUSTER_LABELS = CLUSTER_VERSION + 3
};

/* N_CLUSTER_LABELS for others. */
int cluster_label(struct str key);
/* Of the labels from `first` up to `end` the surest that is known, as Istio knows: `unknown` and
 * `latest` are not. */
struct str cluster_label_known(const struct str labels[N_CLUSTER_LABELS], int first, int end);

#define CLUSTER_NAME_BYTES 512u

/* The cluster's whole name, which lies in `text`. '' when there is none, or no room for it. */
struct str cluster_whole_name(const struct cluster_stat_name *name, struct str label,
                              char text[CLUSTER_NAME_BYTES]);

/* outbound|9080|v1|reviews.default.svc.cluster.local, or the form in server names:
 * outbound_.9080_.v1_.reviews.default.svc.cluster.local. False for other names. */
bool cluster_cut(struct str name, struct str *direction, struct str *subset, struct str *host);
/* PassthroughCluster and the like: says nothing of the callee. */
bool cluster_is_special(struct str name);
/* One of the mesh's own machinery, by the names that Istio and Envoy's examples give them. */
bool cluster_is_machinery(struct str name);
/* service.namespace.svc.domain: true and the two parts. */
bool cluster_host_cut(struct str host, struct str *service, struct str *namespace);

#endif
