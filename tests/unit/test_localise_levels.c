/* test_localise_levels.c - localise(): which version or instance of a service it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "tests/unit/near.h"
#include "tests/unit/shop.h"

/* cart v3 is new beside v1 and v2. It fails a tenth of its calls, or none. */
static void a_newcomer_is_judged_by_its_sisters_and_not_by_its_date(void **state)
{
    struct shop shop;
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        shop_init(&shop);
        node_no cart3 = shop_node(&shop, "cart", "v3", ROLE_WORKLOAD);
        shop_times(&shop, 1, TALLY_SELF, cart3, NODE_NONE, "GetCart", 8, 500);
        shop_calls(&shop, 0, shop.front, shop.cart1, 12, 500, 0); /* no more calls than before */
        shop_calls(&shop, 1, shop.front, cart3, 12, 500, bad ? 50 : 0);
        if (bad)
            shop_fail_at(&shop, cart3, 50);
        shop_ask(&shop, SUSPECT_SERVICE);
        const struct suspect *first = &shop.diagnosis.suspects[0];
        assert_string_equal(first->node.service.p, "cart");
        const struct evidence *change = evidence_of(first, EVIDENCE_CHANGE);
        assert_non_null(change);
        assert_int_equal(first->significant, bad);
        assert_int_equal(shop.diagnosis.verdict, bad ? VERDICT_INCIDENT : VERDICT_NOTHING);
        if (bad) {
            assert_near(change->observed, 0.1, 1e-9);
            assert_near(change->baseline, 0, 1e-9);
            /* 50/500 against 0/1000: pooled 1/30 */
            assert_near(change->deviation, 10.171, 0.001);
            assert_near(first->score, 0.05 + 0.25 * 0.1 * 0.5, 1e-9);
            shop_ask(&shop, SUSPECT_VERSION);
            assert_string_equal(shop.diagnosis.suspects[0].node.version.p, "v3");
        }
        shop_fini(&shop);
    }
}

/* Nothing fails at the newcomer, but a tenth of its calls to redis, and none of its sisters'. */
static void a_newcomer_whose_calls_fail_is_worse_than_its_sisters(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no cart3 = shop_node(&shop, "cart", "v3", ROLE_WORKLOAD);
    shop_times(&shop, 1, TALLY_SELF, cart3, NODE_NONE, "GetCart", 8, 500);
    shop_calls(&shop, 1, shop.front, cart3, 12, 500, 0);
    for (int time = 0; time < 2; time++)
        shop_calls(&shop, time, shop.cart1, shop.redis, 1, 1000, 0);
    shop_fail_calls(&shop, cart3, 100, ORIGIN_UNREACHED);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "cart");
    const struct evidence *change = evidence_of(&shop.diagnosis.suspects[0], EVIDENCE_CHANGE);
    assert_non_null(change);
    assert_string_equal(change->text.p,
                        "cart v3 is new: 10.0 % of its calls to redis begin to fail, "
                        "against 0 % of the others");
    assert_near(change->observed, 0.1, 1e-9);
    assert_near(change->baseline, 0, 1e-9);
    assert_near(change->deviation, 10.25, 0.01); /* 100/1000 against 0/1000: pooled 1/20 */
    /* What it does is told, whichever of the two weighs more. */
    assert_string_equal(shop.diagnosis.suspects[0].reason.p,
                        "connection pool full at its calls to redis");
    assert_string_equal(shop.diagnosis.suspects[0].narrowed[0].value.p, "v3");
    assert_string_equal(shop.diagnosis.suspects[0].peer.service.p, "redis");
    shop_ask(&shop, SUSPECT_VERSION);
    assert_string_equal(shop.diagnosis.suspects[0].node.version.p, "v3");
    shop_fini(&shop);
}

