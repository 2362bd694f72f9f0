/* test_localise_metrics.c - causes by name, robust z of a series, what it adds to suspects. The
 * numbers were computed apart, with Python's statistics module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/localise/constants.h"
#include "collector/localise/metrics.h"
#include "tests/unit/near.h"

static void names(void **state)
{
    (void)state;
    const struct {
        const char *name;
        enum metric_cause cause;
    } rows[] = {
        {"process.cpu.utilization", CAUSE_CPU},
        {"container_cpu_usage_seconds_total", CAUSE_CPU},
        {"container_cpu_cfs_throttled_periods_total", CAUSE_THROTTLING},
        {"container_spec_cpu_quota", CAUSE_NONE},
        {"nodejs.eventloop.delay.p99", CAUSE_CPU},
        {"jvm.memory.used", CAUSE_MEMORY},
        {"jvm.memory.limit", CAUSE_NONE},
        {"node_memory_MemAvailable_bytes", CAUSE_MEMORY},
        {"process_resident_memory_bytes", CAUSE_MEMORY},
        {"jvm.gc.duration", CAUSE_GARBAGE},
        {"cluster.default.svc.cluster.local.upstream_rq_pending_overflow", CAUSE_POOL_OVERFLOW},
        {"envoy_cluster_circuit_breakers_default_rq_open", CAUSE_POOL_OVERFLOW},
        {"envoy_cluster_upstream_rq_pending_active", CAUSE_QUEUE},
        {"envoy_cluster_upstream_cx_connect_fail", CAUSE_CONNECT_FAILURES},
        {"envoy_cluster_outlier_detection_ejections_active", CAUSE_EJECTIONS},
        {"db.client.connections.usage", CAUSE_CONNECTIONS},
        {"db.client.connections.pending_requests", CAUSE_QUEUE},
        {"kube_pod_container_status_restarts_total", CAUSE_RESTARTS},
        {"process_start_time_seconds", CAUSE_RESTARTS},
        {"node_netstat_Tcp_RetransSegs", CAUSE_PACKETS},
        {"go_goroutines", CAUSE_THREADS},
        {"process_open_fds", CAUSE_FILES},
        {"kafka_consumergroup_lag", CAUSE_QUEUE},
        {"redis.keyspace.misses", CAUSE_CACHE},
        {"http.server.request.duration", CAUSE_NONE},
        {"istio_requests_total", CAUSE_NONE},
        {"flags_total", CAUSE_NONE},
        {"memorable_total", CAUSE_NONE},
        {"filesystem.write_total_buffered", CAUSE_NONE},
        {"envoy_filesystem_flushed_by_timer", CAUSE_NONE},
        {"system.filesystem.usage", CAUSE_DISK},
        {"", CAUSE_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (metric_cause_of(str_of(rows[i].name)) != rows[i].cause)
            fail_msg("%s: %s", rows[i].name,
                     metric_cause_word(metric_cause_of(str_of(rows[i].name))));
    }
    assert_true(metric_falls(STR("node_memory_MemAvailable_bytes")));
    assert_false(metric_falls(STR("jvm.memory.used")));
}

#define MOST 64
/* Normal is [1000 s, 1300 s), now [1300 s, 1600 s). */
struct made {
    struct metric_samples series;
    struct metric_samples_list list;
    struct metric_sample points[MOST];
};

static void begin(struct made *made, const char *name, const char *unit, unsigned type)
{
    *made = (struct made){.series = {.name = str_of(name), .unit = str_of(unit)}};
    made->series.type = (uint8_t)type;
    made->series.monotonic = type == METRIC_SUM;
    made->series.temporality = type == METRIC_GAUGE ? TEMPORALITY_UNSAID : TEMPORALITY_CUMULATIVE;
    made->series.falls = metric_falls(made->series.name);
    made->series.cause = metric_cause_of(made->series.name);
    made->series.points = made->points;
    made->list = (struct metric_samples_list){.items = &made->series,
                                              .n = 1,
                                              .normal_from_ns = 1000 * NS_PER_S,
                                              .normal_to_ns = 1300 * NS_PER_S,
                                              .from_ns = 1300 * NS_PER_S,
                                              .to_ns = 1600 * NS_PER_S};
}

