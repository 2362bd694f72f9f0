/* test_localise_series.c - localise_series() on series made by hand; the numbers by hand too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/localise/series.h"
#include "tests/unit/near.h"

#define MOST 32
#define MINUTES 15 /* ten of normal times, five of now */

struct made {
    struct mesh_series_list list;
    struct mesh_series items[MOST];
    struct mesh_minute minutes[MOST][MINUTES];
    struct arena arena;
    struct diagnosis diagnosis;
    struct series_symptom symptom;
};

static void begin(struct made *made)
{
    *made = (struct made){.diagnosis = {.baseline_from_ns = 1000 * NS_PER_MINUTE,
                                        .baseline_to_ns = 1010 * NS_PER_MINUTE,
                                        .from_ns = 1010 * NS_PER_MINUTE,
                                        .to_ns = 1015 * NS_PER_MINUTE}};
    made->list.items = made->items;
    arena_init(&made->arena, 1 << 22);
}

static struct mesh_series *add(struct made *made, const char *caller, const char *callee,
                               const double n[2], double ms)
{
    struct mesh_series *series = &made->items[made->list.n];
    *series = (struct mesh_series){.caller.service = str_of(caller),
                                   .callee.service = str_of(callee),
                                   .by_caller = true,
                                   .minutes = made->minutes[made->list.n++]};
    for (unsigned i = 0; i < MINUTES; i++) {
        double calls = i < 10 ? n[0] / 10 : n[1] / 5;
        if (calls > 0)
            series->minutes[series->n++] = (struct mesh_minute){1000 + i, calls, calls * ms * 1e6};
    }
    return series;
}

static void ok(struct made *made, const char *caller, const char *callee, double normal, double now)
{
    add(made, caller, callee, (double[]){normal, now}, 0);
}

static void failed(struct made *made, const char *caller, const char *callee, double normal,
                   double now)
{
    struct mesh_series *series = add(made, caller, callee, (double[]){normal, now}, 0);
    series->failed = true;
    series->reason = STR("503 UO");
}

static void took(struct made *made, const char *caller, const char *callee, double was_ms,
                 double is_ms)
{
    add(made, caller, callee, (double[]){1000, 0}, was_ms)->times = true;
    add(made, caller, callee, (double[]){0, 1000}, is_ms)->times = true;
}

static void localise(struct made *made)
{
    struct series_input input = {&made->list, SUSPECT_SERVICE, 10, 30, &made->symptom};
    assert_true(localise_series(&input, &made->arena, &made->diagnosis));
}

static const struct suspect *suspect(const struct made *made, uint32_t at, const char *service)
{
    assert_true(at < made->diagnosis.n_suspects);
    assert_string_equal(made->diagnosis.suspects[at].node.service.p, service);
    return &made->diagnosis.suspects[at];
}

static void carried_failures_are_not_its_own(void **state)
{
    (void)state;
    static struct made made;
    begin(&made);
    for (int i = 0; i < 2; i++) {
        const char *caller = i ? "front" : "gateway", *callee = i ? "cart" : "front";
        ok(&made, caller, callee, 1000, 700);
        failed(&made, caller, callee, 0, 300);
        took(&made, caller, callee, 10, 10);
    }
    localise(&made);
    assert_int_equal(made.diagnosis.verdict, VERDICT_INCIDENT);
    assert_int_equal(made.diagnosis.baseline.n, 1000);
    assert_int_equal(made.diagnosis.now.failed, 300);
    assert_near(made.diagnosis.now.mean_ns, 10e6, 1);
    assert_int_equal(made.diagnosis.onset_ns / NS_PER_MINUTE, 1010);
    const struct suspect *cart = suspect(&made, 0, "cart"), *front = suspect(&made, 1, "front");
    assert_near(cart->score, 0.3, 1e-9);
    /* 0.3 / √(0.15 × 0.85 × 2 / 1000) */
    assert_near(cart->evidence[0].deviation, 18.7867, 1e-3);
    assert_true(
        str_contains(cart->reason, STR("30.0 % of the calls to cart fail, most with 503 UO")));
    assert_int_equal(cart->n_effects, 2);
    assert_string_equal(cart->effects[1].service.p, "front");
    assert_true(made.symptom.failing && !made.symptom.slower);
    assert_string_equal(made.symptom.entry.service.p, "gateway");
    assert_near(made.symptom.failed[1], 300, 1e-6);
    assert_int_equal(made.symptom.n_minutes, 10);
    /* 300 − 0.9 × 300 of 1000 */
    assert_near(front->score, 0.03, 1e-9);
    /* 0.3 / 0.33 × (1 − e^(−1000 / 150)) */
    assert_near(cart->confidence, 0.3 / 0.33 * 0.998727, 1e-5);
    arena_fini(&made.arena);
}

