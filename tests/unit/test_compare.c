/* test_compare.c - two versions at the same time: the intervals against values computed elsewhere,
 * and compare() on roll-ups made by hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/localise/compare.h"
#include "collector/localise/shift.h"
#include "collector/localise/statistics.h"
#include "collector/simulate/draw.h"

static void assert_near(double value, double expected, double by)
{
    if (!(fabs(value - expected) <= by))
        fail_msg("%.6f is not %.6f", value, expected);
}

/* sqrt(2 (1 + 1/x) ln(sqrt(1 + x)/alpha)), x = 8/150 of n m/(n + m): by Python's math. */
static void always_z_has_known_answers(void **state)
{
    (void)state;
    assert_near(always_z(300, 300, 0.05), 3.035173, 1e-6);
    assert_near(always_z(30, 30, 0.05), 3.847508, 1e-6);
    assert_near(always_z(5000, 5000, 0.05), 3.312624, 1e-6);
    assert_near(always_z(1000, 1000, 0.025), 3.331540, 1e-6);
}

static void spread(struct weighted *weighted, int n, double from_ns, double step_ns, double weight)
{
    *weighted = (struct weighted){.n = n * weight};
    for (int i = 0; i < n; i++)
        weighted->counts[histogram_bucket((uint64_t)(from_ns + i * step_ns))] += weight;
}

/* All million differences of the raw values, sorted, in Python: the median, and those at 1/2 ± 2
 * standard errors, of placements (0.0000987) or of two alike (0.0001668), whichever is greater. */
static void shift_is_that_of_all_pairs(void **state)
{
    struct weighted a, b;
    struct shift shift;
    (void)state;
    spread(&a, 1000, 1e6, 1000, 1);
    spread(&b, 1000, 1.2e6, 1500, 1);
    assert_true(shift_between(&a, &b, 2, &shift));
    assert_near(shift.ns, 450000, 6000);
    assert_near(shift.low_ns, 411000, 8000);
    assert_near(shift.high_ns, 488500, 8000);
    assert_true(shift_between(&a, &a, 2, &shift));
    assert_near(shift.ns, 0, 1);
    assert_near(shift.low_ns, -shift.high_ns, 1);
}

/* Apart altogether the differences of two even spreads are a triangle on 2…4 ms: a share q of them
 * is below 2 + sqrt(2 q). Two alike: variance (n + m + 1)/(12 n m). */
static void shift_of_what_is_apart(void **state)
{
    struct weighted a, b, empty = {0};
    struct shift shift;
    (void)state;
    spread(&a, 1000, 1e6, 1000, 1);
    spread(&b, 1000, 4e6, 1000, 1);
    assert_true(shift_between(&a, &b, 3, &shift));
    double half = 3 * sqrt(2001 / 12e6);
    assert_near(shift.ns, 3e6, 20000);
    assert_near(shift.low_ns, 1e6 * (2 + sqrt(2 * (0.5 - half))), 30000);
    assert_near(shift.high_ns, 1e6 * (4 - sqrt(2 * (0.5 - half))), 30000);
    assert_false(shift_between(&a, &empty, 3, &shift));
    assert_near(weighted_quantile(&a, 0.5), 1.5e6, 20000);
    assert_near(weighted_above(&a, 1.75e6), 0.25, 0.02);
}

/* Weights count as calls: a tenth of the weight, the root of ten times the width. */
static void weights_widen(void **state)
{
    struct weighted a, b;
    struct shift whole, tenth;
    (void)state;
    spread(&a, 1000, 1e6, 1000, 1);
    spread(&b, 1000, 1e6, 1000, 1);
    assert_true(shift_between(&a, &b, 1, &whole));
    spread(&a, 1000, 1e6, 1000, 0.1);
    spread(&b, 1000, 1e6, 1000, 0.1);
    assert_true(shift_between(&a, &b, 1, &tenth));
    assert_near((tenth.high_ns - tenth.low_ns) / (whole.high_ns - whole.low_ns), sqrt(10), 0.15);
}

/* Two that are alike, looked at forty times: the interval of one look excludes zero at some look
 * far more often than one time in twenty, the confidence sequence does not. */
