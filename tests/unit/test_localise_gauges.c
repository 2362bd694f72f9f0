/* test_localise_gauges.c - what services say of themselves: who is slower by his own means, whose
 * cause is not the load's, what is no incident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/localise/constants.h"
#include "collector/localise/gauges.h"
#include "collector/model/store_name.h"
#include "tests/unit/near.h"

#define SERVICES 6
#define MOST_SERIES 64
#define POINTS 40 /* 20 of normal times, 20 of now, each quarter of a minute */

static struct made {
    struct metric_sample points[MOST_SERIES][POINTS];
    struct metric_samples series[MOST_SERIES];
    struct metric_service services[SERVICES];
    struct metric_samples_list list;
    struct arena arena;
    struct diagnosis diagnosis;
} made;

static int begin(void **state)
{
    static const char *const names[SERVICES] = {"front",   "checkout", "cart",
                                                "payment", "user",     "cart-db"};
    (void)state;
    made.list = (struct metric_samples_list){.items = made.series,
                                             .services = made.services,
                                             .n_services = SERVICES,
                                             .normal_from_ns = 1200 * NS_PER_S,
                                             .normal_to_ns = 1500 * NS_PER_S,
                                             .from_ns = 1500 * NS_PER_S,
                                             .to_ns = 1800 * NS_PER_S};
    for (int i = 0; i < SERVICES; i++)
        made.services[i] = (struct metric_service){.service = str_of(names[i])};
    made.diagnosis = (struct diagnosis){.n_suspects = 0};
    arena_init(&made.arena, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_fini(&made.arena);
    return 0;
}

/* Scatters by a few hundredths. */
static void add(uint32_t service, const char *name, double was, double is)
{
    uint32_t n = made.list.n++;
    struct metric_samples *series = &made.series[n];
    *series = (struct metric_samples){.name = str_of(name),
                                      .service = service,
                                      .cause = metric_cause_of(str_of(name)),
                                      .measure = metric_measure_of(str_of(name)),
                                      .points = made.points[n],
                                      .n = POINTS};
    for (int i = 0; i < POINTS; i++) {
        double value = (i < POINTS / 2 ? was : is) * (1 + 0.01 * ((i * 7 + (int)service) % 5 - 2));
        series->points[i] =
            (struct metric_sample){(uint64_t)(1200 + 15 * i) * NS_PER_S, value, NAN, NAN};
    }
}

static struct str first(void)
{
    assert_true(localise_gauges(&made.list, &made.arena, 10, &made.diagnosis));
    return made.diagnosis.n_suspects ? made.diagnosis.suspects[0].node.service : STR_NONE;
}

static void expect_first(const char *name)
{
    struct str service = first();
    if (!str_eq(service, str_of(name)))
        fail_msg("%.*s", STR_ARG(service));
    assert_int_equal(made.diagnosis.verdict, VERDICT_INCIDENT);
    assert_true(made.diagnosis.suspects[0].n_evidence > 0);
    assert_true(made.diagnosis.suspects[0].significant);
}

/* Who waits is slower by the same time, and so relatively less. */
static void waiting(void **state)
{
    (void)state;
    add(0, "latency-50", 80, 180);
    add(1, "latency-50", 30, 130);
    add(2, "latency-50", 5, 105);
    add(3, "latency-50", 5, 5);
    expect_first("cart");
    assert_int_equal(made.diagnosis.n_suspects, 3);
}

/* A database tells of no requests, but of its own trouble. */
static void silent_database(void **state)
{
    (void)state;
    add(0, "latency-50", 80, 110);
    add(2, "latency-50", 5, 15);
    add(2, "cpu", 0.2, 0.2);
    add(5, "cpu", 0.1, 1.1);
    expect_first("cart-db");
}

/* What all have more of is the load's; the one that has more than that is not. */
static void load(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SERVICES; i++) {
        add(i, "cpu", 0.1, i == 3 ? 0.9 : 0.2);
        add(i, "workload", 50, 100);
    }
    struct str service = first();
    assert_true(str_eq(service, STR("payment")));
    assert_int_equal(made.diagnosis.n_suspects, 1);
    /* nobody's requests suffer */
    assert_int_equal(made.diagnosis.verdict, VERDICT_NOTHING);
    assert_false(made.diagnosis.suspects[0].significant);
}

/* Threads pile up where somebody waits. */
static void pile(void **state)
{
    (void)state;
    add(1, "latency-90", 30, 60);
    add(1, "threads", 20, 60);
    add(2, "memory", 1e8, 4e8);
    add(2, "latency-90", 20, 40);
    expect_first("cart");
}

static void failing(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        add(i, "requests", 100 - 30 * i, 100 - 30 * i);
        add(i, "errors", 0.01, i ? 20 : 18);
    }
    expect_first("cart"); /* half of 40; of 70 a quarter */
    assert_near(made.diagnosis.suspects[0].evidence[0].observed, 0.5, 0.02);
}

/* Prometheus' sum and count: 4 ms, then 40. */
static void summary(void **state)
{
    (void)state;
    const double means[3][2] = {{40e-3, 76e-3}, {0, 0}, {4e-3, 40e-3}};
    for (uint32_t i = 0; i < 3; i += 2) {
        double count = 0, sum = 0;
        add(i, "request_duration_seconds_sum", 0, 0);
        add(i, "request_duration_seconds_count", 0, 0);
        for (int k = 0; k < POINTS; k++) {
            double n = 100 + k % 3;
            count += n;
            sum += n * means[i][k >= POINTS / 2];
            made.points[made.list.n - 2][k].value = sum;
            made.points[made.list.n - 1][k].value = count;
        }
    }
    expect_first("cart");
    const struct evidence *evidence = &made.diagnosis.suspects[0].evidence[0];
    assert_int_equal(evidence->unit, UNIT_NS);
    assert_near(evidence->baseline, 4e6, 1e5);
    assert_near(evidence->observed, 40e6, 1e5);
}

