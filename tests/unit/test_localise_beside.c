/* test_localise_beside.c - callers that do not report their calls: what of their own time lies
 * beside them is counted, and laid to whom it belongs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/localise/count.h"
#include "tests/unit/near.h"
#include "tests/unit/shop.h"

/* Front's one operation calls three that nobody else calls, ads last. */
struct callees {
    node_no mail, pay, ads;
};

static struct callees begin(struct shop *shop, double own_ms)
{
    struct callees to;
    shop_init(shop);
    to.mail = shop_node(shop, "mail", "v1", ROLE_WORKLOAD);
    to.pay = shop_node(shop, "pay", "v1", ROLE_WORKLOAD);
    to.ads = shop_node(shop, "zads", "v1", ROLE_WORKLOAD);
    shop_times(shop, 0, TALLY_SELF, shop->front, NODE_NONE, "POST /", 6, 1000);
    shop_times(shop, 1, TALLY_SELF, shop->front, NODE_NONE, "POST /", own_ms, 1000);
    return to;
}

/* Calls of front's operation, before and since, and how long it is alone beside them. */
static void beside(struct shop *shop, node_no caller, node_no callee, double was_ms, double is_ms)
{
    shop_times(shop, 0, TALLY_BESIDE, caller, callee, "POST /", was_ms, 1000);
    shop_times(shop, 1, TALLY_BESIDE, caller, callee, "POST /", is_ms, 1000);
}

static void own_time_beside_one_callee_alone_is_the_callees(void **state)
{
    struct shop shop;
    (void)state;
    struct callees to = begin(&shop, 56);
    beside(&shop, shop.front, to.mail, 3, 3);
    beside(&shop, shop.front, to.pay, 3, 3);
    beside(&shop, shop.front, to.ads, 3, 53);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "zads");
    const struct evidence *gap = evidence_of(&shop.diagnosis.suspects[0], EVIDENCE_GAP);
    assert_non_null(gap);
    assert_string_equal(gap->metric.p, "beside");
    assert_string_equal(shop.diagnosis.suspects[1].node.service.p, "front");
    shop_fini(&shop);
}

static void own_time_that_grew_everywhere_stays_the_callers(void **state)
{
    struct shop shop;
    (void)state;
    struct callees to = begin(&shop, 60);
    beside(&shop, shop.front, to.mail, 3, 30);
    beside(&shop, shop.front, to.pay, 3, 30);
    beside(&shop, shop.front, to.ads, 3, 30);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "front");
    shop_fini(&shop);
}

/* One call and nothing to compare it with: it is the caller's, until several callers of one callee
 * are slow at once. */
static void own_time_beside_the_only_call_is_the_callees_when_all_callers_say_so(void **state)
{
    for (int n_callers = 1; n_callers <= 4; n_callers++) {
        static const char *const names[] = {"a", "b", "c", "d"};
        struct shop shop;
        (void)state;
        struct callees to = begin(&shop, 6);
        for (int i = 0; i < n_callers; i++) {
            node_no caller = shop_node(&shop, names[i], "v1", ROLE_WORKLOAD);
            shop_times(&shop, 0, TALLY_SELF, caller, NODE_NONE, "POST /", 6, 1000);
            shop_times(&shop, 1, TALLY_SELF, caller, NODE_NONE, "POST /", 56, 1000);
            beside(&shop, caller, to.ads, 6, 56);
        }
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, n_callers == 1 ? "a" : "zads");
        shop_fini(&shop);
    }
}

/* Another caller reaches it as ever: it is the caller, in that one place. */
static void own_time_beside_a_callee_whom_others_reach_well_is_the_callers(void **state)
{
    struct shop shop;
    (void)state;
    struct callees to = begin(&shop, 56);
    beside(&shop, shop.front, to.mail, 3, 3);
    beside(&shop, shop.front, to.ads, 3, 53);
    beside(&shop, shop_node(&shop, "other", "v1", ROLE_WORKLOAD), to.ads, 3, 3);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "front");
    shop_fini(&shop);
}

/* Ten operations of the front, eight visits each: none tells by itself. All are slow beside ads,
 * and as ever beside the mail. */
static void rare_operations_are_laid_to_their_callee_together(void **state)
{
    struct shop shop;
    (void)state;
    struct callees to = begin(&shop, 6);
    for (int i = 0; i < 10; i++) {
        const char name[] = {'o', (char)('0' + i), 0};
        for (int time = 0; time < 2; time++) {
            shop_times(&shop, time, TALLY_SELF, shop.front, NODE_NONE, name, time ? 56 : 6, 8);
            shop_times(&shop, time, TALLY_BESIDE, shop.front, to.mail, name, 3, 8);
            shop_times(&shop, time, TALLY_BESIDE, shop.front, to.ads, name, time ? 53 : 3, 8);
        }
    }
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "zads");
    shop_fini(&shop);
}

/* As in the first test, but one of front's two instances has it all: ads would have been slow for
 * both. */