static void many_looks_do_not_make_a_difference(void **state)
{
    int once = 0, always = 0, runs = 400;
    (void)state;
    for (int run = 0; run < runs; run++) {
        struct draw draw = draw_from(11, (uint64_t)run, 0);
        double bad[2] = {0, 0}, n = 0, interval[2];
        bool wrong[2] = {false, false};
        for (int look = 0; look < 40; look++) {
            int more = look < 10 ? 30 : 200;
            n += more;
            for (int i = 0; i < 2 * more; i++)
                bad[i & 1] += draw_hit(&draw, 0.1);
            const double z[2] = {1.959964, always_z(n, n, 0.05)};
            for (int k = 0; k < 2; k++) {
                share_difference_interval(bad[0], n, bad[1], n, z[k], interval);
                wrong[k] = wrong[k] || interval[0] > 0 || interval[1] < 0;
            }
        }
        once += wrong[0];
        always += wrong[1];
    }
    assert_in_range(once, runs / 6, runs);
    assert_in_range(always, 0, runs / 20);
}

/* ---- compare() ---- */

struct service {
    struct names *names;
    struct nodes *nodes;
    struct rollup calls;
    struct arena arena;
    struct compare_input input;
    struct comparison comparison;
};

static node_no node(struct service *s, const char *name, const char *version)
{
    return nodes_add(s->nodes, &(struct node){.service = names_add(s->names, str_of(name)),
                                              .version = names_add(s->names, str_of(version))});
}

static void setup(struct service *s)
{
    s->names = names_new(1000, 100000);
    s->nodes = nodes_new(1000);
    rollup_init(&s->calls, 10000);
    arena_init(&s->arena, 1 << 24);
    s->input = (struct compare_input){
        .calls = &s->calls,
        .names = s->names,
        .nodes = s->nodes,
        .service = {.service = names_add(s->names, STR("cart"))},
        .versions = {names_add(s->names, STR("v1")), names_add(s->names, STR("v2"))},
        .min_calls = 30};
}

static void teardown(struct service *s)
{
    arena_fini(&s->arena);
    rollup_fini(&s->calls);
    nodes_free(s->nodes);
    names_free(s->names);
}

/* `slow` of the calls take five times as long. */
struct calls {
    const char *operation;
    uint32_t step;
    int64_t n, bad;
    uint64_t ns;
    double slow;
};

static void add(struct service *s, node_no caller, node_no callee, struct calls calls)
{
    struct tally_key key = {.channel = TALLY_CALL,
                            .node = caller,
                            .peer = callee,
                            .name = names_add(s->names, str_of(calls.operation))};
    struct tally *tally = rollup_tally(&s->calls, &key, calls.step);
    tally->n += calls.n;
    tally->bad += calls.bad;
    for (int64_t i = 0; i < calls.n; i++) {
        double place = ((double)i + 0.5) / (double)calls.n;
        double ns = (double)calls.ns * (place > 1 - calls.slow ? 5 : 0.7 + 0.6 * place);
        assert_true(tally_time(tally, (uint64_t)ns, 1));
    }
}

/* Calls of web to a version, each with one to redis. */
static void version(struct service *s, const char *name, struct calls calls)
{
    node_no cart = node(s, "cart", name);
    add(s, node(s, "web", "v7"), cart, calls);
    calls.operation = "HGETALL";
    calls.bad = 0;
    calls.ns /= 4;
    add(s, cart, node(s, "redis", ""), calls);
}

static const struct comparison *compared(struct service *s)
{
    assert_true(compare(&s->input, &s->arena, &s->comparison));
    return &s->comparison;
}

static const struct compared_check *check_of(const struct comparison *comparison,
                                             enum compared_metric metric, const char *test)
{
    for (unsigned i = 0; i < comparison->n_checks; i++) {
        const struct compared_check *check = &comparison->checks[i];
        if (check->metric == metric && str_eq(str_of(check->test), str_of(test)))
            return check;
    }
    fail_msg("there is no check of %s by %s", compared_metric_word(metric), test);
    return NULL;
}

/* Newcombe's interval at always_z(2000, 500), by Python: 60/500 − 20/2000. */
static void more_failures_are_worse(void **state)
{
    struct service s;
    (void)state;
    setup(&s);
    version(&s, "v1", (struct calls){"GET", 0, 2000, 20, 5000000, 0});
    version(&s, "v2", (struct calls){"GET", 0, 500, 60, 5000000, 0});
    const struct comparison *is = compared(&s);
    assert_int_equal(is->verdict, COMPARED_WORSE);
    assert_int_equal(is->sides[0].calls, 2000);
    assert_int_equal(is->sides[1].errors, 60);
    const struct compared_check *errors = check_of(is, COMPARED_ERRORS, "score_interval");
    assert_int_equal(errors->verdict, COMPARED_WORSE);
    assert_near(errors->effect, 0.11, 1e-9);
    assert_near(errors->low, 0.070924, 1e-6);
    assert_near(errors->high, 0.162326, 1e-6);
    assert_int_equal(check_of(is, COMPARED_LATENCY, "mann_whitney")->verdict, COMPARED_SAME);
    assert_int_equal(check_of(is, COMPARED_FLOW, "two_proportions")->verdict, COMPARED_SAME);
    teardown(&s);
}

