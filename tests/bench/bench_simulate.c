/* bench_simulate.c - spans a second and a core that the simulator makes: the shop at work, bodies
 * and truth included, nothing sent. It must never be what limits a measurement.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/simulate/simulation.h"

#define RUNS 7
#define RUN_S 60 /* of event time */
#define START_NS UINT64_C(1795000000000000000)

static uint64_t n_calls;

static void count(const struct truth *truth, void *ctx)
{
    (void)truth;
    (void)ctx;
    n_calls++;
}

/* Nanoseconds a span. */
static double run(const struct mesh *mesh, const struct fault_plan *fault, uint64_t seed)
{
    struct simulation_settings settings = {
        .mesh = mesh,
        .fault = fault,
        .seed = seed,
        .begin_ns = START_NS,
        .rate = 200,
        .day_ns = 24 * 60 * NS_PER_MINUTE,
        .sampling = 1,
        .flush_ns = NS_PER_S,
        .body_spans = 500,
        .truth = count,
    };
    struct simulation *simulation = simulation_new(&settings);
    struct simulated_body body;
    if (!simulation)
        exit(3);
    uint64_t begin_ns = clock_mono_ns();
    while (simulation_next(simulation, START_NS + RUN_S * NS_PER_S, &body)) {
    }
    double ns = (double)(clock_mono_ns() - begin_ns) / (double)simulation_spans(simulation);
    simulation_free(simulation);
    return ns;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    struct mesh *mesh;
    struct fault_plan fault;
    struct err err;
    double ns[RUNS];
    if (mesh_open("shop", &mesh, &err) || fault_open("pool-overflow", mesh, 1, &fault, &err))
        return 3;
    fault.from_ns = START_NS + RUN_S / 2 * NS_PER_S;
    for (int i = 0; i < RUNS; i++)
        ns[i] = run(mesh, &fault, (uint64_t)i + 1);
    qsort(ns, RUNS, sizeof(ns[0]), by_size);
    printf("{\"bench\":\"simulate\",\"spans_per_s\":%.0f,\"ns_per_span\":%.1f,\"fastest\":%.1f,"
           "\"slowest\":%.1f,\"calls\":%llu}\n",
           1e9 / ns[RUNS / 2], ns[RUNS / 2], ns[0], ns[RUNS - 1], (unsigned long long)n_calls);
    mesh_close(mesh);
    return 0;
}
