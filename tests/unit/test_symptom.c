/* test_symptom.c - what is felt at entries, when it began, and the steps it is counted in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/localise/localise.h"
#include "collector/localise/symptom.h"
#include "tests/unit/near.h"

/* The k-th entry with n requests, of which some failed and all took so long; 0: nobody knows how
 * long. */
static void add_entry(struct rollup *rollup, uint32_t k, int64_t n, int64_t bad, uint64_t ns)
{
    struct tally_key key = {.node = 1, .name = 2 + k, .channel = TALLY_REQUEST};
    struct tally *tally = rollup_tally(rollup, &key, 0);
    tally->n = n;
    tally->bad = bad;
    if (ns)
        histogram_add(&tally->histogram, ns, n);
}

/* Ten minutes of normal and half a minute of now, without entries. */
struct times {
    struct rollup rollups[2];
    struct symptom_input input;
    struct symptom_found found[MAX_SYMPTOMS];
};

static void begin(struct times *times)
{
    for (int time = 0; time < 2; time++)
        rollup_init(&times->rollups[time], 100);
    times->input = (struct symptom_input){
        .normal = &times->rollups[0], .now = &times->rollups[1], .normal_s = 600, .now_s = 30};
}

static void end(struct times *times)
{
    for (int time = 0; time < 2; time++)
        rollup_fini(&times->rollups[time]);
}

