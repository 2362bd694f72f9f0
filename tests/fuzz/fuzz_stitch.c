/* fuzz_stitch.c - the input decides on the spans of one trace. Stitched in two orders of arrival
 * they give one graph; every span has one class, every call lies within its trace.
 */
#include <string.h>

#include "collector/model/shapes.h"
#include "collector/stitch/stitch.h"
#include "tests/fuzz/fuzz.h"
#include "tests/oracle/choices.h"

#define MAX_SPANS 24u
#define N_SERVICES 5u

static struct names *names;
static struct nodes *nodes;
static struct shapes *shapes;
static struct stitch *stitch;

static void start(void)
{
    static const struct shapes_limits limits = {.max_shapes = 1u << 20,
                                                .max_set_bytes = (size_t)64 << 20};
    names = names_new(1u << 20, (size_t)64 << 20);
    nodes = nodes_new(1u << 16);
    shapes = shapes_new(names, nodes, &limits);
    stitch = stitch_new(names, nodes);
    FUZZ_CHECK(names && nodes && shapes && stitch, "memory is short");
}

static void make_span(struct choices *choices, uint32_t i, uint32_t n, struct resource *resource,
                      struct span *span)
{
    static const struct str services[N_SERVICES] = {
        {"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"gw", 2}};
    static const struct str upstreams[4] = {{"", 0},
                                            {"outbound|80||b.default.svc.cluster.local", 40},
                                            {"inbound|80||", 12},
                                            {"outbound|80|v2|c.default.svc.cluster.local", 42}};
    unsigned service = choose(choices, N_SERVICES);
    bool proxy = choose(choices, 3) == 1;
    *span = (struct span){.trace_id = {1, 2},
                          .span_id = i + 1,
                          .parent_id = choose(choices, (unsigned)n + 2),
                          .start_ns = 1000000000 + choose_u64(choices) % 4096 * 1000000,
                          .duration_ns = choose_u64(choices) % 2048 * 1000000,
                          .kind = (uint8_t)choose(choices, N_KINDS),
                          .status = (uint8_t)choose(choices, N_STATUSES),
                          .name = STR("op"),
                          .resource = resource};
    resource->service = services[service];
    resource->index = i;
    span->facts = (struct facts){.service = services[service],
                                 .operation = STR("op"),
                                 .http_status = choose(choices, 4) == 1 ? 503 : CODE_NONE,
                                 .grpc_status = CODE_NONE,
                                 .weight = 1.0f};
    span->shared = choose(choices, 4) == 1;
    span->facts.resend_count = choose(choices, 6) == 1 ? (uint16_t)choose(choices, 3) : 0;
    if (choose(choices, 5) == 1)
        span->facts.peer = services[choose(choices, N_SERVICES)];
    if (proxy) {
        span->facts.proxy = (uint8_t)choose(choices, PROXY_WAYPOINT + 1);
        span->facts.upstream_cluster = upstreams[choose(choices, 4)];
        span->facts.flags =
            choose(choices, 6) == 1 ? FLAG_BIT(choose(choices, N_RESPONSE_FLAGS)) : 0;
        if (span->facts.flags)
            span->facts.response_flags = STR("UF");
    }
}

static void check(const struct graph *graph, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        unsigned class = graph->spans[i].class;
        FUZZ_CHECK(class >= LEDGER_PAIRED && class <= LEDGER_LOCAL, "class %u", class);
        FUZZ_CHECK(graph->spans[i].fault < N_FAULTS, "fault %u", graph->spans[i].fault);
    }
    for (uint32_t i = 0; i < graph->n_calls; i++) {
        const struct call *call = &graph->calls[i];
        FUZZ_CHECK(call->caller_span == NO_SPAN || call->caller_span < n, "caller's half");
        FUZZ_CHECK(call->callee_span == NO_SPAN || call->callee_span < n, "callee's half");
        FUZZ_CHECK(call->caller && call->callee, "a call of nobody");
        FUZZ_CHECK(call->fault < N_FAULTS && call->known_by < N_KNOWN_BY, "words");
    }
    FUZZ_CHECK(!graph->trace.error || graph->trace.origin || graph->trace.origin_reason,
               "failed nowhere");
}

/* Indexes are by arrival: compared by the ids they stand for. */
static uint64_t id_at(const struct record *records, uint32_t i)
{
    return i == NO_SPAN ? 0 : records[i].span_id;
}

static void check_same(const struct graph *a, const struct record *x, const struct graph *b,
                       const struct record *y, uint32_t n)
{
    FUZZ_CHECK(a->n_calls == b->n_calls, "%u calls, %u", a->n_calls, b->n_calls);
    for (uint32_t i = 0; i < a->n_calls; i++) {
        struct call left = a->calls[i], right = b->calls[i];
        FUZZ_CHECK(id_at(x, left.caller_span) == id_at(y, right.caller_span) &&
                       id_at(x, left.callee_span) == id_at(y, right.callee_span),
                   "other halves");
        FUZZ_CHECK(left.caller == right.caller && left.callee == right.callee &&
                       left.fault == right.fault && left.known_by == right.known_by &&
                       left.retries == right.retries && left.recovered == right.recovered &&
                       left.caller_ns == right.caller_ns && left.transit_ns == right.transit_ns &&
                       left.via == right.via,
                   "call %u is another", i);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct span_result *left = &a->spans[i], *right = &b->spans[n - 1 - i];
        FUZZ_CHECK(left->class == right->class && left->fault == right->fault &&
                       left->self_ns == right->self_ns && left->node == right->node &&
                       left->part == right->part,
                   "span %llu is another", (unsigned long long)x[i].span_id);
    }
    FUZZ_CHECK(a->trace.error == b->trace.error && a->trace.origin == b->trace.origin &&
                   a->trace.entry == b->trace.entry && a->trace.parts == b->trace.parts,
               "another trace");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct knowledge knowledge;
    struct choices choices = choices_of_bytes(data, size);
    struct record forth[MAX_SPANS], back[MAX_SPANS];
    struct resource resources[MAX_SPANS];
    struct graph first, second;
    struct arena arena;
    struct buf scratch;
    if (!stitch)
        start();
    uint32_t n = choose(&choices, MAX_SPANS) + 1;
    arena_init(&arena, (size_t)64 << 20);
    buf_init(&scratch, (size_t)1 << 20);
    memset(resources, 0, sizeof(resources));
    FUZZ_CHECK(shapes_next_batch(shapes, n), "memory is short");
    for (uint32_t i = 0; i < n; i++) {
        struct span span;
        make_span(&choices, i, n, &resources[i], &span);
        FUZZ_CHECK(shapes_record(shapes, &span, FORMAT_OTLP_PB, &scratch, &forth[i]), "no record");
        forth[i].own = NULL;
        back[n - 1 - i] = forth[i];
    }
    FUZZ_CHECK(stitch_trace(stitch, forth, n, &knowledge, &arena, &first) &&
                   stitch_trace(stitch, back, n, &knowledge, &arena, &second),
               "memory is short");
    check(&first, n);
    check_same(&first, forth, &second, back, n);
    buf_fini(&scratch);
    arena_fini(&arena);
    return 0;
}
