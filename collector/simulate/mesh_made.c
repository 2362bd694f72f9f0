/* mesh_made.c - meshes of any size: services in layers, each called from the layers above, by
 * themselves about as dense as real ones. The same number of services gives the same mesh.
 */
#include <stdio.h>

#include "collector/simulate/draw.h"
#include "collector/simulate/mesh.h"

#define MS 1e6
#define LAYERS 5 /* of workloads: a request is at most this deep */
#define A_NAMESPACE 12
#define A_STORE 14 /* workloads that share a database and a cache */

static const char *const areas[] = {"order",  "stock",  "user",   "price", "search", "media",
                                    "mail",   "report", "review", "route", "fraud",  "invoice",
                                    "coupon", "import", "label",  "quota"};
static const char *const parts[] = {"api",    "core", "index", "sync",  "view",   "rules",
                                    "ledger", "feed", "match", "audit", "render", "gate"};
static const char *const languages[] = {"go", "java", "nodejs", "python", "dotnet"};

#define N_AREAS (sizeof(areas) / sizeof(areas[0]))
#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

struct making {
    struct mesh *mesh;
    struct draw draw;
    unsigned n;             /* workloads */
    uint16_t first;         /* number of the first workload */
    uint16_t operations[2]; /* … of which each workload has two, from here */
};

static unsigned layer_of(const struct making *making, unsigned i)
{
    /* Few in front, most in the middle. */
    double at = (double)i / making->n;
    return at < 0.06 ? 0 : at < 0.26 ? 1 : at < 0.56 ? 2 : at < 0.82 ? 3 : 4;
}

static uint16_t add_silent(struct mesh *mesh, const char *name, const char *namespace,
                           enum mesh_place place, uint16_t port)
{
    struct mesh_service service = {.cluster = "eu-1",
                                   .language = "",
                                   .place = (uint8_t)place,
                                   .proxied = place != PLACE_DATABASE,
                                   .port = port,
                                   .versions = {{.name = ""}}};
    snprintf(service.name, sizeof(service.name), "%s", name);
    snprintf(service.namespace, sizeof(service.namespace), "%s", namespace);
    return mesh_add_service(mesh, &service, 1);
}

static void add_workload(struct making *making, unsigned i)
{
    struct mesh_service service = {.cluster = "eu-1",
                                   .language = languages[i % 5],
                                   .place = PLACE_WORKLOAD,
                                   .sidecar = true,
                                   .proxied = true,
                                   .port = i % 2 ? 9080 : 9000,
                                   .versions = {{.name = "v1"}}};
    unsigned area = i / A_NAMESPACE % N_AREAS, round = i / (A_NAMESPACE * N_AREAS);
    if (round)
        snprintf(service.name, sizeof(service.name), "%s-%s-%u", areas[area], parts[i % N_PARTS],
                 round + 1);
    else
        snprintf(service.name, sizeof(service.name), "%s-%s", areas[area], parts[i % N_PARTS]);
    snprintf(service.namespace, sizeof(service.namespace), "%ss", areas[area]);
    uint16_t number = mesh_add_service(making->mesh, &service, i % 4 == 1 ? 5 : 2);
    if (i % 3 == 1)
        mesh_add_version(making->mesh, number, "v2", 0, 2); /* waits to be deployed */
    for (unsigned k = 0; k < 2; k++) {
        struct mesh_operation operation = {
            .service = number,
            .protocol = i % 2 ? PROTOCOL_HTTP : PROTOCOL_GRPC,
            .self_ns = draw_between(&making->draw, 0.5, 4) * MS,
            .spread = draw_between(&making->draw, 0.3, 0.5),
            .errors = 0.0002,
        };
        const char *area_name = areas[area];
        if (i % 2)
            snprintf(operation.name, sizeof(operation.name), k ? "POST /%s" : "GET /%s/{id}",
                     area_name);
        else
            snprintf(operation.name, sizeof(operation.name), "%s.%s/%s", area_name,
                     parts[i % N_PARTS], k ? "Put" : "Get");
        mesh_add_operation(making->mesh, &operation);
    }
}

static uint16_t operation_at(const struct making *making, unsigned i, unsigned k)
{
    return (uint16_t)(making->operations[0] + 2 * i + k);
}

/* First and one past last workload of a layer. */
static void layer_bounds(const struct making *making, unsigned layer, unsigned *from, unsigned *to)
{
    for (*from = 0; *from < making->n && layer_of(making, *from) < layer; ++*from) {
    }
    for (*to = *from; *to < making->n && layer_of(making, *to) == layer; ++*to) {
    }
}