/* One outlier is no fault, however far it lies; nor are few values. */
static void quiet(void **state)
{
    (void)state;
    made.diagnosis.verdict = VERDICT_NOT_ENOUGH;
    add(0, "latency-99", 80, 80);
    add(1, "latency-99", 30, 30);
    made.points[1][POINTS - 3].value = 30000;
    add(2, "restarts", 0, 0);
    first();
    assert_int_equal(made.diagnosis.verdict, VERDICT_NOTHING);
    assert_int_equal(made.diagnosis.n_suspects, 0);
    made.diagnosis.verdict = VERDICT_NOT_ENOUGH;
    for (uint32_t i = 0; i < made.list.n; i++)
        made.series[i].n = 4;
    first();
    assert_int_equal(made.diagnosis.verdict, VERDICT_NOT_ENOUGH);
}

/* Requests speak against nobody, and a little of cart. */
static void hints(void **state)
{
    (void)state;
    struct suspect cart = {.rank = 1, .node.service = STR("cart"), .score = 0.001};
    struct suspect list[2] = {cart};
    made.diagnosis = (struct diagnosis){.verdict = VERDICT_NOTHING,
                                        .suspects = list,
                                        .n_suspects = 1,
                                        .baseline.n = 1000,
                                        .now.n = 1000};
    add(2, "cpu", 0.1, 0.1);
    add(5, "cpu", 0.1, 0.9);
    assert_true(hints_add(&made.list, &made.arena, 10, METRIC_BONUS, &made.diagnosis));
    assert_int_equal(made.diagnosis.n_suspects, 2);
    assert_int_equal(made.diagnosis.verdict, VERDICT_NOTHING);
    assert_string_equal(made.diagnosis.suspects[0].node.service.p, "cart-db");
    assert_int_equal(made.diagnosis.suspects[0].rank, 1);
    assert_false(made.diagnosis.suspects[0].significant);
    assert_true(made.diagnosis.suspects[0].score <= METRIC_BONUS);
    assert_near(made.diagnosis.suspects[1].score, 0.001, 1e-12);
}

static void names(void **state)
{
    (void)state;
    const struct {
        const char *name;
        enum metric_measure measure;
        const char *service;
    } rows[] = {
        {"latency-50", MEASURE_TIME, ""},
        {"checkoutservice_latency_p90", MEASURE_TIME, "checkoutservice"},
        {"carts-db_cpu", MEASURE_NONE, "carts-db"},
        {"front-end_load", MEASURE_REQUESTS, "front-end"},
        {"adservice_container-memory-rss", MEASURE_NONE, "adservice"},
        {"request_duration_seconds", MEASURE_TIME, "request"},
        {"http_request_duration_seconds_sum", MEASURE_TIME_SUM, ""},
        {"http_request_duration_seconds_count", MEASURE_TIME_COUNT, ""},
        {"http_request_duration_seconds_bucket", MEASURE_NONE, ""},
        {"http.server.request.duration", MEASURE_TIME, ""},
        {"http.client.request.duration", MEASURE_NONE, ""},
        {"http_requests_total", MEASURE_REQUESTS, ""},
        {"grpc_server_handled_total", MEASURE_REQUESTS, "grpc"},
        {"error", MEASURE_FAILURES, ""},
        {"latency_limit", MEASURE_NONE, ""},
        {"jvm.gc.duration", MEASURE_NONE, ""},
        {"container_cpu_usage_seconds_total", MEASURE_NONE, ""},
        {"scrape_duration_seconds", MEASURE_NONE, ""},
        {"node_load1", MEASURE_NONE, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str name = str_of(rows[i].name), service = metric_service_of(name);
        if (metric_measure_of(name) != rows[i].measure || !str_eq(service, str_of(rows[i].service)))
            fail_msg("%s: %d, %.*s", rows[i].name, (int)metric_measure_of(name), STR_ARG(service));
    }
}

static void stores(void **state)
{
    (void)state;
    const struct {
        const char *store, *service;
        bool may;
    } rows[] = {
        {"carts-db", "carts", true},
        {"carts-db", "orders", false},
        {"redis-cart", "cartservice", true},
        {"user-db", "user", true},
        {"ts-order-mongo", "ts-order-service", true},
        {"mysql", "ts-order-service", true},
        {"ts-order-mongo", "ts-travel-service", false},
        {"orderdb", "order-service", true},
        {"carts", "carts-db", false},
        {"orders", "orders", false},
        {"rabbitmq-0", "shipping", true},
        {"shipping", "orders", false},
        {"ts-order-other-mongo", "ts-order-service", false},
        {"", "cart", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (store_may_be_of(str_of(rows[i].store), str_of(rows[i].service)) != rows[i].may)
            fail_msg("%s of %s", rows[i].store, rows[i].service);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waiting, begin, end),
        cmocka_unit_test_setup_teardown(silent_database, begin, end),
        cmocka_unit_test_setup_teardown(load, begin, end),
        cmocka_unit_test_setup_teardown(pile, begin, end),
        cmocka_unit_test_setup_teardown(failing, begin, end),
        cmocka_unit_test_setup_teardown(summary, begin, end),
        cmocka_unit_test_setup_teardown(quiet, begin, end),
        cmocka_unit_test_setup_teardown(hints, begin, end),
        cmocka_unit_test(names),
        cmocka_unit_test(stores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