static void point(struct made *made, unsigned at_s, double value, double count, double sum)
{
    assert_true(made->series.n < MOST);
    made->points[made->series.n++] = (struct metric_sample){at_s * NS_PER_S, value, count, sum};
}

static void values(struct made *made, unsigned from_s, unsigned step_s, const double *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        point(made, from_s + i * step_s, v[i], NAN, NAN);
}

static struct metric_change compared(const struct made *made)
{
    struct metric_change change;
    assert_true(metric_compare(&made->series, &made->list, &change));
    return change;
}

static void gauges(void **state)
{
    (void)state;
    static struct made made;
    const double normal[] = {.20, .22, .19, .21, .20, .23, .18}, now[] = {.9, .95};
    begin(&made, "process.cpu.utilization", "1", METRIC_GAUGE);
    values(&made, 1000, 30, normal, 7);
    values(&made, 1300, 30, now, 2);
    struct metric_change change = compared(&made);
    assert_int_equal(change.kind, UNIT_RATIO);
    assert_int_equal(change.n_normal, 7);
    assert_int_equal(change.n_now, 2);
    assert_near(change.normal, 0.20, 1e-12);
    assert_near(change.observed, 0.925, 1e-12);
    assert_near(change.spread, 0.044826, 1e-9);
    assert_near(change.z, 16.0780, 1e-3);
    /* four values of normal times are none */
    begin(&made, "process.cpu.utilization", "1", METRIC_GAUGE);
    values(&made, 1000, 30, normal, 4);
    values(&made, 1300, 30, now, 2);
    assert_near(compared(&made).z, 0, 0);
    /* less free memory is more trouble */
    const double free_now[] = {1e9}, free_normal[] = {8e9, 8e9, 8.1e9, 7.9e9, 8e9};
    begin(&made, "system.memory.available", "By", METRIC_GAUGE);
    values(&made, 1000, 60, free_normal, 5);
    values(&made, 1300, 60, free_now, 1);
    change = compared(&made);
    assert_true(change.bytes);
    assert_near(change.z, 17.3184, 1e-3); /* 7e9 / (0 + 4e8 + 4 MiB) */
    /* what comes in bursts is no news: the median is 1, the mean 25.8 */
    const double bursts[] = {1, 100, 1, 1, 1, 1, 100, 1, 1, 51}, burst_now[] = {26};
    begin(&made, "queue.depth", "", METRIC_GAUGE);
    values(&made, 1000, 20, bursts, 10);
    values(&made, 1300, 20, burst_now, 1);
    assert_near(compared(&made).z, 0.1905, 1e-3); /* 0.2 / 1.05 */
}

