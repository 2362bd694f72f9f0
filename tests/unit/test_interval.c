/* test_interval.c - intervals of differences against published values, and the verdicts on them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/model/interval.h"

static void near(double value, double expected, double within)
{
    if (fabs(value - expected) > within)
        fail_msg("%.5f is not %.5f", value, expected);
}

/* Newcombe 1998, Statistics in Medicine 17:873, table II, method 10: 56/70 less 48/80; 9/10 less
 * 3/10; 0/10 less 0/10. */
static void shares_are_as_published(void **state)
{
    (void)state;
    struct interval one = interval_of_shares(48, 80, 56, 70);
    near(one.difference, 0.2, 1e-9);
    near(one.low, 0.0524, 1e-4);
    near(one.high, 0.3339, 1e-4);
    struct interval two = interval_of_shares(3, 10, 9, 10);
    near(two.low, 0.1705, 1e-4);
    near(two.high, 0.8090, 1e-4);
    struct interval none = interval_of_shares(0, 10, 0, 10);
    near(none.low, -0.2775, 1e-4);
    near(none.high, 0.2775, 1e-4);
    assert_false(interval_of_shares(0, 0, 1, 10).known);
}

static void fill(struct histogram *histogram, int n, uint64_t from_ns, uint64_t step_ns)
{
    histogram_init(histogram);
    for (int i = 0; i < n; i++)
        histogram_add(histogram, from_ns + (uint64_t)i * step_ns, 1);
}

static void quantiles_hold_the_truth(void **state)
{
    struct histogram a, b, few;
    (void)state;
    fill(&a, 1000, 1000000, 1000);
    fill(&b, 1000, 3000000, 1000);
    fill(&few, 5, 1000000, 1000);
    struct interval apart = interval_of_quantiles(&a, &b, 0.5);
    assert_true(apart.low < 2000000 && apart.high > 2000000 && apart.low > 1500000);
    struct interval same = interval_of_quantiles(&a, &a, 0.95);
    assert_true(same.low <= 0 && same.high >= 0);
    assert_false(interval_of_quantiles(&a, &few, 0.5).known);
    histogram_fini(&a);
    histogram_fini(&b);
    histogram_fini(&few);
}

static void verdicts_need_the_whole_interval(void **state)
{
    static const struct {
        double low, high;
        enum verdict verdict;
    } rows[] = {{0.2, 0.4, VERDICT_WORSE},        {-0.4, -0.2, VERDICT_BETTER},
                {-0.05, 0.05, VERDICT_SAME},      {0.05, 0.3, VERDICT_NOT_ENOUGH},
                {-0.3, 0.05, VERDICT_NOT_ENOUGH}, {0.0, 0.0, VERDICT_SAME}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct interval interval = {.low = rows[i].low, .high = rows[i].high, .known = true};
        assert_int_equal(interval_verdict(&interval, 0.1), rows[i].verdict);
    }
    assert_int_equal(interval_verdict(&(struct interval){.known = false}, 0.1), VERDICT_NOT_ENOUGH);
    struct interval rates = interval_of_rates(1000, 1000, 1000, 1000);
    assert_int_equal(interval_verdict(&rates, 0.1), VERDICT_SAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_as_published),
        cmocka_unit_test(quantiles_hold_the_truth),
        cmocka_unit_test(verdicts_need_the_whole_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