/* Of the baseline's 20 failed calls half began further on, of the candidate's 60 the first ten.
 * They add up to the errors, and no verdict changes. */
static void failures_are_told_apart(void **state)
{
    struct service s;
    (void)state;
    setup(&s);
    version(&s, "v1", (struct calls){"GET", 0, 2000, 20, 5000000, 0});
    version(&s, "v2", (struct calls){"GET", 0, 500, 60, 5000000, 0});
    assert_false(compared(&s)->has_parts);
    s.input.told_apart = true;
    s.input.passed[0] = 0.5;
    s.input.passed[1] = 10.0 / 60;
    const struct comparison *is = compared(&s);
    const struct compared_check *began = &is->parts[0], *passed = &is->parts[1];
    assert_true(is->has_parts && is->verdict == COMPARED_WORSE);
    assert_int_equal(began->metric, COMPARED_BEGAN);
    assert_int_equal(began->verdict, COMPARED_WORSE);
    assert_near(began->sides[0], 0.005, 1e-9);
    assert_near(began->sides[1], 0.1, 1e-9);
    assert_int_equal(passed->metric, COMPARED_PASSED);
    assert_near(passed->sides[1] - passed->sides[0], 0.015, 1e-9);
    assert_near(began->effect + passed->effect,
                check_of(is, COMPARED_ERRORS, "score_interval")->effect, 1e-9);
    teardown(&s);
}

static void fewer_failures_are_better(void **state)
{
    struct service s;
    (void)state;
    setup(&s);
    version(&s, "v1", (struct calls){"GET", 0, 2000, 240, 5000000, 0});
    version(&s, "v2", (struct calls){"GET", 0, 500, 5, 5000000, 0});
    assert_int_equal(compared(&s)->verdict, COMPARED_BETTER);
    teardown(&s);
}

static void a_slower_median_and_a_slow_tail_are_worse(void **state)
{
    struct service s;
    (void)state;
    for (int tail = 0; tail < 2; tail++) {
        setup(&s);
        version(&s, "v1", (struct calls){"GET", 0, 2000, 0, 5000000, 0});
        version(&s, "v2", (struct calls){"GET", 0, 500, 0, tail ? 5000000 : 6500000, 0.2 * tail});
        const struct comparison *is = compared(&s);
        assert_int_equal(is->verdict, COMPARED_WORSE);
        const struct compared_check *shift = check_of(is, COMPARED_LATENCY, "mann_whitney");
        const struct compared_check *slow = check_of(is, COMPARED_LATENCY, "two_proportions");
        assert_int_equal(slow->verdict, COMPARED_WORSE);
        if (tail)
            assert_true(shift->effect < 1000000 && slow->effect > 0.1);
        else
            assert_near(shift->effect, 1500000, 200000);
        teardown(&s);
    }
}

/* 954 calls a side without a failure are the fewest whose interval is within a point: by Python. */
static void the_same_needs_the_interval_within_the_margin(void **state)
{
    struct service s;
    (void)state;
    for (int64_t n = 953; n <= 954; n++) {
        setup(&s);
        version(&s, "v1", (struct calls){"GET", 0, n, 0, 5000000, 0});
        version(&s, "v2", (struct calls){"GET", 0, n, 0, 5000000, 0});
        const struct comparison *is = compared(&s);
        assert_int_equal(is->verdict, n == 954 ? COMPARED_SAME : COMPARED_NOT_ENOUGH);
        assert_int_equal(check_of(is, COMPARED_ERRORS, "score_interval")->need, n == 954 ? 0 : 1);
        teardown(&s);
    }
}

