/* query_service.h - one service from near, and what the files that tell of it share.
 *
 *   query_service.c   callers, callees, versions over time; the whole
 *   query_insides.c   its operations and instances
 */
#ifndef STORE_QUERY_SERVICE_H
#define STORE_QUERY_SERVICE_H

#include "collector/store/query_slices.h"

struct service {
    const struct service_question *question;
    struct graph_answer answer;
    uint32_t node; /* of the graph */
    struct steps steps;
    struct series *calls;   /* it got; with latency */
    struct series *began;   /* failures that began in it, and those it passed on */
    struct slices versions; /* its own; each with a series with latency */
};

/* ,"operations":[…],"instances":[…],"sampled":{…} */
int service_insides_json(struct service *service, struct buf *out, struct err *err);

#endif
