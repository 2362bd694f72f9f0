/* workload.c - spans are copied from templates that were encoded once, and patched in place: the
 * generator must cost little beside the program that is measured.
 *
 *   gateway SERVER > CLIENT > A SERVER > CLIENT > B SERVER > CLIENT > C SERVER > CLIENT > D SERVER
 *                                                                             > CLIENT (its callee
 * sends no span)
 */
#include "collector/simulate/workload.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/simulate/draw.h"
#include "collector/simulate/proto.h"

#define N_SERVICES (WORKLOAD_SERVICES + 1)
#define N_TARGETS 4 /* services that one service calls */
#define REQUEST_ID_BYTES 36

/* Where the changing bytes of a template lie. */
struct template
{
    char *bytes; /* field 2 of ScopeSpans: tag, length, Span */
    uint32_t n;
    uint32_t trace_id, span_id, parent_id, start, end, request_id, url;
};

struct service_load {
    struct template server[WORKLOAD_PODS], client[WORKLOAD_PODS][N_TARGETS];
    struct buf head[WORKLOAD_PODS]; /* Resource and scope, encoded */
    struct buf spans;               /* what is gathered for the next body */
    struct workload_span *ids;
    uint32_t n_spans;
    unsigned pod; /* whose spans are gathered */
    unsigned targets[N_TARGETS];
};

struct workload {
    struct service_load services[N_SERVICES];
    uint32_t batch_spans;
    struct draw random;
    uint64_t n_traces;
    struct buf body;
    struct workload_span *sent;
};

static uint64_t draw(struct workload *workload)
{
    return draw_number(&workload->random);
}

static void service_name(unsigned service, char name[32])
{
    if (service == 0)
        snprintf(name, 32, "istio-ingressgateway");
    else
        snprintf(name, 32, "service-%02u", service);
}

struct span_kind_attrs {
    unsigned service, pod, target;
    bool client;
};

static void add_attributes(struct buf *span, const struct span_kind_attrs *of)
{
    char name[32], target[32], text[160];
    service_name(of->service, name);
    service_name(of->target, target);
    const char *namespace = of->service ? "default" : "istio-system";
    proto_text(span, 9, "guid:x-request-id", str_of("00000000-0000-9000-8000-000000000000"));
    snprintf(text, sizeof(text), "%s~10.0.%u.%u~%s-v1-5c8b9c7d6f-%05u.%s~%s.svc.cluster.local",
             of->service ? "sidecar" : "router", of->service, 10 + of->pod, name, of->pod,
             namespace, namespace);
    proto_text(span, 9, "node_id", str_of(text));
    snprintf(text, sizeof(text), "http://%s.default.svc.cluster.local:9080/api/v1/items/00000000",
             of->client ? target : name);
    proto_text(span, 9, "http.url", str_of(text));
    proto_text(span, 9, "http.method", str_of("GET"));
    proto_text(span, 9, "http.status_code", str_of("200"));
    proto_text(span, 9, "component", str_of("proxy"));
    proto_text(span, 9, "response_flags", str_of("-"));
    if (of->client)
        snprintf(text, sizeof(text), "outbound|9080||%s.default.svc.cluster.local", target);
    else
        snprintf(text, sizeof(text), "inbound|9080||");
    proto_text(span, 9, "upstream_cluster", str_of(text));
    proto_text(span, 9, "istio.canonical_service", str_of(name));
    proto_text(span, 9, "istio.canonical_revision", str_of("v1"));
    proto_text(span, 9, "istio.namespace", str_of(namespace));
    proto_text(span, 9, "istio.cluster_id", str_of("Kubernetes"));
}

static uint32_t offset_of(const struct buf *buf, const char *text)
{
    const char *at = memmem(buf->p, buf->len, text, strlen(text));
    return at ? (uint32_t)(at - buf->p) : 0;
}

static bool make_template(struct template *template, const struct span_kind_attrs *of)
{
    char zero[16] = {0}, name[96], target[32];
    struct buf span, whole;
    buf_init(&span, 1u << 16);
    buf_init(&whole, 1u << 16);
    proto_bytes(&span, 1, (struct str){zero, 16});
    uint32_t trace_id = span.len - 16;
    proto_bytes(&span, 2, (struct str){zero, 8});
    uint32_t span_id = span.len - 8;
    proto_bytes(&span, 4, (struct str){zero, 8});
    uint32_t parent_id = span.len - 8;
    service_name(of->client ? of->target : of->service, target);
    snprintf(name, sizeof(name), "%s.default.svc.cluster.local:9080/*", target);
    proto_bytes(&span, 5, str_of(name));
    buf_add_varint(&span, 6 << 3);
    buf_add_varint(&span, of->client ? KIND_CLIENT : KIND_SERVER);
    proto_fixed64(&span, 7, 0);
    uint32_t start = span.len - 8;
    proto_fixed64(&span, 8, 0);
    uint32_t end = span.len - 8;
    add_attributes(&span, of);
    proto_bytes(&whole, 2, buf_str(&span));
    uint32_t ahead = whole.len - span.len;
    *template = (struct template){
        .n = whole.len,
        .trace_id = ahead + trace_id,
        .span_id = ahead + span_id,
        .parent_id = ahead + parent_id,
        .start = ahead + start,
        .end = ahead + end,
        .request_id = offset_of(&whole, "00000000-0000-9000"),
        .url = offset_of(&whole, "/items/00000000") + 7,
    };
    template->bytes = buf_detach(&whole, NULL);
    buf_fini(&span);
    return template->bytes != NULL;
}

