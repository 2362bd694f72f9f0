/* spans.c - spans of applications, as their SDKs write them. */
#include <stdio.h>

#include "collector/simulate/spans.h"

#define EVENT_NAME 2

static void add_id(struct buf *span, unsigned field, uint64_t id)
{
    uint64_t bytes = __builtin_bswap64(id);
    proto_bytes(span, field, (struct str){(const char *)&bytes, 8});
}

static void add_trace_id(struct buf *out, unsigned field, struct trace_id id)
{
    uint64_t bytes[2] = {__builtin_bswap64(id.high), __builtin_bswap64(id.low)};
    proto_bytes(out, field, (struct str){(const char *)bytes, 16});
}

/* What a machine's clock says. */
static uint64_t clock_of(const struct walk *walk, uint32_t sender, uint64_t at_ns)
{
    const struct simulation *sim = walk->sim;
    const struct mesh_pod *pod = &sim->mesh->pods[sender / 2];
    struct spot spot = {.callee = pod->service, .version = pod->version, .pod = MESH_NONE};
    const struct effect *jump = fault_effect(sim->fault, EFFECT_CLOCK, at_ns, &spot);
    int64_t off_ns = sim->senders[sender].clock_ns;
    if (jump && jump->host == pod->host)
        off_ns += jump->add_ns;
    return (uint64_t)((int64_t)at_ns + off_ns);
}

struct buf *span_begin(struct walk *walk, uint32_t sender, const struct span_times *times,
                       struct str name, enum span_kind kind)
{
    struct buf *span = &walk->sim->span;
    bool proxy = sender & 1;
    uint64_t unit_ns = proxy ? NS_PER_US : 1; /* Envoy counts microseconds */
    buf_reset(span);
    add_trace_id(span, 1, walk->id);
    add_id(span, 2, times->id);
    if (walk->sim->settings.sampling < 1)
        proto_bytes(span, 3, str_of(walk->sim->trace_state));
    if (times->parent_id)
        add_id(span, 4, times->parent_id);
    proto_bytes(span, 5, name);
    proto_varint(span, 6, kind);
    proto_fixed64(span, 7, clock_of(walk, sender, times->start_ns) / unit_ns * unit_ns);
    proto_fixed64(span, 8, clock_of(walk, sender, times->end_ns) / unit_ns * unit_ns);
    return span;
}

void span_end(struct walk *walk, uint32_t sender, const struct span_times *times,
              enum span_status status, const char *message)
{
    struct simulation *sim = walk->sim;
    struct buf *span = &sim->span;
    struct buf text;
    if (status == STATUS_ERROR) {
        buf_init(&text, 1024);
        if (message && message[0])
            proto_bytes(&text, 2, str_of(message));
        proto_varint(&text, 3, status);
        proto_bytes(span, 15, buf_str(&text));
        buf_fini(&text);
    }
    /* W3C flags: sampled, and whether the parent is known to be remote, and is. */
    bool remote = times->parent_id && times->remote;
    proto_fixed32(span, 16, 0x101u | (remote ? 0x200u : 0));
    uint64_t tick = times->end_ns / TICK_NS;
    if (tick < sim->tick)
        tick = sim->tick;
    if (tick >= sim->tick + RING)
        tick = sim->tick + RING - 1;
    struct buf *slot = &sim->ring[tick % RING];
    uint32_t head[2] = {sender, 0};
    size_t at = slot->len;
    buf_add(slot, head, sizeof(head));
    proto_bytes(slot, 2, buf_str(span));
    if (buf_failed(slot) || buf_failed(span))
        return;
    head[1] = (uint32_t)(slot->len - at - sizeof(head));
    memcpy(slot->p + at, head, sizeof(head));
}

/* "GET /p/{id}" -> "/p/4711" */
struct str path_of_operation(const struct walk *walk, const struct mesh_operation *operation,
                             char out[MAX_PATH])
{
    const char *slash = strchr(operation->name, '/');
    if (operation->protocol == PROTOCOL_GRPC) {
        snprintf(out, MAX_PATH, "/%s", operation->name);
    } else {
        const char *brace = strchr(slash, '{');
        if (brace)
            snprintf(out, MAX_PATH, "%.*s%u", (int)(brace - slash), slash, walk->item);
        else
            snprintf(out, MAX_PATH, "%s", slash);
    }
    return str_of(out);
}

struct str method_of_operation(const struct mesh_operation *operation)
{
    const char *blank = strchr(operation->name, ' ');
    if (operation->protocol == PROTOCOL_HTTP && blank)
        return (struct str){operation->name, (size_t)(blank - operation->name)};
    return STR("POST");
}

static void add_grpc(struct buf *span, const struct mesh_operation *operation, int grpc)
{
    struct str service, method;
    str_cut(str_of(operation->name), '/', &service, &method);
    proto_text(span, 9, "rpc.system", STR("grpc"));
    proto_text(span, 9, "rpc.service", service);
    proto_text(span, 9, "rpc.method", method);
    if (grpc >= 0)
        proto_int(span, 9, "rpc.grpc.status_code", (uint64_t)grpc);
}

