/* test_localise_flow.c - localise(): calls that are missing, and requests that stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/near.h"
#include "tests/unit/shop.h"

/* Nobody reports the calling side. cart and ads both fail and both call the stock less: the stock.
 * Only cart fails, and ads calls as ever: cart. */
static void missing_calls_speak_against_the_callee_that_all_callers_miss(void **state)
{
    struct shop shop;
    (void)state;
    for (int both = 0; both < 2; both++) {
        shop_init(&shop);
        node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
        shop_visits(&shop, 0, shop.cart1, stock, 1000, 1000);
        shop_visits(&shop, 0, shop.ads, stock, 1000, 1000);
        shop_visits(&shop, 1, shop.cart1, stock, 1000, 700);
        shop_visits(&shop, 1, shop.ads, stock, 1000, both ? 700 : 1000);
        shop_fail_at(&shop, shop.cart1, 300);
        if (both)
            shop_fail_at(&shop, shop.ads, 300);
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, both ? "stock" : "cart");
        if (both)
            assert_int_equal(shop.diagnosis.suspects[0].evidence[0].kind, EVIDENCE_TRAFFIC);
        shop_fini(&shop);
    }
}

/* cart and ads both call the stock; nobody comes there any more, and nobody fails. */
static void a_callee_that_nobody_reaches_any_more_is_a_suspect(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        shop_visits(&shop, time, shop.cart1, stock, 1000, time ? 0 : 1000);
        shop_visits(&shop, time, shop.ads, stock, 1000, time ? 0 : 1000);
        shop_visits(&shop, time, shop.cart1, shop.redis, 0, 1000);
        shop_visits(&shop, time, shop.ads, shop.redis, 0, 1000);
    }
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "stock");
    const struct evidence *traffic = evidence_of(&shop.diagnosis.suspects[0], EVIDENCE_TRAFFIC);
    assert_non_null(traffic);
    assert_near(traffic->baseline, 1, 1e-9);
    assert_near(traffic->observed, 0, 1e-9);
    shop_fini(&shop);
}

/* front says whom it calls. It no longer calls the stock, and nobody failed: front, not the stock.
 */
static void a_caller_that_does_not_try_owes_its_missing_calls(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    shop_times(&shop, 0, TALLY_GAP, shop.front, stock, "", 1, 1000);
    for (int time = 0; time < 2; time++)
        shop_visits(&shop, time, shop.front, stock, 1000, time ? 0 : 1000);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "front");
    assert_string_equal(shop.diagnosis.suspects[0].peer.service.p, "stock");
    shop_fini(&shop);
}

/* Half of front's visits fail at ads, before they come to the stock: half of the calls there are
 * missing, and nobody but ads owes it. */
static void calls_that_a_failure_cut_off_are_not_missing(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    shop_times(&shop, 0, TALLY_GAP, shop.front, stock, "", 1, 1000);
    shop_times(&shop, 1, TALLY_GAP, shop.front, stock, "", 1, 500);
    shop_visits(&shop, 0, shop.front, stock, 1000, 1000);
    shop_visits(&shop, 1, shop.front, stock, 500, 480);
    struct tally_key failed = {.channel = TALLY_FLOW,
                               .node = shop.front,
                               .name = names_add(shop.names, STR("op")),
                               .what = FLOW_FAILED};
    shop_tally(&shop, 1, &failed)->n = 500;
    shop_fail_at(&shop, shop.ads, 500);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "ads");
    for (uint32_t i = 1; i < shop.diagnosis.n_suspects; i++)
        assert_null(evidence_of(&shop.diagnosis.suspects[i], EVIDENCE_TRAFFIC));
    shop_fini(&shop);
}

/* Visits of cart end without the call they used to make. */
static void requests_that_stop_speak_against_where_they_stop(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    for (int time = 0; time < 2; time++) {
        struct tally_key to_redis = {.channel = TALLY_FLOW,
                                     .node = shop.cart1,
                                     .peer = shop.redis,
                                     .name = names_add(shop.names, STR("GetCart")),
                                     .what = FLOW_CALL};
        struct tally_key none = to_redis;
        none.peer = NODE_NONE;
        none.what = FLOW_NONE;
        shop_tally(&shop, time, &to_redis)->n = time ? 100 : 780;
        shop_tally(&shop, time, &none)->n = time ? 700 : 20;
    }
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "cart");
    assert_int_equal(shop.diagnosis.suspects[0].evidence[0].kind, EVIDENCE_FLOW);
    shop_fini(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_calls_speak_against_the_callee_that_all_callers_miss),
        cmocka_unit_test(a_callee_that_nobody_reaches_any_more_is_a_suspect),
        cmocka_unit_test(a_caller_that_does_not_try_owes_its_missing_calls),
        cmocka_unit_test(calls_that_a_failure_cut_off_are_not_missing),
        cmocka_unit_test(requests_that_stop_speak_against_where_they_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
