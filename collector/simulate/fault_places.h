/* fault_places.h - drawing where a fault strikes: among the places that fit, those that enough
 * requests pass, so that somebody notices.
 */
#ifndef SIMULATE_FAULT_PLACES_H
#define SIMULATE_FAULT_PLACES_H

#include "collector/simulate/faults.h"

struct fault_edge {
    uint16_t caller, callee, operation; /* services; the called operation */
};

/* Does a service, or a step between two, fit? */
typedef bool service_fits(const struct mesh *mesh, uint16_t service);
typedef bool edge_fits(const struct mesh *mesh, const struct fault_edge *edge,
                       const struct mesh_step *step);

/* MESH_NONE when none fits. */
uint16_t place_service(const struct mesh *mesh, struct draw *draw, service_fits *fits);
/* False when none fits. */
bool place_edge(const struct mesh *mesh, struct draw *draw, edge_fits *fits,
                struct fault_edge *edge);

/* Calls of a service that a request makes, on average; only those its callers cannot do without. */
double place_needed_reach(const struct mesh *mesh, uint16_t service);

/* Behind the entry, with a sidecar; that calls others; with five pods; with a version that waits.
 */
service_fits fits_inner, fits_caller, fits_five_pods, fits_canary;
/* That requests need: its failures reach users. */
service_fits fits_needed;
service_fits fits_database;
/* Between two sidecars; in one cluster; and needed, and not the way in; to a cache; on a miss. */
edge_fits fits_between, fits_in_cluster, fits_needed_between, fits_canary_to_cache, fits_on_miss;

#endif