static void make_head(struct buf *head, unsigned service)
{
    char name[64], short_name[32];
    struct buf resource;
    service_name(service, short_name);
    snprintf(name, sizeof(name), "%s.%s", short_name, service ? "default" : "istio-system");
    buf_init(&resource, 4096);
    proto_text(&resource, 1, "service.name", str_of(name));
    proto_text(&resource, 1, "telemetry.sdk.language", str_of("cpp"));
    proto_text(&resource, 1, "telemetry.sdk.name", str_of("envoy"));
    buf_init(head, 8192);
    proto_bytes(head, 1, buf_str(&resource));
    buf_fini(&resource);
}

static bool make_service(struct workload *workload, unsigned service)
{
    struct service_load *load = &workload->services[service];
    bool ok = true;
    for (unsigned t = 0; t < N_TARGETS; t++)
        load->targets[t] = 1 + (service * 7 + t * 11) % WORKLOAD_SERVICES;
    for (unsigned pod = 0; pod < WORKLOAD_PODS; pod++) {
        make_head(&load->head[pod], service);
        struct span_kind_attrs server = {.service = service, .pod = pod};
        ok = ok && make_template(&load->server[pod], &server);
        for (unsigned t = 0; t < N_TARGETS; t++) {
            struct span_kind_attrs client = {service, pod, load->targets[t], true};
            ok = ok && make_template(&load->client[pod][t], &client);
        }
    }
    buf_init(&load->spans, (size_t)(workload->batch_spans + WORKLOAD_SPANS_PER_TRACE) * 2048);
    load->ids = calloc(workload->batch_spans + WORKLOAD_SPANS_PER_TRACE, sizeof(*load->ids));
    return ok && load->ids;
}

struct workload *workload_new(uint64_t seed, uint32_t batch_spans)
{
    struct workload *workload = calloc(1, sizeof(*workload));
    if (!workload)
        return NULL;
    workload->random.state = seed;
    workload->batch_spans = batch_spans;
    buf_init(&workload->body, (size_t)(batch_spans + WORKLOAD_SPANS_PER_TRACE) * 2048 + 8192);
    workload->sent = calloc(batch_spans + WORKLOAD_SPANS_PER_TRACE, sizeof(*workload->sent));
    bool ok = workload->sent != NULL;
    for (unsigned service = 0; service < N_SERVICES; service++)
        ok = make_service(workload, service) && ok;
    if (ok)
        return workload;
    workload_free(workload);
    return NULL;
}

void workload_free(struct workload *workload)
{
    if (!workload)
        return;
    for (unsigned service = 0; service < N_SERVICES; service++) {
        struct service_load *load = &workload->services[service];
        for (unsigned pod = 0; pod < WORKLOAD_PODS; pod++) {
            free(load->server[pod].bytes);
            buf_fini(&load->head[pod]);
            for (unsigned t = 0; t < N_TARGETS; t++)
                free(load->client[pod][t].bytes);
        }
        buf_fini(&load->spans);
        free(load->ids);
    }
    buf_fini(&workload->body);
    free(workload->sent);
    free(workload);
}

/* One trace while it is made. */
struct making {
    struct trace_id id;
    char request_id[REQUEST_ID_BYTES + 1];
    char item[9];
    uint64_t start_ns, duration_ns; /* of the next span to be made */
};

static void patch(char *span, uint32_t at, uint64_t number, bool big_endian)
{
    uint64_t bytes = big_endian ? __builtin_bswap64(number) : number;
    memcpy(span + at, &bytes, sizeof(bytes));
}

