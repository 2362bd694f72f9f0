/* test_statistics.c - the statistics of the localiser against answers computed elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/localise/statistics.h"
#include "tests/unit/near.h"

static void two_proportions_has_known_answers(void **state)
{
    (void)state;
    /* 56 of 70 against 48 of 80: pooled 104/150 */
    assert_near(two_proportions(48, 80, 56, 70), 2.651, 0.001);
    assert_near(two_proportions(10, 100, 10, 100), 0, 1e-12);
    assert_near(two_proportions(0, 0, 5, 10), 0, 1e-12);
    assert_near(two_proportions(0, 100, 0, 100), 0, 1e-12);
    /* Few: by the hypergeometric distribution, summed by hand. One of 48 against one of 3000 is
     * 1 − C(3000,2)/C(3048,2) = 0.03125; four of 48 against one of 3000 is 2.68e-07. */
    assert_near(two_proportions(1, 3000, 1, 48), 1.8627, 0.001);
    assert_near(two_proportions(1, 3000, 4, 48), 5.0130, 0.001);
    assert_near(two_proportions(4, 48, 1, 3000), -5.0130, 0.001);
    assert_near(two_proportions(0, 1000, 1, 1000), 0, 1e-6);
}

static void rates_and_quantiles_have_known_answers(void **state)
{
    (void)state;
    /* 0.05 / sqrt(100/1000² + 150/1000²) */
    assert_near(rates_z(100, 1000, 150, 1000), 3.162278, 1e-6);
    assert_near(rates_z(100, 0, 150, 1000), 0, 1e-12);
    /* Few: five of five in half of the time are by chance in one of 32, as the five of nought are.
     */
    assert_near(rates_z(0, 10, 5, 10), 1.862732, 1e-5);
    assert_near(rates_z(5, 10, 0, 10), -1.862732, 1e-5);
    assert_near(rates_z(2, 10, 2, 10), 0, 1e-12);
    /* tables of the normal distribution */
    assert_near(z_beyond(0.025), 1.959964, 1e-6);
    assert_near(z_beyond(0.00134989803), 3, 1e-6);
    assert_near(z_beyond(1e-6), 4.753424, 1e-6);
}

/* Tails of the negative binomial distribution, summed from 0 up with 60 digits. */
static void rare_events_have_known_answers(void **state)
{
    (void)state;
    assert_near(rare_z(0, 600, 3, 300, 0.5 / 300), 5.939879, 1e-5);
    assert_near(rare_z(0, 600, 2, 300, 2.5 / 300), 4.056993, 1e-5);
    assert_near(rare_z(50, 600, 60, 300, 1), 6.551725, 1e-5);
    assert_near(rare_z(2, 100, 3, 100, 2), 0.480219, 1e-5);
    assert_near(rare_z(6, 600, 3, 300, 1), 0, 1e-12);
    assert_near(rare_z(0, 0, 3, 300, 1), 0, 1e-12);
    assert_true(rare_z(0, 600, 5000, 5000, 0.001) > 30);
}

/* Expected and variance of each table by hand: 29 seen, 21.974 expected, variance 8.8302. */
static void tables_add_up(void **state)
{
    struct strata strata = {0}, none = {0};
    (void)state;
    strata_add(&strata, 2, 20, 6, 15);
    strata_add(&strata, 10, 100, 19, 120);
    strata_add(&strata, 1, 10, 4, 12);
    strata_add(&strata, 3, 7, 0, 0);
    assert_near(strata.observed, 29, 1e-12);
    assert_near(strata_z(&strata), 2.364406, 1e-5);
    assert_near(strata_z(&none), 0, 1e-12);
    /* Few: 3 where 0.6 are expected: Poisson gives 0.0231. */
    strata_add(&none, 0, 40, 3, 10);
    /* few: three of three where one of five is expected, 0.2³; exactly it is 0.0061, 2.505 */
    assert_near(strata_z(&none), 2.4089, 0.001);
    /* all of fourteen where 30 % are expected; exactly 5.346. Where the sum is not taken term by
     * term any more, it is about the same. */
    struct strata some = {0}, more = {0};
    strata_add(&some, 0, 600, 14, 262);
    strata_add(&more, 0, 600, 17, 262);
    assert_near(strata_z(&some), 5.3015, 0.001);
    assert_true(strata_z(&more) > strata_z(&some) && strata_z(&more) < strata_z(&some) + 1);
}

/* Newcombe 1998, table of method 10: 56/70 − 48/80 = 0.2, 0.0524 … 0.3339. */
static void score_interval_has_known_answers(void **state)
{
    double interval[2];
    (void)state;
    share_difference_interval(48, 80, 56, 70, 1.959964, interval);
    assert_near(interval[0], 0.0524, 0.0001);
    assert_near(interval[1], 0.3339, 0.0001);
    share_difference_interval(0, 10, 0, 20, 1.959964, interval);
    assert_true(interval[0] < 0 && interval[1] > 0);
}

static struct histogram histogram_of(const uint64_t *values, const int64_t *times, size_t n)
{
    struct histogram histogram;
    histogram_init(&histogram);
    for (size_t i = 0; i < n; i++)
        assert_true(histogram_add(&histogram, values[i], times[i]));
    return histogram;
}

/* Computed from the definition, by comparing every pair. */
static void mann_whitney_has_known_answers(void **state)
{
    static const uint64_t values[4] = {1, 2, 3, 4};
    static const int64_t normal_n[4] = {10, 10, 5, 0}, now_n[4] = {0, 8, 8, 9};
    struct histogram normal = histogram_of(values, normal_n, 4),
                     now = histogram_of(values, now_n, 4);
    (void)state;
    struct rank_test test = mann_whitney(&normal, &now);
    assert_near(test.effect, 0.68, 1e-9);
    assert_near(test.z, 4.293260, 1e-6);
    test = mann_whitney(&normal, &normal);
    assert_near(test.effect, 0, 1e-12);
    assert_near(test.z, 0, 1e-12);
    assert_near(share_above(&now, 2), 17.0 / 25, 1e-12);
    histogram_fini(&normal);
    histogram_fini(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_proportions_has_known_answers),
        cmocka_unit_test(rates_and_quantiles_have_known_answers),
        cmocka_unit_test(score_interval_has_known_answers),
        cmocka_unit_test(rare_events_have_known_answers),
        cmocka_unit_test(tables_add_up),
        cmocka_unit_test(mann_whitney_has_known_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