/* Calls to the stock that reach nobody do not say of which version they were: v2 misses them. */
static void calls_that_reach_nobody_are_laid_to_the_version_that_misses_them(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no unknown = shop_node(&shop, "stock", "", ROLE_WORKLOAD);
    node_no stock1 = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD),
            stock2 = shop_node(&shop, "stock", "v2", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        shop_calls(&shop, time, shop.front, stock1, 5, 500, 0);
        shop_calls(&shop, time, shop.front, stock2, 5, time ? 200 : 500, 0);
    }
    shop_calls(&shop, 1, shop.front, unknown, 1, 300, 300);
    struct tally_key key = {.channel = TALLY_ORIGIN,
                            .node = unknown,
                            .peer = shop.front,
                            .name = names_add(shop.names, STR("call")),
                            .what = ORIGIN_UNREACHED};
    struct tally *origin = shop_tally(&shop, 1, &key);
    origin->n = origin->bad = 300;
    shop_ask(&shop, SUSPECT_VERSION);
    shop_assert_first(&shop, "stock");
    assert_string_equal(shop.diagnosis.suspects[0].node.version.p, "v2");
    shop_fini(&shop);
}

/* Visits of the front call that version of mail, and so many of them end then. */
static void call_mail(struct shop *shop, int time, node_no mail, int calls, int n)
{
    struct tally_key flow = {.channel = TALLY_FLOW,
                             .node = shop->front,
                             .peer = mail,
                             .name = names_add(shop->names, STR("GET /")),
                             .what = FLOW_CALL};
    shop_tally(shop, time, &flow)->n += n;
    shop_times(shop, time, TALLY_SELF, mail, NODE_NONE, "Send", 4, calls);
    shop_count(shop, time, TALLY_FLOW, mail, NODE_NONE, "Send")->n += calls;
    shop_calls(shop, time, shop->front, mail, 5, calls, 0);
}

/* All that mail v1 did v2 does now. */
static void a_version_that_takes_the_place_of_another_is_no_fault(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    call_mail(&shop, 0, shop_node(&shop, "mail", "v1", ROLE_WORKLOAD), 1000, 1000);
    call_mail(&shop, 1, shop_node(&shop, "mail", "v2", ROLE_WORKLOAD), 1000, 1000);
    shop_ask(&shop, SUSPECT_VERSION);
    assert_int_equal(shop.diagnosis.verdict, VERDICT_NOTHING);
    shop_fini(&shop);
}

/* Half of the visits go on to ads after mail; after v2, new beside v1, none does. */
static void visits_stop_after_the_version_that_they_end_with(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no mail1 = shop_node(&shop, "mail", "v1", ROLE_WORKLOAD),
            mail2 = shop_node(&shop, "mail", "v2", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        struct tally_key flow = {.channel = TALLY_FLOW,
                                 .node = shop.front,
                                 .peer = shop.ads,
                                 .name = names_add(shop.names, STR("GET /")),
                                 .what = FLOW_CALL};
        shop_tally(&shop, time, &flow)->n += time ? 250 : 500;
        call_mail(&shop, time, mail1, time ? 500 : 1000, time ? 250 : 500);
    }
    call_mail(&shop, 1, mail2, 500, 500);
    shop_ask(&shop, SUSPECT_VERSION);
    assert_int_equal(shop.diagnosis.verdict, VERDICT_INCIDENT);
    for (uint32_t i = 0; i < shop.diagnosis.n_suspects; i++) {
        const struct suspect *suspect = &shop.diagnosis.suspects[i];
        assert_false(strcmp(suspect->node.service.p, "mail") == 0 && suspect->significant &&
                     strcmp(suspect->node.version.p, "v2") != 0);
    }
    shop_fini(&shop);
}