static uint64_t add_span(struct workload *workload, unsigned service, const struct making *making,
                         const struct template *template, uint64_t parent_id)
{
    struct service_load *load = &workload->services[service];
    uint64_t span_id = draw(workload) | 1;
    size_t at = load->spans.len;
    buf_add(&load->spans, template->bytes, template->n);
    char *span = load->spans.p + at;
    patch(span, template->trace_id, making->id.high, true);
    patch(span, template->trace_id + 8, making->id.low, true);
    patch(span, template->span_id, span_id, true);
    patch(span, template->parent_id, parent_id, true);
    patch(span, template->start, making->start_ns, false);
    patch(span, template->end, making->start_ns + making->duration_ns, false);
    memcpy(span + template->request_id, making->request_id, REQUEST_ID_BYTES);
    memcpy(span + template->url, making->item, 8);
    load->ids[load->n_spans++] = (struct workload_span){making->id, span_id};
    return span_id;
}

/* The next span lies inside the one before it. */
static void shrink(struct workload *workload, struct making *making)
{
    uint64_t margin = 100 * NS_PER_US + draw(workload) % (400 * NS_PER_US);
    making->start_ns += margin;
    making->duration_ns -= 2 * margin;
}

static uint64_t add_server(struct workload *workload, unsigned service, struct making *making,
                           uint64_t parent_id)
{
    const struct service_load *load = &workload->services[service];
    uint64_t id = add_span(workload, service, making, &load->server[load->pod], parent_id);
    shrink(workload, making);
    return id;
}

static unsigned add_client(struct workload *workload, unsigned service, struct making *making,
                           uint64_t *parent_id)
{
    const struct service_load *load = &workload->services[service];
    unsigned t = draw(workload) % N_TARGETS;
    *parent_id = add_span(workload, service, making, &load->client[load->pod][t], *parent_id);
    shrink(workload, making);
    return load->targets[t];
}

static void make_trace(struct workload *workload, uint64_t now_ns)
{
    struct making making = {.id = {draw(workload), draw(workload) | 1}};
    uint64_t a = draw(workload), b = draw(workload);
    snprintf(making.request_id, sizeof(making.request_id), "%08x-%04x-9%03x-%04x-%012llx",
             (unsigned)a, (unsigned)(a >> 32) & 0xffff, (unsigned)(a >> 48) & 0xfff,
             (unsigned)(b >> 48), (unsigned long long)(b & 0xffffffffffff));
    snprintf(making.item, sizeof(making.item), "%08u", (unsigned)(b % 100000000));
    making.duration_ns = 20 * NS_PER_MS + draw(workload) % (30 * NS_PER_MS);
    making.start_ns = now_ns - making.duration_ns;
    uint64_t parent = 0, last_server = 0;
    unsigned service = 0, last = 0;
    struct making sibling = making;
    for (int depth = 0; depth < 4; depth++) {
        parent = last_server = add_server(workload, service, &making, parent);
        sibling = making;
        last = service;
        service = add_client(workload, service, &making, &parent);
    }
    add_server(workload, service, &making, parent);
    add_client(workload, last, &sibling, &last_server);
    workload->n_traces++;
}

/* Wraps what a service has gathered: ResourceSpans { resource, ScopeSpans { spans } }. */
static void wrap(struct workload *workload, unsigned service, struct workload_batch *batch)
{
    struct service_load *load = &workload->services[service];
    const struct buf *head = &load->head[load->pod];
    struct buf scope_head;
    buf_init(&scope_head, 64);
    buf_add_varint(&scope_head, 2 << 3 | 2);
    buf_add_varint(&scope_head, load->spans.len);
    buf_reset(&workload->body);
    buf_add_varint(&workload->body, 1 << 3 | 2);
    buf_add_varint(&workload->body, head->len + scope_head.len + load->spans.len);
    buf_add_str(&workload->body, buf_str(head));
    buf_add_str(&workload->body, buf_str(&scope_head));
    buf_add_str(&workload->body, buf_str(&load->spans));
    buf_fini(&scope_head);
    memcpy(workload->sent, load->ids, load->n_spans * sizeof(*load->ids));
    *batch =
        (struct workload_batch){service, load->n_spans, buf_str(&workload->body), workload->sent};
    buf_reset(&load->spans);
    load->n_spans = 0;
    load->pod = (load->pod + 1) % WORKLOAD_PODS;
}

void workload_next(struct workload *workload, uint64_t now_ns, struct workload_batch *batch)
{
    for (;;) {
        for (unsigned service = 0; service < N_SERVICES; service++) {
            if (workload->services[service].n_spans + WORKLOAD_SPANS_PER_TRACE >
                workload->batch_spans) {
                wrap(workload, service, batch);
                return;
            }
        }
        make_trace(workload, now_ns);
    }
}

bool workload_rest(struct workload *workload, struct workload_batch *batch)
{
    for (unsigned service = 0; service < N_SERVICES; service++) {
        if (workload->services[service].n_spans) {
            wrap(workload, service, batch);
            return true;
        }
    }
    return false;
}

uint64_t workload_traces(const struct workload *workload)
{
    return workload->n_traces;
}