/* 10 of 1000 against 5 of 200: by Python 3.24 times as many calls would leave zero out. */
static void what_is_needed_is_said(void **state)
{
    struct service s;
    (void)state;
    setup(&s);
    version(&s, "v1", (struct calls){"GET", 0, 1000, 10, 5000000, 0});
    version(&s, "v2", (struct calls){"GET", 0, 200, 5, 5000000, 0});
    const struct comparison *is = compared(&s);
    assert_int_equal(is->verdict, COMPARED_NOT_ENOUGH);
    assert_near((double)check_of(is, COMPARED_ERRORS, "score_interval")->need, 448, 1);
    teardown(&s);
    setup(&s);
    version(&s, "v1", (struct calls){"GET", 0, 1000, 0, 5000000, 0});
    version(&s, "v2", (struct calls){"GET", 0, 12, 12, 5000000, 0});
    is = compared(&s);
    assert_int_equal(is->verdict, COMPARED_NOT_ENOUGH);
    assert_in_range(check_of(is, COMPARED_ERRORS, "score_interval")->need, 18, INT64_MAX);
    teardown(&s);
    setup(&s);
    is = compared(&s);
    assert_int_equal(is->verdict, COMPARED_NOT_ENOUGH);
    assert_near(is->checks[0].low, -1, 0);
    assert_near(is->checks[0].high, 1, 0);
    teardown(&s);
}

/* Both fail a tenth of what batch asks for and nothing else; the candidate gets ten times as much
 * of it, and slow as it is. So it is with parts of the time. */
static void other_callers_and_other_hours_are_no_difference(void **state)
{
    struct service s;
    (void)state;
    for (int by_time = 0; by_time < 2; by_time++) {
        setup(&s);
        node_no batch = node(&s, by_time ? "web" : "batch", "v1"), web = node(&s, "web", "v7");
        for (int v = 0; v < 2; v++) {
            node_no cart = node(&s, "cart", v ? "v2" : "v1");
            add(&s, web, cart, (struct calls){"GET", 0, v ? 2000 : 5000, 0, 5000000, 0});
            int64_t n = v ? 2000 : 500;
            add(&s, batch, cart, (struct calls){"GET", (uint32_t)by_time, n, n / 10, 50000000, 0});
        }
        const struct comparison *is = compared(&s);
        assert_near(check_of(is, COMPARED_ERRORS, "score_interval")->effect, 0, 1e-9);
        const struct compared_check *shift = check_of(is, COMPARED_LATENCY, "mann_whitney");
        assert_near(shift->effect, 0, 100000);
        assert_true(shift->low < 0 && shift->high > 0);
        assert_int_not_equal(is->verdict, COMPARED_WORSE);
        teardown(&s);
    }
}

/* Only what web asks for needs redis: a version that batch asks more often calls redis less. With
 * the same callers that would be worse. */
static void flow_is_compared_only_of_alike_requests(void **state)
{
    struct service s;
    (void)state;
    for (int other = 0; other < 2; other++) {
        setup(&s);
        for (int v = 0; v < 2; v++) {
            const char *name = v ? "v2" : "v1";
            bool turned = v && other;
            int64_t of_web = turned ? 500 : 4000, of_batch = turned ? 4000 : 500;
            node_no cart = node(&s, "cart", name);
            add(&s, node(&s, "web", ""), cart, (struct calls){"GET", 0, of_web, 0, 5000000, 0});
            add(&s, node(&s, "batch", ""), cart,
                (struct calls){"LIST", 0, of_batch, 0, 5000000, 0});
            add(&s, cart, node(&s, "redis", ""),
                (struct calls){"HGETALL", 0, v ? 500 : 4000, 0, 1000000, 0});
        }
        const struct comparison *is = compared(&s);
        bool flow = false;
        for (unsigned i = 0; i < is->n_checks; i++)
            flow = flow || is->checks[i].metric == COMPARED_FLOW;
        assert_int_equal(flow, !other);
        assert_int_equal(is->verdict == COMPARED_WORSE, !other);
        teardown(&s);
    }
}

/* What only one of them was asked for is not compared. */
static void what_one_alone_took_is_left_out(void **state)
{
    struct service s;
    (void)state;
    setup(&s);
    version(&s, "v1", (struct calls){"GET", 0, 1000, 0, 5000000, 0});
    version(&s, "v2", (struct calls){"GET", 0, 1000, 0, 5000000, 0});
    version(&s, "v2", (struct calls){"DELETE", 0, 1000, 1000, 5000000, 0});
    const struct comparison *is = compared(&s);
    assert_int_equal(is->sides[1].calls, 1000);
    assert_int_equal(is->sides[1].errors, 0);
    teardown(&s);
}

