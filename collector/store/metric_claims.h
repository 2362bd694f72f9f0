/* metric_claims.h - whom a metric series speaks of: the callee of an Envoy's cluster, else who is
 * named by its attributes or its resource. Pure.
 */
#ifndef STORE_METRIC_CLAIMS_H
#define STORE_METRIC_CLAIMS_H

#include "collector/base/arena.h"
#include "collector/store/query.h"

#define N_CLAIMED_NAMES 16

/* Texts of one JSON object that say who somebody is. */
struct claims {
    struct str names[N_CLAIMED_NAMES]; /* what bears the service's name, by what is surest */
    struct str pod, namespace, version, instance, cluster_name;
    bool idle;   /* time or space that nobody uses */
    bool failed; /* a status that is the service's own failure */
};

/* What is escaped is written anew in the arena. */
void claims_read(struct arena *arena, struct str text, struct claims *claims);

/* Of a resource, then of a series' attributes. */
bool claims_speak_of(const struct claims both[2], const struct metric_subject *subject);
struct str claims_instance(const struct claims both[2]);
/* Whoever it is; service '' for nobody. */
struct metric_service claims_service(const struct claims both[2]);

#endif
