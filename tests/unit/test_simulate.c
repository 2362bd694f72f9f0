/* test_simulate.c - the simulator: the same seed gives the same bytes, in whatever steps it is
 * asked; the truth adds up; every fault finds a place in every mesh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/base/crc.h"
#include "collector/decode/decode.h"
#include "collector/simulate/simulation.h"

#define BEGIN_NS (UINT64_C(1795000000) * NS_PER_S)

struct seen {
    uint64_t n_bodies, n_spans, n_calls, n_failed, n_origins, n_entries, n_failed_entries;
    uint32_t crc; /* of all bodies, in order */
};

static void note_truth(const struct truth *truth, void *ctx)
{
    struct seen *seen = ctx;
    bool entry = strcmp(truth->caller, "user") == 0;
    seen->n_calls++;
    seen->n_failed += truth->failed;
    seen->n_origins += truth->origin;
    seen->n_entries += entry;
    seen->n_failed_entries += entry && truth->failed;
    assert_true(truth->failed || !truth->origin);
    assert_false(truth->failed && (truth->client_error || truth->recovered));
    assert_true(truth->attempts >= 1);
}

static struct simulation_settings settings_for(const struct mesh *mesh, struct seen *seen)
{
    return (struct simulation_settings){.mesh = mesh,
                                        .seed = 7,
                                        .begin_ns = BEGIN_NS,
                                        .rate = 40,
                                        .day_ns = 24 * 60 * NS_PER_MINUTE,
                                        .sampling = 1,
                                        .flush_ns = NS_PER_S,
                                        .body_spans = 500,
                                        .truth = note_truth,
                                        .ctx = seen};
}

/* Spans are decoded as the collector does it; their number is what the simulator says. */
static void take_body(struct seen *seen, const struct simulated_body *body)
{
    struct batch *batch;
    struct err err = {0};
    assert_int_equal(
        decode_body(FORMAT_OTLP_PB, ENCODING_IDENTITY, body->body, &limits_default, &batch, &err),
        0);
    assert_int_equal(batch->n_spans, body->n_spans);
    assert_int_equal(batch->counts.n_rejected, 0);
    batch_free(batch);
    seen->n_bodies++;
    seen->n_spans += body->n_spans;
    seen->crc = crc32c(seen->crc, body->body.p, body->body.len);
}

/* Asked every `step_ns` for what has left. */
static void run(const struct simulation_settings *settings, uint64_t seconds, uint64_t step_ns)
{
    struct simulation *simulation = simulation_new(settings);
    struct simulated_body body;
    struct seen *seen = settings->ctx;
    assert_non_null(simulation);
    for (uint64_t at_ns = 0; at_ns < seconds * NS_PER_S; at_ns += step_ns) {
        while (simulation_next(simulation, BEGIN_NS + at_ns + step_ns, &body))
            take_body(seen, &body);
    }
    simulation_end(simulation);
    while (simulation_next(simulation, 0, &body))
        take_body(seen, &body);
    assert_int_equal(seen->n_spans, simulation_spans(simulation));
    assert_int_equal(seen->n_entries, simulation_requests(simulation));
    simulation_free(simulation);
}

static struct mesh *mesh_named(const char *name)
{
    struct mesh *mesh;
    struct err err = {0};
    assert_int_equal(mesh_open(name, &mesh, &err), 0);
    return mesh;
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    struct mesh *mesh = mesh_named("shop");
    struct seen first = {0}, steps = {0}, other = {0};
    struct simulation_settings settings = settings_for(mesh, &first);
    run(&settings, 20, 20 * NS_PER_S);
    settings.ctx = &steps;
    run(&settings, 20, 50 * NS_PER_MS);
    assert_int_equal(first.crc, steps.crc);
    assert_memory_equal(&first, &steps, sizeof(first));
    assert_true(first.n_spans > 5000);
    settings.ctx = &other;
    settings.seed = 8;
    run(&settings, 20, 20 * NS_PER_S);
    assert_int_not_equal(first.crc, other.crc);
    mesh_close(mesh);
}