/* One of ads' two instances answers at once and calls nobody. */
static void requests_that_stop_speak_against_the_instance_whose_calls_are_missing(void **state)
{
    static const char *const instances[] = {"ads-a", "ads-b"};
    struct shop shop;
    (void)state;
    shop_init(&shop);
    for (int time = 0; time < 2; time++) {
        struct tally_key flow = {
            .channel = TALLY_FLOW, .node = shop.ads, .name = names_add(shop.names, STR("GetAds"))};
        shop_tally(&shop, time, &flow)->n = time ? 500 : 0;
        flow.what = FLOW_CALL;
        flow.peer = shop.redis;
        shop_tally(&shop, time, &flow)->n = time ? 500 : 1000;
        for (int i = 0; i < 2; i++) {
            shop_times(&shop, time, TALLY_INSTANCE, shop.ads, NODE_NONE, instances[i], 4, 500);
            struct tally_key gap = {.channel = TALLY_GAP_INSTANCE,
                                    .node = shop.ads,
                                    .name = names_add(shop.names, str_of(instances[i])),
                                    .what = GAP_CALLER};
            shop_tally(&shop, time, &gap)->n = time && i ? 0 : 500;
        }
    }
    shop_ask(&shop, SUSPECT_INSTANCE);
    shop_assert_first(&shop, "ads");
    assert_string_equal(shop.diagnosis.suspects[0].instance.p, "ads-b");
    shop_fini(&shop);
}

/* One of ads' two instances does nothing by itself any more: its visits end at once, or (`goes_on`)
 * with a call to redis as ever. */
static void what_is_done_no_more_speaks_against_the_instance_with_fewer_spans(void **state)
{
    static const char *const instances[] = {"ads-a", "ads-b"};
    (void)state;
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        struct shop shop;
        shop_init(&shop);
        for (int time = 0; time < 2; time++) {
            struct tally_key flow = {.channel = TALLY_FLOW,
                                     .node = shop.ads,
                                     .peer = goes_on ? shop.redis : NODE_NONE,
                                     .name = names_add(shop.names, STR("GetAds")),
                                     .what = goes_on ? FLOW_CALL : FLOW_LOCAL};
            shop_tally(&shop, time, &flow)->n += !time || goes_on ? 1000 : 500;
            flow.peer = NODE_NONE;
            flow.what = FLOW_NONE;
            shop_tally(&shop, time, &flow)->n += !time || goes_on ? 0 : 500;
            struct tally_key step = {.channel = TALLY_STEP,
                                     .node = shop.ads,
                                     .name = names_add(shop.names, STR("GetAds")),
                                     .detail = names_add(shop.names, STR("choose"))};
            shop_tally(&shop, time, &step)->n = time ? 500 : 1000;
            for (int i = 0; i < 2; i++) {
                int n = time && i ? 500 : 1000;
                shop_times(&shop, time, TALLY_INSTANCE, shop.ads, NODE_NONE, instances[i], 4, n);
                struct tally_key called = {.channel = TALLY_GAP_INSTANCE,
                                           .node = shop.ads,
                                           .name = names_add(shop.names, str_of(instances[i])),
                                           .what = GAP_CALLEE};
                shop_tally(&shop, time, &called)->n = 500;
            }
        }
        shop_ask(&shop, SUSPECT_INSTANCE);
        shop_assert_first(&shop, "ads");
        assert_string_equal(shop.diagnosis.suspects[0].instance.p, "ads-b");
        shop_fini(&shop);
    }
}

/* Half of the front's visits end after a call to ads that nobody had: the instance that has no call
 * any more would have had them. */
static void calls_that_end_visits_and_reach_nobody_are_the_instances_that_lacks_calls(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    for (int time = 0; time < 2; time++) {
        struct tally_key flow = {.channel = TALLY_FLOW,
                                 .node = shop.front,
                                 .peer = shop.ads,
                                 .name = names_add(shop.names, STR("GET /")),
                                 .detail = names_add(shop.names, STR("GET")),
                                 .what = FLOW_CALL};
        shop_tally(&shop, time, &flow)->n = time ? 500 : 0;
        flow.peer = shop.redis;
        shop_tally(&shop, time, &flow)->n = time ? 500 : 1000;
        shop_count(&shop, time, TALLY_INSTANCE, shop.ads, NODE_NONE, "ads-a")->n = 500;
        shop_count(&shop, time, TALLY_INSTANCE, shop.ads, NODE_NONE, "ads-b")->n = time ? 0 : 500;
    }
    shop_ask(&shop, SUSPECT_INSTANCE);
    for (unsigned i = 0; i < shop.diagnosis.n_suspects; i++) {
        const struct suspect *suspect = &shop.diagnosis.suspects[i];
        if (str_eq(suspect->node.service, STR("ads"))) {
            assert_string_equal(suspect->instance.p, "ads-b");
            shop_fini(&shop);
            return;
        }
    }
    fail_msg("ads is no suspect");
}