static void add_exception(struct buf *span, uint64_t at_ns, const struct answer *answer)
{
    struct buf event;
    char trace[256];
    buf_init(&event, 4096);
    proto_fixed64(&event, 1, at_ns);
    proto_bytes(&event, EVENT_NAME, STR("exception"));
    proto_text(&event, 3, "exception.type", str_of(answer->exception));
    proto_text(&event, 3, "exception.message", str_of(answer->message));
    snprintf(trace, sizeof(trace), "%s: %s\n    at handle(request)\n    at serve()",
             answer->exception, answer->message);
    proto_text(&event, 3, "exception.stacktrace", str_of(trace));
    proto_bytes(span, 11, buf_str(&event));
    buf_fini(&event);
}

static void add_http_server(struct walk *walk, const struct visit *visit,
                            const struct mesh_operation *operation, const struct answer *answer)
{
    struct buf *span = &walk->sim->span;
    char path[MAX_PATH];
    const char *route = strchr(operation->name, '/');
    proto_text(span, 9, "http.request.method", method_of_operation(operation));
    proto_text(span, 9, "url.scheme", STR("http"));
    proto_text(span, 9, "url.path", path_of_operation(walk, operation, path));
    proto_text(span, 9, "http.route", str_of(route ? route : "/"));
    proto_int(span, 9, "http.response.status_code", answer->http);
    proto_text(span, 9, "network.protocol.version", STR("1.1"));
    proto_text(span, 9, "server.address",
               str_of(visit->entry ? walk->sim->mesh->host : walk->sim->hosts[visit->service]));
    proto_text(span, 9, "user_agent.original", str_of(walk->agent));
}

static void span_finish(struct walk *walk, uint32_t sender, const struct span_times *times,
                        const struct answer *answer, bool error)
{
    struct buf *span = &walk->sim->span;
    if (error && answer->exception)
        proto_text(span, 9, "error.type", str_of(answer->exception));
    if (error && answer->exception && !answer->explained && !answer->unreached)
        add_exception(span, clock_of(walk, sender, times->end_ns - 20 * NS_PER_US), answer);
    span_end(walk, sender, times, error ? STATUS_ERROR : STATUS_UNSET,
             answer->failed ? answer->message : "");
}

void span_server(struct walk *walk, const struct visit *visit, const struct span_times *times,
                 const struct answer *answer)
{
    if (!walk->sampled || walk->sim->settings.no_applications)
        return;
    const struct mesh_operation *operation = &walk->sim->mesh->operations[visit->operation];
    uint32_t sender = 2u * visit->pod;
    struct buf *span = span_begin(walk, sender, times, str_of(operation->name), KIND_SERVER);
    if (operation->protocol == PROTOCOL_GRPC) {
        add_grpc(span, operation, answer->grpc);
        proto_text(span, 9, "server.address", str_of(walk->sim->hosts[visit->service]));
    } else {
        add_http_server(walk, visit, operation, answer);
    }
    if (visit->caller_pod != MESH_NONE)
        proto_text(span, 9, "network.peer.address",
                   str_of(walk->sim->mesh->pods[visit->caller_pod].ip));
    span_finish(walk, sender, times, answer, answer->failed);
}

static void add_sql(struct walk *walk, const struct mesh_operation *operation,
                    const struct mesh_service *service)
{
    struct buf *span = &walk->sim->span;
    struct str verb, table;
    char query[128];
    str_cut(str_of(operation->name), ' ', &verb, &table);
    bool select = str_eq(verb, STR("SELECT"));
    snprintf(query, sizeof(query),
             select ? "SELECT * FROM %.*s WHERE id = $1"
                    : "UPDATE %.*s SET n = n - $2 WHERE id = $1",
             STR_ARG(table));
    proto_text(span, 9, "db.system.name", STR("postgresql"));
    proto_text(span, 9, "db.namespace", STR("shop"));
    proto_text(span, 9, "db.operation.name", verb);
    proto_text(span, 9, "db.collection.name", table);
    proto_text(span, 9, "db.query.text", str_of(query));
    proto_text(span, 9, "peer.service", str_of(service->name));
}

static void add_redis(struct walk *walk, const struct mesh_operation *operation,
                      const struct mesh_service *service)
{
    struct buf *span = &walk->sim->span;
    char query[96];
    snprintf(query, sizeof(query), "%s key:?", operation->name);
    proto_text(span, 9, "db.system.name", STR("redis"));
    proto_text(span, 9, "db.operation.name", str_of(operation->name));
    proto_text(span, 9, "db.query.text", str_of(query));
    proto_text(span, 9, "peer.service", str_of(service->name));
}

