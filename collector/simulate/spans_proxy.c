/* spans_proxy.c - Envoy's spans as Envoy 1.40 with Istio's tags sends them: every value a text, a
 * status only from 500 (SERVER) or 400 (CLIENT) on, code 0 and no status when no answer was sent.
 *
 * Two custom tags say what the connection was, under OpenTelemetry's names: tls.protocol.version
 * (" %DOWNSTREAM_TLS_VERSION%" or " %UPSTREAM_TLS_VERSION%": with the blank, Envoy sends it for
 * clear text too) and the peer's name in its certificate, tls.client.subject or tls.server.subject.
 */
#include <stdio.h>

#include "collector/simulate/spans.h"

static void add(struct buf *span, const char *key, const char *value)
{
    proto_text(span, 9, key, str_of(value));
}

/* outbound|9080|v1|reviews.default.svc.cluster.local */
static void upstream_of(const struct walk *walk, const struct call *call, char out[160])
{
    const struct mesh_service *service = &walk->sim->mesh->services[call->service];
    const char *subset = service->n_versions > 1 ? service->versions[call->version].name : "";
    snprintf(out, 160, "outbound|%u|%s|%s", service->port, subset, walk->sim->hosts[call->service]);
}

/* A command to a store, named as its proxy's filter for that protocol names it. */
static bool is_command(const struct mesh_operation *operation)
{
    return operation->protocol == PROTOCOL_REDIS || operation->protocol == PROTOCOL_SQL;
}

/* host:port and any path, as Istio names its spans. */
static void name_of(const struct mesh_operation *operation, const char *host, unsigned port,
                    char out[160])
{
    if (is_command(operation))
        snprintf(out, 160, "%s", operation->name);
    else
        snprintf(out, 160, "%s:%u/*", host, port);
}

static void add_http(struct walk *walk, const struct mesh_operation *operation,
                     const char *scheme_host)
{
    struct buf *span = &walk->sim->span;
    char path[MAX_PATH], url[300];
    bool grpc = operation->protocol == PROTOCOL_GRPC;
    path_of_operation(walk, operation, path);
    snprintf(url, sizeof(url), "%s%s", scheme_host, path);
    add(span, "http.url", url);
    proto_text(span, 9, "http.method", method_of_operation(operation));
    add(span, "http.protocol", grpc ? "HTTP/2" : "HTTP/1.1");
    if (grpc) {
        add(span, "grpc.path", path);
        add(span, "grpc.authority", strstr(scheme_host, "://") + 3);
        add(span, "grpc.content_type", "application/grpc");
    }
}

/* Method, URL and peers of a request as its proxy sees it. */
static void add_request(struct walk *walk, const struct mesh_operation *operation,
                        const char *scheme_host, const char *peer)
{
    struct buf *span = &walk->sim->span;
    bool grpc = operation->protocol == PROTOCOL_GRPC;
    add(span, "guid:x-request-id", walk->request_id);
    if (!is_command(operation))
        add_http(walk, operation, scheme_host);
    add(span, "downstream_cluster", "-");
    add(span, "user_agent", walk->agent);
    add(span, "peer.address", peer);
    add(span, "request_size", grpc ? "64" : "0");
    add(span, "response_size", grpc ? "212" : "1841");
    add(span, "component", "proxy");
}

static void add_upstream(struct buf *span, const char *cluster)
{
    add(span, "upstream_cluster", cluster);
    add(span, "upstream_cluster.name", cluster);
}

static void add_outcome(struct buf *span, const struct answer *answer, const char *flag)
{
    char code[16];
    snprintf(code, sizeof(code), "%u", answer->gone ? 0u : (unsigned)answer->http);
    add(span, "http.status_code", code);
    add(span, "response_flags", flag ? flag : "-");
    if (answer->grpc >= 0 && !answer->gone) {
        snprintf(code, sizeof(code), "%d", answer->grpc);
        add(span, "grpc.status_code", code);
        if (answer->grpc > 0)
            add(span, "grpc.message", answer->message);
    }
    if (answer->gone || answer->failed)
        add(span, "error", "true");
}

static void add_tls(struct buf *span, bool plain, const char *key, const char *peer)
{
    add(span, "tls.protocol.version", plain ? " " : " TLSv1.3");
    if (!plain && peer)
        add(span, key, peer);
}

static void finish(struct walk *walk, uint32_t sender, const struct span_times *times,
                   const struct answer *answer, bool client)
{
    bool error = !answer->gone && (answer->failed || (client && answer->client_error));
    buf_add_str(&walk->sim->span, buf_str(&walk->sim->senders[sender].back));
    span_end(walk, sender, times, error ? STATUS_ERROR : STATUS_UNSET, "");
}

/* Who calls: a name from a certificate, where the caller has one. */
static const char *caller_spiffe(const struct walk *walk, uint16_t pod)
{
    if (pod == MESH_NONE)
        return NULL;
    return walk->sim->spiffe[walk->sim->mesh->pods[pod].service];
}

