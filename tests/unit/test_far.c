/* test_far.c - calls far beyond normal, against answers computed elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/localise/far.h"
#include "tests/unit/near.h"

#define MS UINT64_C(1000000)

struct times {
    uint64_t ns;
    int64_t n;
};

static struct histogram histogram_of(const struct times *times, size_t n)
{
    struct histogram histogram;
    histogram_init(&histogram);
    for (size_t i = 0; i < n; i++)
        assert_true(histogram_add(&histogram, times[i].ns, times[i].n));
    return histogram;
}

static struct far_calls far_of(const struct times normal[3], const struct times now[3])
{
    struct histogram a = histogram_of(normal, 3), b = histogram_of(now, 3);
    struct far_calls far = far_calls(&a, &b);
    histogram_fini(&a);
    histogram_fini(&b);
    return far;
}

static const struct times normal[3] = {{10 * MS, 135}, {12 * MS, 15}, {13 * MS, 0}};

/* The tail: one and 15 calls, 8 and 15 x 1.5 buckets from 10 ms. Sixteen buckets beyond 12 ms the
 * share of 0.1 x (30.5 / (30.5 + 18))^16 is less than 0.05 of 150: by chance 5 where 0.05 lie, with
 * a shape of half an event, three looks. */
static void few_calls_far_away_are_no_chance(void **state)
{
    const struct times now[3] = {{10 * MS, 131}, {12 * MS, 14}, {100 * MS, 5}};
    (void)state;
    struct far_calls far = far_of(normal, now);
    assert_near(far.z, 4.5207, 0.001);
    assert_near(far.n, 4.95, 1e-6);
    assert_near(far.share, 0.033, 1e-6);
    assert_near(far.ns, 4.95 * 90e6, 4.95 * 10e6);
}

/* The same five were there before. */
static void what_was_seen_before_is_no_news(void **state)
{
    const struct times before[3] = {{10 * MS, 135}, {12 * MS, 10}, {100 * MS, 5}},
                       now[3] = {{10 * MS, 131}, {12 * MS, 13}, {100 * MS, 6}};
    (void)state;
    assert_near(far_of(before, now).z, 0, 1e-12);
}

/* A little above the tail is not far, however many they are. */
static void what_is_near_is_not_far(void **state)
{
    const struct times now[3] = {{10 * MS, 100}, {12 * MS, 20}, {20 * MS, 30}},
                       none[3] = {{10 * MS, 0}, {12 * MS, 0}, {13 * MS, 0}};
    (void)state;
    assert_near(far_of(normal, now).z, 0, 1e-12);
    assert_near(far_of(none, now).z, 0, 1e-12);
    assert_near(far_of(normal, none).z, 0, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_calls_far_away_are_no_chance),
        cmocka_unit_test(what_was_seen_before_is_no_news),
        cmocka_unit_test(what_is_near_is_not_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