static void add_http_client(struct walk *walk, const struct call *call,
                            const struct mesh_operation *operation, const struct answer *answer)
{
    struct buf *span = &walk->sim->span;
    char path[MAX_PATH], url[256];
    const char *host = call->turns ? walk->sim->mesh->host : walk->sim->hosts[call->service];
    const struct mesh_service *service = &walk->sim->mesh->services[call->service];
    path_of_operation(walk, operation, path);
    bool tls = service->place == PLACE_EXTERNAL && !call->proxied;
    if (call->turns || service->port == 443)
        snprintf(url, sizeof(url), "%s://%s%s", tls ? "https" : "http", host, path);
    else
        snprintf(url, sizeof(url), "http://%s:%u%s", host, service->port, path);
    proto_text(span, 9, "http.request.method", method_of_operation(operation));
    proto_text(span, 9, "url.full", str_of(url));
    if (answer->http)
        proto_int(span, 9, "http.response.status_code", answer->http);
}

static void add_target(struct walk *walk, const struct call *call)
{
    struct buf *span = &walk->sim->span;
    const struct mesh_service *service = &walk->sim->mesh->services[call->service];
    const char *host = call->turns ? walk->sim->mesh->host : walk->sim->hosts[call->service];
    proto_text(span, 9, "server.address", str_of(host));
    proto_int(span, 9, "server.port", call->turns ? 80 : service->port);
}

void span_client(struct walk *walk, const struct call *call, const struct span_times *times,
                 const struct answer *answer)
{
    const struct mesh *mesh = walk->sim->mesh;
    const struct mesh_operation *operation = &mesh->operations[call->operation];
    const struct mesh_service *service = &mesh->services[call->service];
    if (!walk->sampled || walk->sim->settings.no_applications)
        return;
    uint32_t sender = 2u * call->from->pod;
    struct str name = str_of(operation->name);
    if (operation->protocol == PROTOCOL_HTTP)
        name = method_of_operation(operation);
    struct buf *span = span_begin(walk, sender, times, name, KIND_CLIENT);
    if (operation->protocol == PROTOCOL_SQL)
        add_sql(walk, operation, service);
    else if (operation->protocol == PROTOCOL_REDIS)
        add_redis(walk, operation, service);
    else if (operation->protocol == PROTOCOL_GRPC)
        add_grpc(span, operation, answer->unreached && !call->proxied ? 14 : answer->grpc);
    else
        add_http_client(walk, call, operation, answer);
    add_target(walk, call);
    if (answer->attempts > 1 && !call->proxied)
        proto_int(span, 9, "http.request.resend_count", answer->attempts - 1u);
    span_finish(walk, sender, times, answer, answer->failed || answer->client_error);
}

void span_internal(struct walk *walk, const struct visit *visit, const struct span_times *times,
                   const char *name)
{
    if (!walk->sampled || walk->sim->settings.no_applications)
        return;
    uint32_t sender = 2u * visit->pod;
    struct buf *span = span_begin(walk, sender, times, str_of(name), KIND_INTERNAL);
    proto_text(span, 9, "code.function.name", STR("views.render"));
    span_end(walk, sender, times, STATUS_UNSET, "");
}

static void add_queue(struct buf *span, const char *queue, const char *operation)
{
    proto_text(span, 9, "messaging.system", STR("kafka"));
    proto_text(span, 9, "messaging.destination.name", str_of(queue));
    proto_text(span, 9, "messaging.operation.type", str_of(operation));
    proto_text(span, 9, "messaging.destination.partition.id", STR("3"));
}

void span_send(struct walk *walk, const struct call *call, const struct span_times *times)
{
    const struct mesh_service *queue = &walk->sim->mesh->services[call->service];
    if (!walk->sampled || walk->sim->settings.no_applications)
        return;
    uint32_t sender = 2u * call->from->pod;
    struct str name = str_of(walk->sim->mesh->operations[call->operation].name);
    struct buf *span = span_begin(walk, sender, times, name, KIND_PRODUCER);
    add_queue(span, queue->name, "send");
    span_end(walk, sender, times, STATUS_UNSET, "");
}

void span_consume(struct walk *walk, const struct visit *visit, const struct span_times *times,
                  const struct answer *answer, const struct sent *sent)
{
    if (!walk->sampled || walk->sim->settings.no_applications)
        return;
    uint32_t sender = 2u * visit->pod;
    struct str name = str_of(walk->sim->mesh->operations[visit->operation].name);
    struct buf *span = span_begin(walk, sender, times, name, KIND_CONSUMER), link;
    add_queue(span, walk->sim->mesh->services[sent->queue].name, "process");
    proto_text(span, 9, "messaging.consumer.group.name",
               str_of(walk->sim->mesh->services[visit->service].name));
    buf_init(&link, 256);
    add_trace_id(&link, 1, sent->trace_id);
    add_id(&link, 2, sent->span_id);
    proto_bytes(span, 13, buf_str(&link));
    buf_fini(&link);
    span_finish(walk, sender, times, answer, answer->failed);
}