void span_sidecar_in(struct walk *walk, const struct visit *visit, const struct span_times *times,
                     const struct answer *answer)
{
    if (!walk->sampled)
        return;
    const struct simulation *sim = walk->sim;
    const struct mesh_operation *operation = &sim->mesh->operations[visit->operation];
    const struct mesh_service *service = &sim->mesh->services[visit->service];
    uint32_t sender = 2u * visit->pod + 1;
    char name[160], authority[128], cluster[32];
    name_of(operation, sim->hosts[visit->service], service->port, name);
    struct buf *span = span_begin(walk, sender, times, str_of(name), KIND_SERVER);
    buf_add_str(span, buf_str(&sim->senders[sender].front));
    if (visit->entry)
        snprintf(authority, sizeof(authority), "https://%s", sim->mesh->host);
    else
        snprintf(authority, sizeof(authority), "http://%s:%u", sim->hosts[visit->service],
                 service->port);
    add_request(walk, operation, authority,
                visit->caller_pod == MESH_NONE ? "10.4.0.1"
                                               : sim->mesh->pods[visit->caller_pod].ip);
    snprintf(cluster, sizeof(cluster), "inbound|%u||", service->port);
    add_upstream(span, cluster);
    add_outcome(span, answer, answer->gone ? "DC" : NULL);
    add_tls(span, visit->plain, "tls.client.subject", caller_spiffe(walk, visit->caller_pod));
    finish(walk, sender, times, answer, false);
}

void span_sidecar_out(struct walk *walk, const struct call *call, const struct span_times *times,
                      const struct answer *answer)
{
    if (!walk->sampled)
        return;
    const struct simulation *sim = walk->sim;
    const struct mesh_operation *operation = &sim->mesh->operations[call->operation];
    const struct mesh_service *service = &sim->mesh->services[call->service];
    const struct mesh_pod *pod = &sim->mesh->pods[call->from->pod];
    uint32_t sender = 2u * call->from->pod + 1;
    char name[160], authority[128], cluster[160];
    upstream_of(walk, call, cluster);
    if (call->turns) {
        /* The gateway's public name, known to the mesh as an external host. */
        snprintf(cluster, sizeof(cluster), "outbound|443||%s", sim->mesh->host);
        snprintf(name, sizeof(name), "%s:443/*", sim->mesh->host);
        snprintf(authority, sizeof(authority), "http://%s", sim->mesh->host);
    } else {
        name_of(operation, sim->hosts[call->service], service->port, name);
        snprintf(authority, sizeof(authority), "http://%s:%u", sim->hosts[call->service],
                 service->port);
    }
    struct buf *span = span_begin(walk, sender, times, str_of(name), KIND_CLIENT);
    buf_add_str(span, buf_str(&sim->senders[sender].front));
    add_request(walk, operation, authority, pod->ip);
    add_upstream(span, cluster);
    add_outcome(span, answer, answer->flag);
    bool spiffe = service->place != PLACE_EXTERNAL && !call->turns;
    add_tls(span, call->plain || (answer->unreached && !call->turns), "tls.server.subject",
            spiffe ? sim->spiffe[call->service] : NULL);
    finish(walk, sender, times, answer, true);
}

void span_gateway_in(struct walk *walk, uint16_t pod, const struct call *call,
                     const struct span_times *times, const struct answer *answer)
{
    if (!walk->sampled)
        return;
    const struct simulation *sim = walk->sim;
    const struct mesh_operation *operation = &sim->mesh->operations[call->operation];
    uint32_t sender = 2u * pod + 1;
    char name[160], authority[128], cluster[160];
    bool users = !call->from;
    snprintf(name, sizeof(name), "%s:%u/*", sim->hosts[call->service],
             sim->mesh->services[call->service].port);
    struct buf *span = span_begin(walk, sender, times, str_of(name), KIND_SERVER);
    buf_add_str(span, buf_str(&sim->senders[sender].front));
    snprintf(authority, sizeof(authority), "https://%s", sim->mesh->host);
    add_request(walk, operation, authority,
                users ? "203.0.113.77" : sim->mesh->pods[call->from->pod].ip);
    upstream_of(walk, call, cluster);
    if (!call->unrouted)
        add_upstream(span, cluster);
    add_outcome(span, answer, answer->gone ? "DC" : answer->flag);
    add_tls(span, false, "tls.client.subject", NULL);
    finish(walk, sender, times, answer, false);
}

void span_gateway_out(struct walk *walk, uint16_t pod, const struct call *call,
                      const struct span_times *times, const struct answer *answer)
{
    if (!walk->sampled)
        return;
    const struct simulation *sim = walk->sim;
    const struct mesh_operation *operation = &sim->mesh->operations[call->operation];
    uint32_t sender = 2u * pod + 1;
    char name[200], cluster[160], peer[32];
    upstream_of(walk, call, cluster);
    snprintf(name, sizeof(name), "router %s egress", cluster);
    struct buf *span = span_begin(walk, sender, times, str_of(name), KIND_CLIENT);
    add(span, "http.protocol", operation->protocol == PROTOCOL_GRPC ? "HTTP/2" : "HTTP/1.1");
    if (call->pod != MESH_NONE) {
        snprintf(peer, sizeof(peer), "%s:%u", sim->mesh->pods[call->pod].ip,
                 sim->mesh->services[call->service].port);
        add(span, "upstream_address", peer);
        add(span, "peer.address", peer);
    }
    add(span, "component", "proxy");
    if (answer->gone)
        add(span, "canceled", "true");
    add_upstream(span, cluster);
    add_outcome(span, answer, answer->flag);
    add_tls(span, call->plain || answer->unreached, "tls.server.subject",
            sim->spiffe[call->service]);
    finish(walk, sender, times, answer, true);
}