static void counters(void **state)
{
    (void)state;
    static struct made made;
    /* a core half used, then 1.9; it began again in between: 60 s give 6, 24 (from 0) … */
    begin(&made, "process.cpu.time", "s", METRIC_SUM);
    const double seconds[] = {940, 970, 1000, 1030, 1060, 1090, 114, 228};
    values(&made, 1000, 60, seconds, 6); /* five rates of 0.5 up to 1300: the last is in now */
    values(&made, 1360, 60, &seconds[6], 2);
    struct metric_change change = compared(&made);
    assert_int_equal(change.kind, UNIT_RATIO);
    assert_int_equal(change.n_normal, 4);
    assert_near(change.z, 0, 0);
    point(&made, 1480, 342, NAN, NAN);
    made.list.normal_to_ns = 1301 * NS_PER_S;
    made.list.from_ns = 1301 * NS_PER_S;
    change = compared(&made);
    assert_int_equal(change.n_normal, 5);
    assert_near(change.normal, 0.5, 1e-12);
    assert_near(change.observed, 1.9, 1e-12);
    assert_near(change.z, 1.4 / 0.045, 1e-9);
    /* a gauge by its type, a counter by its name, as remote write has it */
    made.series.type = METRIC_GAUGE;
    made.series.monotonic = false;
    made.series.temporality = TEMPORALITY_UNSAID;
    made.series.name = STR("container_cpu_usage_seconds_total");
    made.series.unit = STR_NONE;
    assert_near(compared(&made).z, 1.4 / 0.045, 1e-9);
    /* what was not there while its sender was: 10 and 20 in 30 s each */
    begin(&made, "cluster.upstream_rq_pending_overflow", "", METRIC_SUM);
    point(&made, 1299, 10, NAN, NAN);
    point(&made, 1329, 30, NAN, NAN);
    assert_near(compared(&made).z, 0, 0);
    made.series.grew_from_0 = true;
    change = compared(&made);
    assert_int_equal(change.n_normal, METRIC_LEAST); /* one that was told, and zeros */
    assert_near(change.observed, 2. / 3, 1e-12);
    assert_near(change.normal, 0, 1e-12);
    assert_near(change.z, (2. / 3 - 1. / 15) / 0.1, 1e-9); /* beyond the mean, 1 / 3 of five */
}

static void histograms(void **state)
{
    (void)state;
    static struct made made;
    begin(&made, "db.client.connections.wait_time", "ms", METRIC_HISTOGRAM);
    for (unsigned i = 0; i <= 5; i++)
        point(&made, 1000 + 50 * i, NAN, 100 * i, 200 * i); /* a mean of 2 ms */
    point(&made, 1350, NAN, 600, 5000);                     /* of 100: 4000 ms */
    struct metric_change change = compared(&made);
    assert_int_equal(change.kind, UNIT_NS);
    assert_int_equal(change.n_normal, 5);
    assert_near(change.normal, 2e6, 1e-3);
    assert_near(change.observed, 40e6, 1e-3);
    assert_near(change.z, 38 / 1.1, 1e-9);
    made.series.temporality = TEMPORALITY_DELTA;
    change = compared(&made);
    assert_near(change.normal, 2e6, 1e-3);
    assert_near(change.observed, 5000e6 / 600, 1e-3);
}

/* Two proxies that do not say which they are send one counter by turns. */
static void counters_of_several(void **state)
{
    (void)state;
    static struct made gauge, mixed;
    const double normal[] = {3, 3, 3, 3, 3}, now[] = {15, 3, 15},
                 by_turns[] = {179, 174, 179, 174, 179, 175, 180}, begun[] = {179, 2, 5, 9};
    for (int of_several = 0; of_several < 2; of_several++) {
        struct suspect list[1] = {
            {.node.service = STR("cart"), .score = .5, .significant = true, .n_evidence = 1}};
        struct diagnosis diagnosis = {
            .suspects = list, .n_suspects = 1, .baseline.n = 1000, .now.n = 300};
        struct arena arena;
        arena_init(&arena, 1 << 20);
        begin(&gauge, "envoy_cluster_upstream_rq_pending_active", "", METRIC_GAUGE);
        values(&gauge, 1000, 60, normal, 5);
        values(&gauge, 1300, 60, now, 3);
        begin(&mixed, "envoy_cluster_upstream_rq_pending_overflow", "", METRIC_SUM);
        values(&mixed, 1000, 60, of_several ? by_turns : begun, of_several ? 7 : 4);
        struct metric_samples two[2] = {gauge.series, mixed.series};
        two[0].sender = two[1].sender = 7;
        gauge.list.items = two;
        gauge.list.n = 2;
        assert_true(metrics_weigh(&gauge.list, &arena, 1, &diagnosis));
        assert_int_equal(list[0].n_evidence, of_several ? 1 : 2);
        arena_fini(&arena);
    }
}