/* A callee in the next layer: each has its own neighbours, and nobody there is left out. */
static void add_calls(struct making *making, unsigned i, unsigned k)
{
    unsigned layer = layer_of(making, i), below = layer, from, to;
    do {
        layer_bounds(making, ++below, &from, &to);
    } while (from == to && below < LAYERS);
    unsigned n_calls = layer == 0 ? 3 : 1 + (unsigned)draw_below(&making->draw, 2);
    unsigned taken[4], n_taken = 0;
    for (unsigned c = 0; from < to && c < n_calls; c++) {
        unsigned callee =
            c == 0 ? from + i % (to - from) : from + (unsigned)draw_below(&making->draw, to - from);
        bool twice = false;
        for (unsigned t = 0; t < n_taken; t++)
            twice = twice || taken[t] == callee;
        if (twice)
            continue;
        taken[n_taken++] = callee;
        struct mesh_step step = {
            .operation = operation_at(making, callee, k),
            .stage = (uint8_t)(c / 2),
            .flags = c < 2 ? STEP_NEEDED : 0,
            .retries = c == 0,
            .share = layer == 0 ? 0.9 : draw_between(&making->draw, 0.35, 0.9),
            .timeout_ns = (uint64_t)((2000 - 300 * layer) * MS),
        };
        mesh_add_step(making->mesh, operation_at(making, i, k), &step);
    }
}

/* Every second of the deeper ones keeps something. */
static void add_store(struct making *making, unsigned i, unsigned k, uint16_t sql, uint16_t cache)
{
    if (layer_of(making, i) < 2 || (i + k) % 3 == 0)
        return;
    struct mesh_step step = {.operation = (i + k) % 3 == 1 ? sql : cache,
                             .stage = 3,
                             .flags = STEP_NEEDED,
                             .share = 1,
                             .timeout_ns = (uint64_t)(900 * MS)};
    mesh_add_step(making->mesh, operation_at(making, i, k), &step);
    if (step.operation == sql)
        return;
    step.operation = sql; /* what the cache does not have */
    step.stage = 4;
    step.flags = STEP_NEEDED | STEP_ON_MISS;
    step.share = 0.05;
    mesh_add_step(making->mesh, operation_at(making, i, k), &step);
}

static uint16_t add_store_operation(struct mesh *mesh, uint16_t service, const char *name,
                                    enum mesh_protocol protocol, double ms)
{
    struct mesh_operation operation = {
        .service = service, .protocol = (uint8_t)protocol, .self_ns = ms * MS, .spread = 0.4};
    snprintf(operation.name, sizeof(operation.name), "%s", name);
    return mesh_add_operation(mesh, &operation);
}

static void add_everybody(struct making *making, uint16_t *first_store, unsigned n_stores)
{
    struct mesh *mesh = making->mesh;
    struct mesh_service gateway = {.name = "istio-ingressgateway",
                                   .namespace = "istio-system",
                                   .cluster = "eu-1",
                                   .language = "cpp",
                                   .place = PLACE_GATEWAY,
                                   .proxied = true,
                                   .port = 8080,
                                   .versions = {{.name = "latest"}}};
    mesh->gateway = mesh_add_service(mesh, &gateway, 2);
    making->first = mesh->n_services;
    making->operations[0] = mesh->n_operations;
    for (unsigned i = 0; i < making->n; i++)
        add_workload(making, i);
    *first_store = mesh->n_operations;
    for (unsigned s = 0; s < n_stores; s++) {
        char name[24];
        snprintf(name, sizeof(name), "postgres-%u", s + 1);
        uint16_t sql = add_silent(mesh, name, "data", PLACE_DATABASE, 5432);
        add_store_operation(mesh, sql, "SELECT items", PROTOCOL_SQL, 1.4);
        snprintf(name, sizeof(name), "redis-%u", s + 1);
        uint16_t cache = add_silent(mesh, name, "data", PLACE_CACHE, 7379);
        add_store_operation(mesh, cache, "GET", PROTOCOL_REDIS, 0.2);
    }
}

void mesh_describe_made(struct mesh *mesh, unsigned n_services)
{
    unsigned n_stores = 1 + n_services / A_STORE;
    uint16_t first_store;
    struct making making = {.mesh = mesh, .draw = draw_from(42, n_services, 0), .n = n_services};
    mesh->name = "made";
    mesh->host = "made.example";
    add_everybody(&making, &first_store, n_stores);
    for (unsigned i = 0; i < making.n; i++) {
        for (unsigned k = 0; k < 2; k++) {
            uint16_t store = (uint16_t)(first_store + 2 * (i / A_STORE % n_stores));
            add_calls(&making, i, k);
            add_store(&making, i, k, store, (uint16_t)(store + 1));
        }
    }
    unsigned from, to;
    layer_bounds(&making, 0, &from, &to);
    for (unsigned i = from; i < to; i++) {
        mesh_add_entry(mesh, operation_at(&making, i, 0), 3);
        mesh_add_entry(mesh, operation_at(&making, i, 1), 1);
    }
}
