/* told_edge.h - what a counter of a proxy counts: calls of which edge, by whose word, and how
 * they ended. Made by the stitcher, which has the names; the store makes rates of it.
 */
#ifndef MODEL_TOLD_EDGE_H
#define MODEL_TOLD_EDGE_H

#include <stdbool.h>

#include "collector/model/node.h"

/* Who counts, the best witness first. Stored in the database. */
enum series_teller {
    TELLER_CALLEE,  /* the proxy before the callee, a waypoint too */
    TELLER_CALLER,  /* the proxy of the caller */
    TELLER_CLUSTER, /* statistics that an Envoy keeps of the clusters it sends to */
    N_SERIES_TELLERS
};

enum series_measure {
    SERIES_CALLS,
    SERIES_RETRIES,
    SERIES_DURATIONS, /* a histogram of them */
    SERIES_DURATION_SUM,
    SERIES_DURATION_BUCKET /* calls that took at most `ns` */
};

struct told_edge {
    node_no caller, callee;
    name_no protocol;
    uint8_t connection_type, crossing, security; /* enums of words.h */
    uint8_t teller, measure;
    uint8_t fault;  /* FAULT_NONE, _ORIGIN, _CLIENT_ERROR or _CLIENT_GONE */
    bool unreached; /* the caller's proxy answered: the callee never saw these calls */
    bool timeout;   /* the caller gave up */
    double ns;      /* of a bucket its upper bound, else the unit; INFINITY: without bound */
};

#endif
