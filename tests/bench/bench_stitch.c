/* bench_stitch.c - spans a second and a core through stitch() alone: workload W, decoded and
 * gathered by trace beforehand, its request ids noted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/decode/decode.h"
#include "collector/model/shapes.h"
#include "collector/simulate/workload.h"
#include "collector/stitch/live.h"
#include "collector/stitch/requests.h"
#include "collector/stitch/stitch.h"

#define SPANS 200000
#define RUNS 7

static struct live_table table;
static struct requests *requests;

static void take_body(struct shapes *shapes, struct str body, struct buf *scratch)
{
    struct batch *batch;
    struct err err;
    if (decode_body(FORMAT_OTLP_PB, ENCODING_IDENTITY, body, &limits_default, &batch, &err) ||
        !shapes_next_batch(shapes, batch->n_resources))
        exit(3);
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        const struct span *span = &batch->spans[i];
        struct record record;
        struct live *live = live_find(&table, span->trace_id);
        live = live ? live : live_add(&table, span->trace_id);
        if (!live || !shapes_record(shapes, span, FORMAT_OTLP_PB, scratch, &record) ||
            !live_append(&table, live, &record))
            exit(3);
        if (record.request_id)
            requests_add(requests, request_trace(span->trace_id), &record);
    }
    batch_free(batch);
}

/* Nanoseconds a span, over all traces once. */
static double run(struct stitch *stitch, struct record **traces)
{
    static const struct knowledge knowledge;
    uint64_t begin_ns = clock_mono_ns(), n_spans = 0;
    for (uint32_t i = 0; i < table.n; i++) {
        struct arena arena;
        struct graph graph;
        arena_init(&arena, 1u << 26);
        stitch_name_trace(stitch, table.entries[i]->id);
        if (!stitch_trace(stitch, traces[i], table.entries[i]->n, &knowledge, &arena, &graph))
            exit(3);
        n_spans += table.entries[i]->n;
        arena_fini(&arena);
    }
    return (double)(clock_mono_ns() - begin_ns) / (double)n_spans;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    struct names *names = names_new(1u << 20, 64u << 20);
    struct nodes *nodes = nodes_new(1u << 16);
    struct shapes_limits limits = {.max_shapes = 1u << 20, .max_set_bytes = 64u << 20};
    struct shapes *shapes = shapes_new(names, nodes, &limits);
    struct workload *workload = workload_new(1, 500);
    struct workload_batch batch;
    struct buf scratch;
    double ns[RUNS];
    buf_init(&scratch, 64u << 20);
    live_table_init(&table);
    requests = requests_new();
    for (uint32_t sent = 0; sent < SPANS; sent += batch.n_spans) {
        workload_next(workload, clock_wall_ns(), &batch);
        take_body(shapes, batch.body, &scratch);
    }
    while (workload_rest(workload, &batch))
        take_body(shapes, batch.body, &scratch);
    struct record **traces = calloc(table.n, sizeof(*traces));
    for (uint32_t i = 0; traces && i < table.n; i++) {
        uint32_t n = 0;
        traces[i] = calloc(table.entries[i]->n, sizeof(**traces));
        for (const struct live_record *at = table.entries[i]->first; at; at = at->next)
            traces[i][n++] = at->record;
    }
    struct stitch *stitch = stitch_new(names, nodes);
    stitch_set_requests(stitch, requests);
    for (int i = 0; traces && i < RUNS; i++)
        ns[i] = run(stitch, traces);
    qsort(ns, RUNS, sizeof(ns[0]), by_size);
    printf("{\"bench\":\"stitch\",\"spans_per_s\":%.0f,\"ns_per_span\":%.1f,\"fastest\":%.1f,"
           "\"slowest\":%.1f}\n",
           1e9 / ns[RUNS / 2], ns[RUNS / 2], ns[0], ns[RUNS - 1]);
    return 0;
}
