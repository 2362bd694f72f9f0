/* test_steps.c - the roll-ups in memory: their bound, and what goes when it is met. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/localise/steps.h"

#define KEYS 10000u
#define MINUTES 60u

static struct names *names;
static struct nodes *nodes;
static node_no node;

/* A turn with as many counters of one minute. */
static void take(struct steps *steps, uint32_t minute, uint32_t n)
{
    struct rollup rollup;
    struct turn turn = {.names = names, .nodes = nodes, .rollup = &rollup};
    rollup_init(&rollup, UINT32_MAX);
    for (uint32_t i = 0; i < n; i++) {
        struct tally_key key = {.channel = TALLY_SELF, .node = node, .what = (uint8_t)(i >> 8)};
        key.name = (name_no)(i % 256);
        struct tally *tally = rollup_tally(&rollup, &key, minute * ROLLUP_MINUTE_S);
        assert_non_null(tally);
        tally->n = 1;
    }
    assert_true(steps_take(steps, &turn));
    rollup_fini(&rollup);
}

static uint32_t held(struct steps *steps, uint64_t from, uint64_t to, unsigned *n_minutes)
{
    struct rollup sum;
    rollup_init(&sum, UINT32_MAX);
    assert_true(steps_sum_minutes(steps, from, to, false, &sum, n_minutes));
    int64_t n = 0;
    for (uint32_t i = 0; i < sum.n; i++)
        n += sum.items[i].n;
    rollup_fini(&sum);
    return (uint32_t)n;
}

static struct steps *begun(void)
{
    char text[24];
    names = names_new(1000, 1 << 20);
    nodes = nodes_new(10);
    for (int i = 0; i < 256; i++) {
        snprintf(text, sizeof(text), "op%d", i);
        names_add(names, str_of(text));
    }
    node = nodes_add(nodes, &(struct node){.service = names_add(names, STR("cart"))});
    return steps_new(false, 10, 2);
}

static void end(struct steps *steps)
{
    steps_free(steps);
    nodes_free(nodes);
    names_free(names);
}

static void beyond_the_bound_the_oldest_minutes_go(void **state)
{
    (void)state;
    unsigned n_minutes;
    struct steps *steps = begun();
    for (uint32_t minute = 1000; minute < 1000 + MINUTES; minute++)
        take(steps, minute, KEYS);
    /* 490,000 of the minutes' and 10,000 of the last step's */
    assert_int_equal(held(steps, 1011, 1060, &n_minutes), 49 * KEYS);
    assert_int_equal(n_minutes, 49);
    assert_int_equal(held(steps, 0, 1011, &n_minutes), 0);
    assert_int_equal(steps_left_out(steps), 11 * KEYS);
    /* a minute that is asked for by itself is counted in as well, and its entries once more */
    struct rollup *minute = steps_minute(steps, 1062);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct tally_key key = {.channel = TALLY_REQUEST, .node = node, .name = i};
        rollup_tally(minute, &key, 0)->n = 1;
    }
    steps_recount(steps);
    assert_int_equal(held(steps, 1012, 1063, &n_minutes), 48 * KEYS);
    assert_int_equal(steps_left_out(steps), 13 * KEYS);
    end(steps);
}

static void a_minute_has_its_own_bound(void **state)
{
    (void)state;
    unsigned n_minutes;
    struct steps *steps = begun();
    take(steps, 1000, 60000);
    assert_int_equal(held(steps, 0, 2000, &n_minutes), 50000);
    assert_int_equal(steps_left_out(steps), 2 * 10000);
    end(steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beyond_the_bound_the_oldest_minutes_go),
        cmocka_unit_test(a_minute_has_its_own_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