/* Two callers see 100 times 503 UO each; a third sees 150 times 500, and so does the cart's own
 * proxy once more, which saw the same calls. */
static void a_reason_is_what_most_failures_give_whoever_called(void **state)
{
    (void)state;
    static struct made made;
    begin(&made);
    for (int i = 0; i < 3; i++) {
        const char *const callers[] = {"ads", "front", "search"};
        ok(&made, callers[i], "cart", 1000, 700);
        failed(&made, callers[i], "cart", 0, i == 1 ? 150 : 100);
        if (i == 1)
            made.items[made.list.n - 1].reason = STR("500");
    }
    failed(&made, "front", "cart", 0, 150);
    made.items[made.list.n - 1].reason = STR("500");
    made.items[made.list.n - 1].by_caller = false;
    localise(&made);
    assert_true(str_contains(suspect(&made, 0, "cart")->reason, STR("most with 503 UO")));
    arena_fini(&made.arena);
}

static void time_of_the_worst_callee_is_not_its_own(void **state)
{
    (void)state;
    static struct made made;
    begin(&made);
    ok(&made, "gateway", "front", 1000, 1000);
    ok(&made, "front", "cart", 1000, 1000);
    ok(&made, "front", "ads", 500, 500);
    took(&made, "gateway", "front", 20, 42);
    took(&made, "front", "cart", 10, 30);
    took(&made, "front", "ads", 5, 5);
    localise(&made);
    const struct suspect *cart = suspect(&made, 0, "cart"), *front = suspect(&made, 1, "front");
    /* log 3; its impact of 20 / 20 a request against the 22 / 20 of front */
    assert_near(cart->score, 1.098612 * 20 / 22, 1e-5);
    assert_near(cart->evidence[0].deviation, 20 / 0.6, 1e-6);
    assert_int_equal(cart->evidence[0].kind, EVIDENCE_SELF_TIME);
    assert_true(made.symptom.slower && !made.symptom.failing);
    assert_near(made.symptom.mean_ns[1], 42e6, 1);
    /* a tenth and a bit of log 2.1 is left */
    assert_near(front->score, 0.741937 * 2 / 22, 1e-5);
    assert_int_equal(made.diagnosis.n_suspects, 2);
    arena_fini(&made.arena);
}

static void little_and_nothing(void **state)
{
    (void)state;
    static struct made made;
    begin(&made);
    localise(&made);
    assert_int_equal(made.diagnosis.verdict, VERDICT_NOT_ENOUGH);
    assert_int_equal(made.diagnosis.need_requests, 30);
    ok(&made, "", "front", 1000, 1000);
    took(&made, "", "front", 20, 20.5);
    localise(&made);
    assert_int_equal(made.diagnosis.verdict, VERDICT_NOTHING);
    assert_int_equal(made.diagnosis.need_requests, 0);
    assert_false(made.symptom.slower || made.symptom.failing);
    assert_int_equal(made.diagnosis.onset_ns, 0);
    arena_fini(&made.arena);
}

/* Six that the gateway calls, and all take a quarter longer; then one of them three times as long.
 */
static void what_all_are_slower_by_is_nobodys(void **state)
{
    static const char *const names[] = {"cart", "ads", "mail", "pay", "rate", "stock"};
    static struct made made;
    (void)state;
    for (int odd = 0; odd < 2; odd++) {
        begin(&made);
        for (int i = 0; i < 6; i++) {
            ok(&made, "gateway", names[i], 1000, 1000);
            took(&made, "gateway", names[i], 10, odd && i == 0 ? 30 : 12.5);
        }
        localise(&made);
        assert_int_equal(made.diagnosis.verdict, odd ? VERDICT_INCIDENT : VERDICT_NOTHING);
        assert_true(odd == (suspect(&made, 0, odd ? "cart" : "ads")->score > 0.5));
        assert_false(made.diagnosis.suspects[1].significant);
        arena_fini(&made.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carried_failures_are_not_its_own),
        cmocka_unit_test(a_reason_is_what_most_failures_give_whoever_called),
        cmocka_unit_test(time_of_the_worst_callee_is_not_its_own),
        cmocka_unit_test(little_and_nothing),
        cmocka_unit_test(what_all_are_slower_by_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