static void own_time_of_one_instance_of_the_caller_is_the_callers(void **state)
{
    (void)state;
    for (int of = 0; of < 2; of++) {
        struct shop shop;
        struct callees to = begin(&shop, 56);
        beside(&shop, shop.front, to.mail, 3, 3);
        beside(&shop, shop.front, to.pay, 3, 3);
        beside(&shop, shop.front, to.ads, 3, 28);
        for (int i = 0; i < 4; i++) {
            struct tally_key key = {.channel = TALLY_GAP_INSTANCE,
                                    .node = i < 2 ? shop.front : to.ads,
                                    .name = names_add(shop.names, str_of(i % 2 ? "one" : "two")),
                                    .what = i < 2 ? GAP_CALLER : GAP_CALLEE};
            for (int k = 0; k < 1000; k++) {
                bool slow = i / 2 == of ? i % 2 : k % 2;
                tally_time(shop_tally(&shop, 0, &key), 3 * NS_PER_MS, 1);
                tally_time(shop_tally(&shop, 1, &key), (slow ? 53 : 3) * NS_PER_MS, 1);
            }
        }
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, of == 0 ? "front" : "zads");
        shop_fini(&shop);
    }
}

/* ---- what is counted ---- */

struct traced {
    struct shop *shop;
    struct shape shapes[8];
    struct record records[8];
    struct span_result spans[8];
    struct call calls[8];
    struct counted_trace trace;
};

/* A span of an incoming half, beneath the first one; times in ms. */
static void add(struct traced *traced, node_no node, unsigned start, unsigned ms)
{
    uint32_t i = traced->trace.n_records++;
    traced->shapes[i] = (struct shape){.operation = names_add(traced->shop->names, STR("POST /"))};
    traced->records[i] = (struct record){.span_id = i + 1,
                                         .parent_id = i > 0,
                                         .start_ns = NS_PER_S + start * NS_PER_MS,
                                         .duration_ns = ms * NS_PER_MS,
                                         .shape = &traced->shapes[i],
                                         .weight = 1};
    traced->spans[i] = (struct span_result){.node = node, .part = PART_IN};
    if (i > 0)
        traced->calls[traced->trace.graph.n_calls++] =
            (struct call){.caller = traced->spans[0].node,
                          .callee = node,
                          .caller_ns = DURATION_UNKNOWN,
                          .callee_ns = ms * NS_PER_MS,
                          .transit_ns = DURATION_UNKNOWN,
                          .caller_span = NO_SPAN,
                          .callee_span = i,
                          .weight = 1};
    traced->trace.records = traced->records;
    traced->trace.graph.spans = traced->spans;
    traced->trace.graph.calls = traced->calls;
}

static void assert_beside(const struct rollup *rollup, node_no callee, int64_t n, double ms)
{
    int64_t seen = 0;
    double sum_ns = 0;
    for (uint32_t i = 0; i < rollup->n; i++) {
        const struct tally *tally = &rollup->items[i];
        if (tally->key.channel != TALLY_BESIDE || tally->key.peer != callee)
            continue;
        seen += tally->n;
        sum_ns += (double)tally->sum_ns;
    }
    assert_int_equal(seen, n);
    assert_near(sum_ns / 1e6, ms, 1e-6);
}

static void what_lies_beside_a_call_is_counted_and_taken_back(void **state)
{
    struct shop shop;
    struct rollup rollup;
    (void)state;
    struct callees to = begin(&shop, 6);
    struct traced traced = {.shop = &shop};
    add(&traced, shop.front, 0, 100);
    add(&traced, to.mail, 10, 10); /* alone from 0 to 10 and from 20 to 25 */
    add(&traced, to.pay, 25, 30);  /* from 20 to 25; ads begins before it ends */
    add(&traced, to.ads, 50, 40);  /* from 90 to 100 */
    struct counting *counting = counting_new(shop.nodes, 10);
    rollup_init(&rollup, 1000);
    assert_true(count_trace(counting, &traced.trace, 1, &rollup));
    assert_beside(&rollup, to.mail, 1, 15);
    assert_beside(&rollup, to.pay, 1, 5);
    assert_beside(&rollup, to.ads, 1, 10);
    assert_true(count_trace(counting, &traced.trace, -1, &rollup));
    assert_beside(&rollup, to.mail, 0, 0);
    /* A visit in which something failed takes another kind of time. */
    traced.spans[0].failed = true;
    assert_true(count_trace(counting, &traced.trace, 1, &rollup));
    assert_beside(&rollup, to.mail, 0, 0);
    traced.spans[0].failed = false;
    /* A call that its caller reports is a gap. */
    traced.calls[0].caller_span = 0;
    assert_true(count_trace(counting, &traced.trace, 1, &rollup));
    assert_beside(&rollup, to.mail, 0, 0);
    assert_beside(&rollup, to.ads, 1, 10);
    rollup_fini(&rollup);
    counting_free(counting);
    shop_fini(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_time_beside_one_callee_alone_is_the_callees),
        cmocka_unit_test(own_time_that_grew_everywhere_stays_the_callers),
        cmocka_unit_test(own_time_beside_the_only_call_is_the_callees_when_all_callers_say_so),
        cmocka_unit_test(own_time_beside_a_callee_whom_others_reach_well_is_the_callers),
        cmocka_unit_test(own_time_of_one_instance_of_the_caller_is_the_callers),
        cmocka_unit_test(rare_operations_are_laid_to_their_callee_together),
        cmocka_unit_test(what_lies_beside_a_call_is_counted_and_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