/* One of ads' two instances is slow to reach, whoever calls it. */
static void a_gap_speaks_against_the_instance_that_is_slow_to_reach(void **state)
{
    static const char *const instances[] = {"ads-a", "ads-b", "front-a", "front-b"};
    struct shop shop;
    (void)state;
    shop_init(&shop);
    shop_times(&shop, 1, TALLY_GAP, shop.front, shop.ads, "", 80, 1000);
    for (int i = 0; i < 4; i++) {
        node_no node = i < 2 ? shop.ads : shop.front;
        struct tally_key key = {.channel = TALLY_GAP_INSTANCE,
                                .node = node,
                                .name = names_add(shop.names, str_of(instances[i])),
                                .what = i < 2 ? GAP_CALLEE : GAP_CALLER};
        for (int time = 0; time < 2; time++) {
            struct tally *tally = shop_tally(&shop, time, &key);
            tally->n = 1000;
            for (int k = 0; k < 1000; k++) {
                bool slow = time == 1 && (i == 1 || (i > 1 && k % 2));
                assert_true(tally_time(tally, (slow ? 80 : 1) * NS_PER_MS + (uint64_t)k * 100, 1));
            }
        }
    }
    shop_ask(&shop, SUSPECT_INSTANCE);
    shop_assert_first(&shop, "ads");
    assert_string_equal(shop.diagnosis.suspects[0].instance.p, "ads-b");
    shop_fini(&shop);
}

/* Eighteen calls tell nothing of an instance; the thirty-six of its service do, and whose they
 * were.
 */
static void an_instance_with_few_calls_is_found_by_those_of_its_service(void **state)
{
    static const char *const instances[] = {"mail-a", "mail-b"};
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no mail = shop_node(&shop, "mail", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        for (int i = 0; i < 2; i++) {
            double ms = time && i ? 80 : 8;
            shop_times(&shop, time, TALLY_SELF, mail, NODE_NONE, "Send", ms, 18);
            shop_times(&shop, time, TALLY_INSTANCE, mail, NODE_NONE, instances[i], ms, 18);
        }
    }
    shop_ask(&shop, SUSPECT_INSTANCE);
    shop_assert_first(&shop, "mail");
    assert_string_equal(shop.diagnosis.suspects[0].instance.p, "mail-b");
    shop_fini(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newcomer_is_judged_by_its_sisters_and_not_by_its_date),
        cmocka_unit_test(a_newcomer_whose_calls_fail_is_worse_than_its_sisters),
        cmocka_unit_test(calls_that_reach_nobody_are_laid_to_the_version_that_misses_them),
        cmocka_unit_test(a_version_that_takes_the_place_of_another_is_no_fault),
        cmocka_unit_test(visits_stop_after_the_version_that_they_end_with),
        cmocka_unit_test(requests_that_stop_speak_against_the_instance_whose_calls_are_missing),
        cmocka_unit_test(what_is_done_no_more_speaks_against_the_instance_with_fewer_spans),
        cmocka_unit_test(calls_that_end_visits_and_reach_nobody_are_the_instances_that_lacks_calls),
        cmocka_unit_test(a_gap_speaks_against_the_instance_that_is_slow_to_reach),
        cmocka_unit_test(an_instance_with_few_calls_is_found_by_those_of_its_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
