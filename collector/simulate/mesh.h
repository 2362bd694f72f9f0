/* mesh.h - who is there and who calls whom: services with their versions and pods, operations with
 * their steps, and the requests that come from outside. Built once, then only read.
 */
#ifndef SIMULATE_MESH_H
#define SIMULATE_MESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/base/err.h"

#define MESH_SERVICES 512
#define MESH_OPERATIONS 2048
#define MESH_STEPS 8192
#define MESH_PODS 4096
#define MESH_ENTRIES 64
#define MESH_VERSIONS 2
#define MESH_NONE UINT16_MAX

enum mesh_place {
    PLACE_WORKLOAD,
    PLACE_GATEWAY, /* a proxy alone; where requests come in */
    PLACE_CACHE,   /* these four send no spans of their own */
    PLACE_DATABASE,
    PLACE_QUEUE,
    PLACE_EXTERNAL
};

enum mesh_protocol { PROTOCOL_HTTP, PROTOCOL_GRPC, PROTOCOL_REDIS, PROTOCOL_SQL, PROTOCOL_KAFKA };

struct mesh_version {
    const char *name; /* '' where there are no versions */
    double share;     /* of the service's traffic in quiet times; 0: not deployed yet */
    uint16_t first_pod, n_pods;
};

struct mesh_service {
    char name[40], namespace[24];
    const char *cluster;
    const char *language; /* of its SDK */
    uint8_t place;        /* enum mesh_place */
    bool sidecar;
    bool proxied; /* callers' sidecars see requests here, not just bytes: HTTP and gRPC */
    uint16_t port;
    uint16_t n_versions;
    struct mesh_version versions[MESH_VERSIONS];
};

struct mesh_pod {
    uint16_t service, version;
    char name[72], ip[16];
    const char *zone;
    uint8_t side;  /* 0 or 1: which of its cluster's two zones */
    uint16_t host; /* number of the machine: pods of one share its clock */
};

struct mesh_operation {
    uint16_t service;
    uint8_t protocol; /* enum mesh_protocol */
    char name[48];    /* GET /p/{id}, shop.Cart/GetCart, HGETALL, SELECT stock */
    double self_ns;   /* median of its own time */
    double spread;    /* of that time */
    double errors;    /* share of calls that fail by themselves in quiet times */
    double not_found; /* share that is answered 404 */
    uint16_t step, n_steps;
    uint16_t consumer; /* of a queue: the operation that takes what was sent; else MESH_NONE */
};

enum mesh_step_flag {
    STEP_NEEDED = 1,  /* without it the caller fails; else it goes on */
    STEP_ON_MISS = 2, /* only when the cache did not have it */
    STEP_TURNS = 4,   /* out by the gateway and back in */
    STEP_PLAIN = 8    /* clear text */
};

struct mesh_step {
    uint16_t operation; /* called */
    uint8_t stage;      /* steps of one stage go out together, stages follow each other */
    uint8_t flags;      /* enum mesh_step_flag */
    uint8_t retries;
    double share;        /* of the caller's calls that do it */
    uint64_t timeout_ns; /* 0: none */
};

struct mesh_entry {
    uint16_t operation;
    double weight; /* share of requests; they add up to 1 */
};

struct mesh {
    const char *name, *host; /* the host users type */
    uint16_t gateway;        /* service by which requests come in */
    uint16_t n_services, n_operations, n_steps, n_pods, n_entries;
    struct mesh_service services[MESH_SERVICES];
    struct mesh_operation operations[MESH_OPERATIONS];
    struct mesh_step steps[MESH_STEPS];
    struct mesh_pod pods[MESH_PODS];
    struct mesh_entry entries[MESH_ENTRIES];
    double reach[MESH_OPERATIONS]; /* calls of each operation that a request makes, on average */
};

/* "shop", or a number from 3 to 400: a mesh made of that many services. ERR_INVALID names what
 * exists. */
int mesh_open(const char *name, struct mesh **mesh, struct err *err);
void mesh_close(struct mesh *mesh);

/* ---- for those who describe one ---- */

/* Gives the service's number; its first version gets `n_pods` pods and all of the traffic. */
uint16_t mesh_add_service(struct mesh *mesh, const struct mesh_service *service, unsigned n_pods);
/* A further version, taking `share` from the first. */
void mesh_add_version(struct mesh *mesh, uint16_t service, const char *name, double share,
                      unsigned n_pods);
uint16_t mesh_add_operation(struct mesh *mesh, const struct mesh_operation *operation);
/* Steps of an operation are added one after the other. */
void mesh_add_step(struct mesh *mesh, uint16_t operation, const struct mesh_step *step);
void mesh_add_entry(struct mesh *mesh, uint16_t operation, double weight);
/* By their names; MESH_NONE when there is none. */
uint16_t mesh_service(const struct mesh *mesh, const char *name);
uint16_t mesh_operation(const struct mesh *mesh, uint16_t service, const char *name);

void mesh_describe_shop(struct mesh *mesh);
void mesh_describe_made(struct mesh *mesh, unsigned n_services);

/* Does it send no spans of its own? */
static inline bool mesh_is_silent(const struct mesh_service *service)
{
    return service->place > PLACE_GATEWAY;
}

#endif