static void suspects(void **state)
{
    (void)state;
    static struct made made;
    const double normal[] = {.2, .2, .2, .2, .2}, now[] = {.95};
    struct suspect list[3] = {
        {.node.service = STR("front"),
         .score = .50,
         .significant = true,
         .n_evidence = MAX_EVIDENCE},
        {.node.service = STR("cart"), .score = .47, .significant = true, .n_evidence = 1},
        {.node.service = STR("ads"), .score = .42, .n_evidence = 1}};
    struct diagnosis diagnosis = {
        .suspects = list, .n_suspects = 3, .baseline.n = 1000, .now.n = 300};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    begin(&made, "process.cpu.utilization", "1", METRIC_GAUGE);
    values(&made, 1000, 60, normal, 5);
    values(&made, 1300, 60, now, 1);
    made.series.instance = STR("cart-0");
    struct metric_samples two[2] = {made.series, made.series};
    two[0].service = 1;
    two[1].service = 2;
    made.list.items = two;
    made.list.n = 2;
    assert_true(metrics_weigh(&made.list, &arena, 2, &diagnosis));
    assert_int_equal(diagnosis.n_suspects, 2);
    /* z = 0.75 / 0.03 = 25; 0.05 × (1 − 3 / 25) = 0.044 */
    assert_string_equal(list[0].node.service.p, "cart");
    assert_near(list[0].score, 0.514, 1e-9);
    assert_int_equal(list[0].rank, 1);
    assert_int_equal(list[0].n_evidence, 2);
    assert_int_equal(list[0].evidence[1].kind, EVIDENCE_METRIC);
    assert_near(list[0].evidence[1].deviation, 25, 1e-9);
    assert_true(str_eq(list[0].evidence[1].text,
                       STR("CPU: process.cpu.utilization 20.0 % → 95.0 % at cart-0")));
    /* 0.514 / 1.014 of (1 − e^−2) */
    assert_near(list[0].confidence, 0.514 / 1.014 * 0.864665, 1e-5);
    assert_near(list[1].score, 0.50, 1e-9);
    /* a hint stays below */
    assert_near(list[2].score, 0.45, 1e-9);
    assert_false(list[2].significant);
    arena_fini(&arena);
}

/* The gap goes to its caller; the database's own CPU says better. */
static void store_that_spans_name(void **state)
{
    (void)state;
    static struct made made;
    const double normal[] = {.2, .2, .2, .2, .2}, now[] = {.95, .95};
    for (int busy = 0; busy < 2; busy++) {
        struct suspect list[2] = {{.node = {.service = STR("pay"), .role = STR("workload")},
                                   .rank = 1,
                                   .score = .66,
                                   .significant = true,
                                   .evidence[0].kind = EVIDENCE_GAP,
                                   .n_evidence = 1},
                                  {.node = {.service = STR("mysql"), .role = STR("database")},
                                   .rank = 2,
                                   .score = .2,
                                   .n_evidence = 1}};
        struct diagnosis diagnosis = {
            .suspects = list, .n_suspects = 2, .baseline.n = 1000, .now.n = 300};
        struct arena arena;
        arena_init(&arena, 1 << 20);
        begin(&made, "process.cpu.utilization", "1", METRIC_GAUGE);
        values(&made, 1000, 60, normal, 5);
        values(&made, 1300, 60, busy ? now : normal, 2);
        made.series.service = 1;
        made.list.items = &made.series;
        made.list.n = 1;
        assert_true(metrics_find_store(&made.list, &arena, &diagnosis));
        assert_true(metrics_weigh(&made.list, &arena, 2, &diagnosis));
        assert_string_equal(list[0].node.service.p, busy ? "mysql" : "pay");
        assert_int_equal(diagnosis.n_suspects, 2);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(gauges),
        cmocka_unit_test(counters),
        cmocka_unit_test(histograms),
        cmocka_unit_test(counters_of_several),
        cmocka_unit_test(suspects),
        cmocka_unit_test(store_that_spans_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