/* Who sends spans changes nothing of what happens. */
static void the_truth_is_the_same_whoever_tells_it(void **state)
{
    (void)state;
    struct mesh *mesh = mesh_named("shop");
    struct seen all = {0}, applications = {0}, proxies = {0};
    struct simulation_settings settings = settings_for(mesh, &all);
    run(&settings, 20, NS_PER_S);
    settings.ctx = &applications;
    settings.no_sidecars = true;
    run(&settings, 20, NS_PER_S);
    settings.ctx = &proxies;
    settings.no_sidecars = false;
    settings.no_applications = true;
    run(&settings, 20, NS_PER_S);
    assert_int_equal(all.n_calls, applications.n_calls);
    assert_int_equal(all.n_calls, proxies.n_calls);
    assert_int_equal(all.n_failed, applications.n_failed);
    assert_int_equal(all.n_failed, proxies.n_failed);
    assert_true(all.n_spans > applications.n_spans && all.n_spans > proxies.n_spans);
    mesh_close(mesh);
}

static void sampling_sends_a_share_and_hides_no_truth(void **state)
{
    (void)state;
    struct mesh *mesh = mesh_named("shop");
    struct seen all = {0}, tenth = {0};
    struct simulation_settings settings = settings_for(mesh, &all);
    run(&settings, 60, NS_PER_S);
    settings.ctx = &tenth;
    settings.sampling = 0.1;
    run(&settings, 60, NS_PER_S);
    assert_int_equal(all.n_calls, tenth.n_calls);
    assert_true(tenth.n_spans > all.n_spans / 15 && tenth.n_spans < all.n_spans / 7);
    mesh_close(mesh);
}

static void quiet_traffic_fails_seldom(void **state)
{
    (void)state;
    struct mesh *mesh = mesh_named("shop");
    struct seen seen = {0};
    struct simulation_settings settings = settings_for(mesh, &seen);
    settings.rate = 200;
    run(&settings, 60, NS_PER_S);
    assert_true(seen.n_failed_entries > 0);
    assert_true(seen.n_failed_entries < seen.n_entries / 200);
    mesh_close(mesh);
}

static bool is_spoilt(const struct fault_plan *fault, const struct mesh *mesh)
{
    (void)mesh;
    return fault->row->quiet || fault->n_effects > 0;
}

static void every_fault_finds_a_place_in_every_mesh(void **state)
{
    static const char *const meshes[] = {"shop", "10", "50", "300"};
    struct err err = {0};
    (void)state;
    for (size_t m = 0; m < sizeof(meshes) / sizeof(meshes[0]); m++) {
        struct mesh *mesh = mesh_named(meshes[m]);
        for (const struct fault_row *row = fault_rows; row->name; row++) {
            for (uint64_t seed = 1; seed <= 20; seed++) {
                struct fault_plan fault;
                assert_int_equal(fault_open(row->name, mesh, seed, &fault, &err), 0);
                assert_true(is_spoilt(&fault, mesh));
                assert_true(fault.told[0] && fault.look[0]);
            }
        }
        mesh_close(mesh);
    }
    struct mesh *mesh;
    assert_int_equal(mesh_open("market", &mesh, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "shop"));
}

static void meshes_of_any_size_work(void **state)
{
    static const char *const meshes[] = {"3", "10", "50", "300", "400"};
    (void)state;
    for (size_t m = 0; m < sizeof(meshes) / sizeof(meshes[0]); m++) {
        struct mesh *mesh = mesh_named(meshes[m]);
        struct seen seen = {0};
        struct simulation_settings settings = settings_for(mesh, &seen);
        run(&settings, 5, NS_PER_S);
        assert_true(seen.n_spans > 10 * seen.n_entries / 4);
        assert_true(seen.n_spans < 300 * seen.n_entries);
        mesh_close(mesh);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(the_truth_is_the_same_whoever_tells_it),
        cmocka_unit_test(sampling_sends_a_share_and_hides_no_truth),
        cmocka_unit_test(quiet_traffic_fails_seldom),
        cmocka_unit_test(every_fault_finds_a_place_in_every_mesh),
        cmocka_unit_test(meshes_of_any_size_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
