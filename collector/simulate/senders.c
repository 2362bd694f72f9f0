/* senders.c - resources and identities, encoded once: what an SDK and what Envoy says of itself. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/simulate/simulation_internal.h"

#define MAX_HEAD 4096
#define MAX_SPANS (64u << 20)
#define ENVOY_BUILD "9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL"
#define CLOCK_ERROR_NS 250000 /* what NTP leaves */

static const struct {
    const char *language, *version, *scope;
} sdks[] = {
    {"nodejs", "2.1.0", "@opentelemetry/instrumentation-http"},
    {"go", "1.38.0", "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"},
    {"java", "1.54.1", "io.opentelemetry.netty-4.1"},
    {"python", "1.37.0", "opentelemetry.instrumentation.fastapi"},
    {"dotnet", "1.12.0", "Microsoft.AspNetCore"},
};

static void add_scope(struct buf *head, const char *name, const char *version)
{
    struct buf scope;
    buf_init(&scope, 512);
    proto_bytes(&scope, 1, str_of(name));
    proto_bytes(&scope, 2, str_of(version));
    proto_bytes(head, 1, buf_str(&scope));
    buf_fini(&scope);
}

static void application_head(const struct mesh_service *service, const struct mesh_pod *pod,
                             struct buf *resource, struct buf *scope)
{
    size_t sdk = 0;
    for (size_t i = 0; i < sizeof(sdks) / sizeof(sdks[0]); i++)
        sdk = strcmp(sdks[i].language, service->language) == 0 ? i : sdk;
    char node[32];
    snprintf(node, sizeof(node), "node-%s-%u", pod->zone, pod->host);
    const struct {
        const char *key, *value;
    } rows[] = {
        {"service.name", service->name},
        {"service.namespace", service->namespace},
        {"service.version", service->versions[pod->version].name},
        {"service.instance.id", pod->name},
        {"deployment.environment.name", "production"},
        {"k8s.cluster.name", service->cluster},
        {"k8s.namespace.name", service->namespace},
        {"k8s.deployment.name", service->name},
        {"k8s.pod.name", pod->name},
        {"k8s.pod.ip", pod->ip},
        {"k8s.node.name", node},
        {"cloud.availability_zone", pod->zone},
        {"telemetry.sdk.name", "opentelemetry"},
        {"telemetry.sdk.language", sdks[sdk].language},
        {"telemetry.sdk.version", sdks[sdk].version},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        proto_text(resource, 1, rows[i].key, str_of(rows[i].value));
    add_scope(scope, sdks[sdk].scope, sdks[sdk].version);
}

static void proxy_head(const struct mesh_service *service, struct buf *resource, struct buf *scope)
{
    char name[80];
    snprintf(name, sizeof(name), "%s.%s", service->name, service->namespace);
    proto_text(resource, 1, "service.name", str_of(name));
    proto_text(resource, 1, "telemetry.sdk.language", STR("cpp"));
    proto_text(resource, 1, "telemetry.sdk.name", STR("envoy"));
    proto_text(resource, 1, "telemetry.sdk.version", STR(ENVOY_BUILD));
    add_scope(scope, "envoy", ENVOY_BUILD);
}

static void proxy_attributes(const struct mesh_service *service, const struct mesh_pod *pod,
                             struct sender *sender)
{
    char node_id[256];
    snprintf(node_id, sizeof(node_id), "%s~%s~%s.%s~%s.svc.cluster.local",
             service->place == PLACE_GATEWAY ? "router" : "sidecar", pod->ip, pod->name,
             service->namespace, service->namespace);
    proto_text(&sender->front, 9, "node_id", str_of(node_id));
    proto_text(&sender->front, 9, "zone", str_of(pod->zone));
    proto_text(&sender->back, 9, "istio.mesh_id", STR("cluster.local"));
    proto_text(&sender->back, 9, "istio.canonical_service", str_of(service->name));
    proto_text(&sender->back, 9, "istio.canonical_revision",
               str_of(service->versions[pod->version].name));
    proto_text(&sender->back, 9, "istio.cluster_id", str_of(service->cluster));
    proto_text(&sender->back, 9, "istio.namespace", str_of(service->namespace));
}

static void open_sender(struct simulation *sim, uint16_t pod_no, bool proxy)
{
    const struct mesh_pod *pod = &sim->mesh->pods[pod_no];
    const struct mesh_service *service = &sim->mesh->services[pod->service];
    struct sender *sender = &sim->senders[2u * pod_no + proxy];
    struct buf resource, scope;
    buf_init(&sender->head, MAX_HEAD);
    buf_init(&sender->front, MAX_HEAD);
    buf_init(&sender->back, MAX_HEAD);
    buf_init(&sender->spans, MAX_SPANS);
    buf_init(&resource, MAX_HEAD);
    buf_init(&scope, MAX_HEAD);
    struct draw draw = draw_from(9, pod->host, 0); /* one clock a machine */
    sender->clock_ns = (int64_t)(CLOCK_ERROR_NS * draw_normal(&draw));
    /* Senders flush at times of their own. */
    struct draw phase = draw_from(10, pod_no, proxy);
    sender->next_flush = sim->tick + 1 + draw_below(&phase, 1 + sim->settings.flush_ns / TICK_NS);
    if (proxy) {
        proxy_head(service, &resource, &scope);
        proxy_attributes(service, pod, sender);
    } else {
        application_head(service, pod, &resource, &scope);
    }
    proto_bytes(&sender->head, 1, buf_str(&resource));
    sender->n_resource = sender->head.len;
    buf_add_str(&sender->head, buf_str(&scope));
    buf_fini(&resource);
    buf_fini(&scope);
}

static void name_hosts(struct simulation *sim)
{
    for (uint16_t i = 0; i < sim->mesh->n_services; i++) {
        const struct mesh_service *service = &sim->mesh->services[i];
        if (service->namespace[0])
            snprintf(sim->hosts[i], sizeof(sim->hosts[i]), "%s.%s.svc.cluster.local", service->name,
                     service->namespace);
        else
            snprintf(sim->hosts[i], sizeof(sim->hosts[i]), "%s", service->name);
        snprintf(sim->spiffe[i], sizeof(sim->spiffe[i]), "spiffe://cluster.local/ns/%s/sa/%s",
                 service->namespace, service->name);
    }
}

bool senders_open(struct simulation *sim)
{
    sim->n_senders = 2u * sim->mesh->n_pods;
    sim->senders = calloc(sim->n_senders, sizeof(*sim->senders));
    sim->hosts = calloc(sim->mesh->n_services, sizeof(*sim->hosts));
    sim->spiffe = calloc(sim->mesh->n_services, sizeof(*sim->spiffe));
    if (!sim->senders || !sim->hosts || !sim->spiffe)
        return false;
    name_hosts(sim);
    for (uint16_t pod = 0; pod < sim->mesh->n_pods; pod++) {
        if (mesh_is_silent(&sim->mesh->services[sim->mesh->pods[pod].service]))
            continue;
        open_sender(sim, pod, false);
        open_sender(sim, pod, true);
    }
    return true;
}

void senders_close(struct simulation *sim)
{
    for (uint32_t i = 0; sim->senders && i < sim->n_senders; i++) {
        buf_fini(&sim->senders[i].head);
        buf_fini(&sim->senders[i].front);
        buf_fini(&sim->senders[i].back);
        buf_fini(&sim->senders[i].spans);
    }
    free(sim->senders);
    free(sim->hosts);
    free(sim->spiffe);
}
