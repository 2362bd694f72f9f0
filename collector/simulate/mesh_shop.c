/* mesh_shop.c - a shop of 14 services with what stands around them, as tables.
 *
 *   users - ingress - frontend -+- account ------------------------------- postgres
 *                               +- currency
 *                               +- recommend - (out by the gateway and back) - catalog
 *                               +- ads ------------------------------------- redis
 *                               +- cart ------------------ pricing --------- redis, postgres
 *                               +- search (cluster eu-2)
 *                               +- catalog --------------- inventory ------- postgres
 *                               +- checkout -+- cart, currency
 *                                            +- shipping - inventory
 *                                            +- payment -- api.paynet.example
 *                                            +- orders (queue) - inventory
 *                                            +- notify (no sidecar: clear text)
 *
 * The cache is spoken to over HTTP, so its callers' sidecars see requests there; postgres and the
 * queue are bytes to them, as in a real mesh.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "collector/simulate/mesh.h"

#define MS 1e6
#define NONE ""

struct service_row {
    const char *name, *namespace, *cluster, *language, *version;
    uint8_t place;
    bool sidecar, proxied;
    uint16_t port;
    unsigned n_pods;
};

static const struct service_row services[] = {
    {"istio-ingressgateway", "istio-system", "eu-1", "cpp", "latest", PLACE_GATEWAY, false, true,
     8080, 2},
    {"frontend", "shop", "eu-1", "nodejs", "v31", PLACE_WORKLOAD, true, true, 3000, 4},
    {"account", "shop", "eu-1", "go", "v4", PLACE_WORKLOAD, true, true, 9000, 3},
    {"currency", "shop", "eu-1", "nodejs", "v2", PLACE_WORKLOAD, true, true, 9000, 2},
    {"recommend", "shop", "eu-1", "python", "v9", PLACE_WORKLOAD, true, true, 9080, 3},
    {"catalog", "shop", "eu-1", "go", "v12", PLACE_WORKLOAD, true, true, 9080, 5},
    {"ads", "shop", "eu-1", "java", "v3", PLACE_WORKLOAD, true, true, 9000, 2},
    {"search", "shop", "eu-2", "java", "v1", PLACE_WORKLOAD, true, true, 9080, 3},
    {"cart", "shop", "eu-1", "dotnet", "v1", PLACE_WORKLOAD, true, true, 9000, 6},
    {"checkout", "shop", "eu-1", "go", "v16", PLACE_WORKLOAD, true, true, 9000, 3},
    {"pricing", "shop", "eu-1", "python", "v5", PLACE_WORKLOAD, true, true, 9080, 2},
    {"inventory", "warehouse", "eu-1", "java", "v8", PLACE_WORKLOAD, true, true, 9000, 5},
    {"shipping", "warehouse", "eu-1", "go", "v7", PLACE_WORKLOAD, true, true, 9000, 2},
    {"payment", "shop", "eu-1", "java", "v11", PLACE_WORKLOAD, true, true, 9000, 3},
    {"notify", "mail", "eu-1", "python", "v1", PLACE_WORKLOAD, false, true, 8000, 1},
    {"redis", "shop-data", "eu-1", NONE, NONE, PLACE_CACHE, false, true, 7379, 1},
    {"postgres", "shop-data", "eu-1", NONE, NONE, PLACE_DATABASE, false, false, 5432, 1},
    {"orders", NONE, "eu-1", NONE, NONE, PLACE_QUEUE, false, false, 9092, 1},
    {"api.paynet.example", NONE, NONE, NONE, NONE, PLACE_EXTERNAL, false, true, 443, 1},
};

struct operation_row {
    const char *service, *name;
    uint8_t protocol;
    double self_ns, spread, errors, not_found;
};

static const struct operation_row operations[] = {
    {"frontend", "GET /", PROTOCOL_HTTP, 3.1 * MS, 0.35, 0.0002, 0},
    {"frontend", "GET /cart", PROTOCOL_HTTP, 2.6 * MS, 0.35, 0.0002, 0},
    {"frontend", "GET /p/{id}", PROTOCOL_HTTP, 2.9 * MS, 0.35, 0.0002, 0},
    {"frontend", "POST /cart", PROTOCOL_HTTP, 2.0 * MS, 0.35, 0.0002, 0},
    {"frontend", "GET /search", PROTOCOL_HTTP, 2.7 * MS, 0.35, 0.0002, 0},
    {"frontend", "POST /checkout", PROTOCOL_HTTP, 3.4 * MS, 0.35, 0.0002, 0},
    {"account", "shop.Account/GetSession", PROTOCOL_GRPC, 0.8 * MS, 0.4, 0.0001, 0},
    {"currency", "shop.Currency/GetRates", PROTOCOL_GRPC, 1.3 * MS, 0.4, 0.0001, 0},
    {"recommend", "GET /recommendations", PROTOCOL_HTTP, 2.3 * MS, 0.45, 0.0004, 0},
    {"catalog", "GET /products", PROTOCOL_HTTP, 1.4 * MS, 0.4, 0.0002, 0},
    {"catalog", "GET /products/{id}", PROTOCOL_HTTP, 0.9 * MS, 0.4, 0.0002, 0.004},
    {"ads", "shop.Ads/GetAds", PROTOCOL_GRPC, 1.6 * MS, 0.5, 0.0006, 0},
    {"search", "GET /find", PROTOCOL_HTTP, 26 * MS, 0.5, 0.0004, 0},
    {"cart", "shop.Cart/GetCart", PROTOCOL_GRPC, 1.5 * MS, 0.35, 0.0001, 0},
    {"cart", "shop.Cart/AddItem", PROTOCOL_GRPC, 1.8 * MS, 0.35, 0.0001, 0},
    {"checkout", "shop.Checkout/PlaceOrder", PROTOCOL_GRPC, 2.8 * MS, 0.35, 0.0002, 0},
    {"pricing", "POST /v1/quote", PROTOCOL_HTTP, 1.2 * MS, 0.4, 0.0001, 0},
    {"inventory", "warehouse.Inventory/Stock", PROTOCOL_GRPC, 0.7 * MS, 0.4, 0.0001, 0},
    {"inventory", "warehouse.Inventory/Reserve", PROTOCOL_GRPC, 1.1 * MS, 0.4, 0.0001, 0},
    {"inventory", "orders process", PROTOCOL_KAFKA, 1.9 * MS, 0.4, 0.0001, 0},
    {"shipping", "warehouse.Shipping/Quote", PROTOCOL_GRPC, 1.7 * MS, 0.4, 0.0001, 0},
    {"payment", "shop.Payment/Charge", PROTOCOL_GRPC, 2.2 * MS, 0.35, 0.0002, 0},
    {"notify", "POST /send", PROTOCOL_HTTP, 3.0 * MS, 0.4, 0.0005, 0},
    {"redis", "HGETALL", PROTOCOL_REDIS, 0.22 * MS, 0.35, 0, 0},
    {"redis", "HSET", PROTOCOL_REDIS, 0.26 * MS, 0.35, 0, 0},
    {"redis", "GET", PROTOCOL_REDIS, 0.18 * MS, 0.35, 0, 0},
    {"postgres", "SELECT sessions", PROTOCOL_SQL, 1.2 * MS, 0.4, 0, 0},
    {"postgres", "SELECT products", PROTOCOL_SQL, 1.7 * MS, 0.4, 0, 0},
    {"postgres", "SELECT prices", PROTOCOL_SQL, 1.3 * MS, 0.4, 0, 0},
    {"postgres", "SELECT stock", PROTOCOL_SQL, 1.1 * MS, 0.4, 0, 0},
    {"postgres", "UPDATE stock", PROTOCOL_SQL, 2.1 * MS, 0.4, 0, 0},
    {"postgres", "SELECT campaigns", PROTOCOL_SQL, 1.4 * MS, 0.4, 0, 0},
    {"orders", "orders publish", PROTOCOL_KAFKA, 1.5 * MS, 0.4, 0, 0},
    {"api.paynet.example", "POST /v1/charges", PROTOCOL_HTTP, 118 * MS, 0.25, 0.001, 0},
};

struct step_row {
    const char *service, *operation, *callee, *called;
    uint8_t stage;
    double share;
    uint8_t flags, retries;
    double timeout_ms;
};

static const struct step_row steps[] = {
    {"frontend", "GET /", "account", "shop.Account/GetSession", 0, 0.15, 0, 1, 1000},
    {"frontend", "GET /", "currency", "shop.Currency/GetRates", 0, 0.5, STEP_NEEDED, 1, 1000},
    {"frontend", "GET /", "catalog", "GET /products", 1, 0.9, STEP_NEEDED, 1, 1500},
    {"frontend", "GET /", "recommend", "GET /recommendations", 1, 0.3, 0, 0, 1500},
    {"frontend", "GET /", "ads", "shop.Ads/GetAds", 1, 0.3, 0, 0, 1000},
    {"frontend", "GET /cart", "account", "shop.Account/GetSession", 0, 0.25, 0, 1, 1000},
    {"frontend", "GET /cart", "currency", "shop.Currency/GetRates", 0, 0.8, STEP_NEEDED, 1, 1000},
    {"frontend", "GET /cart", "cart", "shop.Cart/GetCart", 1, 1, STEP_NEEDED, 1, 1500},
    {"frontend", "GET /cart", "recommend", "GET /recommendations", 1, 0.4, 0, 0, 1500},
    {"frontend", "GET /cart", "ads", "shop.Ads/GetAds", 1, 0.25, 0, 0, 1000},
    {"frontend", "GET /p/{id}", "account", "shop.Account/GetSession", 0, 0.1, 0, 1, 1000},
    {"frontend", "GET /p/{id}", "currency", "shop.Currency/GetRates", 0, 0.6, STEP_NEEDED, 1, 1000},
    {"frontend", "GET /p/{id}", "catalog", "GET /products/{id}", 1, 1, STEP_NEEDED, 1, 1500},
    {"frontend", "GET /p/{id}", "recommend", "GET /recommendations", 2, 0.35, 0, 0, 1500},
    {"frontend", "GET /p/{id}", "ads", "shop.Ads/GetAds", 2, 0.3, 0, 0, 1000},
    {"frontend", "POST /cart", "account", "shop.Account/GetSession", 0, 0.5, 0, 1, 1000},
    {"frontend", "POST /cart", "cart", "shop.Cart/AddItem", 1, 1, STEP_NEEDED, 1, 1500},
    {"frontend", "GET /search", "currency", "shop.Currency/GetRates", 0, 0.5, STEP_NEEDED, 1, 1000},
    {"frontend", "GET /search", "search", "GET /find", 1, 1, STEP_NEEDED, 1, 2000},
    {"frontend", "GET /search", "catalog", "GET /products", 2, 0.8, STEP_NEEDED, 1, 1500},
    {"frontend", "POST /checkout", "account", "shop.Account/GetSession", 0, 1, STEP_NEEDED, 1,
     1000},
    {"frontend", "POST /checkout", "checkout", "shop.Checkout/PlaceOrder", 1, 1, STEP_NEEDED, 0,
     2500},
    {"account", "shop.Account/GetSession", "postgres", "SELECT sessions", 0, 1, STEP_NEEDED, 0,
     900},
    {"recommend", "GET /recommendations", "catalog", "GET /products", 0, 1,
     STEP_NEEDED | STEP_TURNS, 0, 1200},
    {"catalog", "GET /products", "inventory", "warehouse.Inventory/Stock", 0, 0.35, STEP_NEEDED, 1,
     1000},
    {"catalog", "GET /products", "postgres", "SELECT products", 1, 0.5, STEP_NEEDED, 0, 1000},
    {"catalog", "GET /products/{id}", "inventory", "warehouse.Inventory/Stock", 0, 0.4, STEP_NEEDED,
     1, 1000},
    {"catalog", "GET /products/{id}", "postgres", "SELECT products", 1, 0.6, STEP_NEEDED, 0, 1000},
    {"ads", "shop.Ads/GetAds", "redis", "GET", 0, 1, STEP_NEEDED, 0, 500},
    {"ads", "shop.Ads/GetAds", "postgres", "SELECT campaigns", 1, 0.05, STEP_NEEDED | STEP_ON_MISS,
     0, 900},
    {"cart", "shop.Cart/GetCart", "redis", "HGETALL", 0, 1, STEP_NEEDED, 0, 500},
    {"cart", "shop.Cart/GetCart", "pricing", "POST /v1/quote", 1, 0.3, STEP_NEEDED, 1, 1000},
    {"cart", "shop.Cart/AddItem", "redis", "HSET", 0, 1, STEP_NEEDED, 0, 500},
    {"cart", "shop.Cart/AddItem", "pricing", "POST /v1/quote", 1, 0.4, STEP_NEEDED, 1, 1000},
    {"pricing", "POST /v1/quote", "postgres", "SELECT prices", 0, 1, STEP_NEEDED, 0, 900},
    {"inventory", "warehouse.Inventory/Stock", "postgres", "SELECT stock", 0, 0.9, STEP_NEEDED, 0,
     900},
    {"inventory", "warehouse.Inventory/Reserve", "postgres", "UPDATE stock", 0, 1, STEP_NEEDED, 0,
     900},
    {"inventory", "orders process", "postgres", "UPDATE stock", 0, 1, STEP_NEEDED, 0, 900},
    {"checkout", "shop.Checkout/PlaceOrder", "cart", "shop.Cart/GetCart", 0, 1, STEP_NEEDED, 1,
     1500},
    {"checkout", "shop.Checkout/PlaceOrder", "currency", "shop.Currency/GetRates", 0, 1,
     STEP_NEEDED, 1, 1000},
    {"checkout", "shop.Checkout/PlaceOrder", "shipping", "warehouse.Shipping/Quote", 1, 1,
     STEP_NEEDED, 1, 1500},
    {"checkout", "shop.Checkout/PlaceOrder", "payment", "shop.Payment/Charge", 2, 1, STEP_NEEDED, 0,
     2000},
    {"checkout", "shop.Checkout/PlaceOrder", "orders", "orders publish", 3, 0.95, STEP_NEEDED, 0,
     0},
    {"checkout", "shop.Checkout/PlaceOrder", "notify", "POST /send", 3, 0.25, STEP_PLAIN, 0, 1000},
    {"shipping", "warehouse.Shipping/Quote", "inventory", "warehouse.Inventory/Reserve", 0, 1,
     STEP_NEEDED, 1, 1000},
    {"payment", "shop.Payment/Charge", "api.paynet.example", "POST /v1/charges", 0, 1, STEP_NEEDED,
     0, 1800},
};

static const struct {
    const char *operation;
    double weight;
} entries[] = {{"GET /", 131},     {"GET /cart", 118},  {"GET /p/{id}", 84},
               {"POST /cart", 24}, {"GET /search", 19}, {"POST /checkout", 9.6}};

static uint16_t find(const struct mesh *mesh, const char *service, const char *operation)
{
    uint16_t number = mesh_operation(mesh, mesh_service(mesh, service), operation);
    assert(number != MESH_NONE);
    return number;
}

static void add_services(struct mesh *mesh)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        const struct service_row *row = &services[i];
        struct mesh_service service = {.cluster = row->cluster,
                                       .language = row->language,
                                       .place = row->place,
                                       .sidecar = row->sidecar,
                                       .proxied = row->proxied,
                                       .port = row->port,
                                       .versions = {{.name = row->version}}};
        snprintf(service.name, sizeof(service.name), "%s", row->name);
        snprintf(service.namespace, sizeof(service.namespace), "%s", row->namespace);
        mesh_add_service(mesh, &service, row->n_pods);
    }
    mesh_add_version(mesh, mesh_service(mesh, "search"), "v2", 0.3, 2);
    mesh_add_version(mesh, mesh_service(mesh, "cart"), "v2", 0, 2);
}

static void add_operations(struct mesh *mesh)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        const struct operation_row *row = &operations[i];
        struct mesh_operation operation = {.service = mesh_service(mesh, row->service),
                                           .protocol = row->protocol,
                                           .self_ns = row->self_ns,
                                           .spread = row->spread,
                                           .errors = row->errors,
                                           .not_found = row->not_found};
        snprintf(operation.name, sizeof(operation.name), "%s", row->name);
        mesh_add_operation(mesh, &operation);
    }
    uint16_t publish = find(mesh, "orders", "orders publish");
    mesh->operations[publish].consumer = find(mesh, "inventory", "orders process");
}

void mesh_describe_shop(struct mesh *mesh)
{
    mesh->name = "shop";
    mesh->host = "shop.example";
    add_services(mesh);
    mesh->gateway = mesh_service(mesh, "istio-ingressgateway");
    add_operations(mesh);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        const struct step_row *row = &steps[i];
        struct mesh_step step = {.operation = find(mesh, row->callee, row->called),
                                 .stage = row->stage,
                                 .flags = row->flags,
                                 .retries = row->retries,
                                 .share = row->share,
                                 .timeout_ns = (uint64_t)(row->timeout_ms * MS)};
        mesh_add_step(mesh, find(mesh, row->service, row->operation), &step);
    }
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        mesh_add_entry(mesh, find(mesh, "frontend", entries[i].operation), entries[i].weight);
}