/* Against few minutes of normal: what may be the hour's is not told. */
static void test_little_is_known_of_the_first_minutes(void **state)
{
    static const struct {
        int64_t bad;
        uint64_t ns;
        bool found;
    } rows[] = {{30, 1000000, true}, {20, 1000000, false}, {1, 3000000, true}, {1, 1600000, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct times times;
        begin(&times);
        times.input.gross = true;
        add_entry(&times.rollups[0], 0, 1000, 10, 1000000);
        add_entry(&times.rollups[1], 0, 100, rows[i].bad, rows[i].ns);
        assert_int_equal(symptom_find(&times.input, times.found), rows[i].found);
        end(&times);
    }
}

static void test_symptom_is_what_is_felt(void **state)
{
    static const struct {
        int64_t n, bad;
        uint64_t ns;
        bool found, heavy;
        enum symptom kind;
    } rows[] = {
        {100, 0, 1000000, false, false, SYMPTOM_ERRORS}, /* as ever */
        {100, 50, 1000000, true, true, SYMPTOM_ERRORS},  /* half fails */
        {100, 10, 1000000, true, false, SYMPTOM_ERRORS}, /* a few */
        {100, 5, 1000000, false, false,
         SYMPTOM_ERRORS}, /* five where one is usual: once a day by chance */
        {1000, 15, 1000000, false, false, SYMPTOM_ERRORS}, /* a half per cent more: not felt */
        {10, 10, 1000000, true, true, SYMPTOM_ERRORS},     /* few, and all of them fail */
        {4, 4, 1000000, false, false, SYMPTOM_ERRORS},     /* too few to say */
        {100, 1, 9000000, true, true, SYMPTOM_LATENCY},    /* all are slow */
        {100, 1, 1250000, true, true, SYMPTOM_LATENCY},    /* … by a quarter */
        {100, 1, 1090000, false, false, SYMPTOM_ERRORS},   /* all are above p95, by a tenth */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct times times;
        begin(&times);
        times.input.normal_s = times.input.now_s = 0;
        add_entry(&times.rollups[0], 0, 10000, 100, 1000000);
        add_entry(&times.rollups[1], 0, rows[i].n, rows[i].bad, rows[i].ns);
        assert_int_equal(symptom_find(&times.input, times.found), rows[i].found);
        if (rows[i].found) {
            assert_int_equal(times.found[0].kind, rows[i].kind);
            assert_int_equal(symptom_is_heavy(&times.found[0]), rows[i].heavy);
        }
        end(&times);
    }
}

/* Three entries. */
static void test_traffic_that_vanished_is_a_symptom(void **state)
{
    static const struct {
        int64_t now[3];
        unsigned n_found;
    } rows[] = {
        {{50, 50, 50}, 0},    /* as ever */
        {{0, 50, 50}, 1},     /* one has lost its traffic */
        {{4, 50, 50}, 1},     /* … nearly all of it */
        {{20, 50, 50}, 0},    /* less than half */
        {{150, 150, 150}, 0}, /* a surge */
        {{0, 0, 0}, 0},       /* the senders have stopped */
        {{0, 1, 100}, 2},     /* two have lost it, the greatest has not */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct times times;
        const struct symptom_found *found = times.found;
        begin(&times);
        for (uint32_t k = 0; k < 3; k++) {
            add_entry(&times.rollups[0], k, k == 2 ? 2000 : 1000, 0, 0);
            if (rows[i].now[k])
                add_entry(&times.rollups[1], k, rows[i].now[k], 0, 0);
        }
        unsigned n = symptom_find(&times.input, times.found);
        assert_int_equal(n, rows[i].n_found);
        if (n) {
            assert_int_equal(found[0].kind, SYMPTOM_TRAFFIC);
            assert_int_equal(found[0].entry.name, 2);
            assert_near(found[0].share, 1 - (double)rows[i].now[0] / 50, 1e-9);
            assert_int_equal(symptom_count(SYMPTOM_TRAFFIC, &found[0].entry, &times.input),
                             50 - rows[i].now[0]);
            assert_false(symptom_is_heavy(&found[0]));
        }
        end(&times);
    }
}

/* Twenty entries of one service, three requests each: none tells, eleven of sixty do. */
static void test_entries_with_few_requests_are_one(void **state)
{
    static const struct {
        int64_t bad_every;
        unsigned n_found;
    } rows[] = {{0, 0}, {2, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct times times;
        const struct symptom_found *found = times.found;
        begin(&times);
        for (uint32_t k = 0; k < 20; k++) {
            bool bad = rows[i].bad_every && k % (uint32_t)rows[i].bad_every == 0;
            add_entry(&times.rollups[0], k, 60, k == 0, 1000000);
            add_entry(&times.rollups[1], k, 3, bad ? (k == 4 ? 2 : 1) : 0, 1000000);
        }
        assert_int_equal(symptom_find(&times.input, times.found), rows[i].n_found);
        if (rows[i].n_found) {
            assert_int_equal(found[0].kind, SYMPTOM_ERRORS);
            assert_int_equal(found[0].entry.name, 6); /* two of its three fail */
            assert_int_equal(found[0].scope.name, NAME_NONE);
            assert_int_equal(found[0].scope.node, 1);
            assert_near(found[0].share, 11.0 / 60, 1e-9);
            assert_int_equal(symptom_count(SYMPTOM_ERRORS, &found[0].scope, &times.input), 11);
        }
        end(&times);
    }
}

/* One entry of which little is known: exactly what chance would have. */
static void test_a_thin_entry_is_tested_exactly(void **state)
{
    static const struct {
        int64_t normal, now, bad;
        bool found;
    } rows[] = {
        {25, 10, 10, true},  /* by chance once in 180 million times */
        {25, 5, 5, false},   /* … in 140,000 */
        {19, 10, 10, false}, /* nothing is known of so few */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct times times;
        begin(&times);
        add_entry(&times.rollups[0], 0, rows[i].normal, 0, 1000000);
        add_entry(&times.rollups[1], 0, rows[i].now, rows[i].bad, 1000000);
        assert_int_equal(symptom_find(&times.input, times.found), rows[i].found);
        if (rows[i].found)
            assert_int_equal(times.found[0].scope.name, 2);
        end(&times);
    }
}

/* Of two hundred: a twentieth is slower than nearly all are, as ever; how much tells. */
static void test_few_that_are_much_slower_are_felt(void **state)
{
    static const struct {
        uint64_t ns;
        bool found;
    } rows[] = {{1600000, false}, {2500000, true}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct times times;
        begin(&times);
        add_entry(&times.rollups[0], 0, 10000, 0, 1000000);
        add_entry(&times.rollups[1], 0, 190, 0, 1000000);
        histogram_add(&times.rollups[1].items[0].histogram, rows[i].ns, 10);
        assert_int_equal(symptom_find(&times.input, times.found), rows[i].found);
        if (rows[i].found)
            assert_int_equal(times.found[0].kind, SYMPTOM_LATENCY);
        end(&times);
    }
}

/* Thirty minutes of normal in which 120 of 3,000 requests fail or are slow, or come at all: spread
 * as by chance, or in three minutes of them. Now the same happens as in one of the three. */
static void test_what_comes_in_bursts_is_less_sure(void **state)
{
    enum { FAILS, SLOW, GONE, N };
    (void)state;
    for (int bursts = 0; bursts < 2; bursts++) {
        for (int what = 0; what < N; what++) {
            struct times times;
            struct rollup minutes[30];
            const struct rollup *parts[30];
            begin(&times);
            for (int i = 0; i < 30; i++) {
                int64_t bad = !bursts ? 4 : i % 10 == 0 ? 40 : 0;
                int64_t n = what != GONE ? 100 : bursts ? 30 * bad : 120;
                rollup_init(&minutes[i], 100);
                parts[i] = &minutes[i];
                for (uint32_t k = 0; k < 2; k++) {
                    struct rollup *both[2] = {&minutes[i], &times.rollups[0]};
                    for (int t = 0; t < 2 && (k || n); t++) {
                        add_entry(both[t], k, k ? 1000 : n, k || what != FAILS ? 0 : bad, 1000000);
                        histogram_add(&both[t]->items[both[t]->n - 1].histogram, 9000000,
                                      k || what != SLOW ? 0 : bad);
                    }
                }
            }
            /* What add_entry() set last counts for the sum: set it whole. */
            for (uint32_t k = 0; k < times.rollups[0].n; k++) {
                struct tally *all = &times.rollups[0].items[k];
                bool other = all->key.name == 3;
                all->n = other ? 30000 : what == GONE ? 3600 : 3000;
                all->bad = !other && what == FAILS ? 120 : 0;
            }
            add_entry(&times.rollups[1], 1, 1000, 0, 1000000);
            if (what != GONE) {
                add_entry(&times.rollups[1], 0, 70, what == FAILS ? 30 : 0, 1000000);
                histogram_add(&times.rollups[1].items[1].histogram, 9000000, what == SLOW ? 30 : 0);
            }
            times.input.normal_s = 1800;
            times.input.now_s = 60;
            times.input.parts = parts;
            times.input.n_parts = 30;
            assert_int_equal(symptom_find(&times.input, times.found), !bursts);
            for (int i = 0; i < 30; i++)
                rollup_fini(&minutes[i]);
            end(&times);
        }
    }
}

static void test_steps_make_whole_minutes(void **state)
{
    static const uint64_t rows[][2] = {{1, 1},   {7, 6},   {10, 10},  {15, 15},
                                       {45, 30}, {60, 60}, {600, 60}, {0, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(rollup_step_s(rows[i][0] * NS_PER_S), rows[i][1]);
}

static void test_onset_is_where_it_changes(void **state)
{
    const struct step_count late[] = {{100, 1}, {100, 0}, {100, 2}, {100, 30}, {100, 60}};
    const struct step_count calm[] = {{100, 5}, {100, 5}, {100, 5}};
    const struct step_count gaps[] = {{0, 0}, {100, 0}, {0, 0}, {100, 50}};
    (void)state;
    assert_int_equal(symptom_onset(late, 5), 3);
    assert_int_equal(symptom_onset(calm, 3), 0);
    assert_true(symptom_onset(gaps, 4) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symptom_is_what_is_felt),
        cmocka_unit_test(test_little_is_known_of_the_first_minutes),
        cmocka_unit_test(test_traffic_that_vanished_is_a_symptom),
        cmocka_unit_test(test_entries_with_few_requests_are_one),
        cmocka_unit_test(test_a_thin_entry_is_tested_exactly),
        cmocka_unit_test(test_few_that_are_much_slower_are_felt),
        cmocka_unit_test(test_what_comes_in_bursts_is_less_sure),
        cmocka_unit_test(test_steps_make_whole_minutes),
        cmocka_unit_test(test_onset_is_where_it_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