static void calls_to_others(struct service *s, int64_t was, int64_t is, int64_t bad)
{
    add(s, node(s, "cart", "v1"), node(s, "ads", ""), (struct calls){"GET", 0, was, 0, 1000000, 0});
    add(s, node(s, "cart", "v2"), node(s, "ads", ""),
        (struct calls){"GET", 0, is, bad, 1000000, 0});
}

static void what_it_does_to_its_callees_counts(void **state)
{
    static const struct {
        int64_t was, is, bad;
        enum compared verdict;
    } rows[] = {
        {1000, 1000, 0, COMPARED_SAME},    {1000, 700, 0, COMPARED_WORSE}, /* stops before */
        {1000, 9000, 0, COMPARED_WORSE},                                   /* for each of a list */
        {0, 1000, 0, COMPARED_SAME},                                       /* a new callee */
        {1000, 1000, 100, COMPARED_WORSE},                                 /* its calls fail */
    };
    struct service s;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setup(&s);
        version(&s, "v1", (struct calls){"GET", 0, 1000, 0, 5000000, 0});
        version(&s, "v2", (struct calls){"GET", 0, 1000, 0, 5000000, 0});
        calls_to_others(&s, rows[i].was, rows[i].is, rows[i].bad);
        assert_int_equal(compared(&s)->verdict, rows[i].verdict);
        teardown(&s);
    }
}

/* Versions that are alike, compared at twenty looks: at hardly any run is one ever called worse or
 * better, and each measure's interval leaves out zero in at most a twentieth. */
static void looking_again_calls_nobody_worse(void **state)
{
    int judged = 0, out[4] = {0}, runs = 200;
    struct service s;
    (void)state;
    for (int run = 0; run < runs; run++) {
        struct draw draw = draw_from(77, (uint64_t)run, 0);
        bool was_judged = false, was_out[4] = {false};
        setup(&s);
        for (int look = 0; look < 20; look++) {
            int more = look < 8 ? 30 : 150;
            for (int i = 0; i < 2 * more; i++)
                version(&s, i & 1 ? "v2" : "v1",
                        (struct calls){"GET", (uint32_t)look / 4, 1, draw_hit(&draw, 0.03),
                                       draw_time(&draw, 5e6, 0.6), 0});
            const struct comparison *is = compared(&s);
            was_judged =
                was_judged || is->verdict == COMPARED_WORSE || is->verdict == COMPARED_BETTER;
            for (unsigned i = 0; i < is->n_checks; i++) {
                const struct compared_check *check = &is->checks[i];
                was_out[check->metric] =
                    was_out[check->metric] || check->low > 0 || check->high < 0;
            }
            arena_reset(&s.arena);
        }
        teardown(&s);
        judged += was_judged;
        for (int i = 0; i < 4; i++)
            out[i] += was_out[i];
    }
    assert_in_range(judged, 0, runs / 50);
    for (int i = 0; i < 4; i++)
        assert_in_range(out[i], 0, runs / 20);
}

static void a_service_is_named_with_its_place(void **state)
{
    struct comparison_request request = {0};
    (void)state;
    node_read_text(STR("cart"), &request.cluster, &request.namespace, &request.service);
    assert_true(str_eq(request.service, STR("cart")) && !request.namespace.len);
    node_read_text(STR("eu-1/shop/cart"), &request.cluster, &request.namespace, &request.service);
    assert_true(str_eq(request.service, STR("cart")) && str_eq(request.namespace, STR("shop")) &&
                str_eq(request.cluster, STR("eu-1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(always_z_has_known_answers),
        cmocka_unit_test(shift_is_that_of_all_pairs),
        cmocka_unit_test(shift_of_what_is_apart),
        cmocka_unit_test(weights_widen),
        cmocka_unit_test(many_looks_do_not_make_a_difference),
        cmocka_unit_test(more_failures_are_worse),
        cmocka_unit_test(failures_are_told_apart),
        cmocka_unit_test(fewer_failures_are_better),
        cmocka_unit_test(a_slower_median_and_a_slow_tail_are_worse),
        cmocka_unit_test(the_same_needs_the_interval_within_the_margin),
        cmocka_unit_test(what_is_needed_is_said),
        cmocka_unit_test(other_callers_and_other_hours_are_no_difference),
        cmocka_unit_test(flow_is_compared_only_of_alike_requests),
        cmocka_unit_test(what_one_alone_took_is_left_out),
        cmocka_unit_test(what_it_does_to_its_callees_counts),
        cmocka_unit_test(looking_again_calls_nobody_worse),
        cmocka_unit_test(a_service_is_named_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
