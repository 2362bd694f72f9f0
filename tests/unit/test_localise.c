/* test_localise.c - localise() on roll-ups made by hand: verdicts, and what no channel owns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/shop.h"

static void the_same_twice_is_no_change(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    shop_ask(&shop, SUSPECT_SERVICE);
    assert_int_equal(shop.diagnosis.verdict, VERDICT_NOTHING);
    for (uint32_t i = 0; i < shop.diagnosis.n_suspects; i++)
        assert_false(shop.diagnosis.suspects[i].significant);
    shop_fini(&shop);
}

static void too_few_requests_are_said(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    rollup_clear(&shop.rollups[1]);
    shop_times(&shop, 1, TALLY_REQUEST, shop.front, NODE_NONE, "GET /", 30, 12);
    shop_ask(&shop, SUSPECT_SERVICE);
    assert_int_equal(shop.diagnosis.verdict, VERDICT_NOT_ENOUGH);
    assert_int_equal(shop.diagnosis.need_requests, 18);
    shop_fini(&shop);
}

/* A hundred services with ten operations each, and 160 of 600 visits of the cart that end early
 * where it were 100: 4.2 standard errors, of three services a finding, among a hundred none. */
static void what_chance_gives_among_many_is_no_finding(void **state)
{
    struct shop shop;
    (void)state;
    for (int many = 0; many < 2; many++) {
        shop_init(&shop);
        for (int i = 0; i < (many ? 100 : 0); i++) {
            char name[24], op[16];
            snprintf(name, sizeof(name), "service-%d", i);
            node_no node = shop_node(&shop, name, "", ROLE_WORKLOAD);
            for (int k = 0; k < 10; k++) {
                snprintf(op, sizeof(op), "op-%d", k);
                for (int time = 0; time < 2; time++)
                    shop_count(&shop, time, TALLY_FLOW, node, NODE_NONE, op)->n += 30;
            }
        }
        struct tally_key key = {.channel = TALLY_FLOW,
                                .node = shop.cart1,
                                .name = names_add(shop.names, STR("GetCart")),
                                .what = FLOW_LOCAL};
        shop_tally(&shop, 0, &key)->n = 100;
        shop_tally(&shop, 1, &key)->n = 160;
        key.what = FLOW_NONE;
        shop_tally(&shop, 0, &key)->n = 500;
        shop_tally(&shop, 1, &key)->n = 440;
        shop_ask(&shop, SUSPECT_SERVICE);
        assert_int_equal(shop.diagnosis.verdict, many ? VERDICT_NOTHING : VERDICT_INCIDENT);
        assert_string_equal(shop.diagnosis.suspects[0].node.service.p, "cart");
        assert_int_equal(shop.diagnosis.suspects[0].significant, !many);
        shop_fini(&shop);
    }
}

/* The answer does not depend on the order in which the counters stand. */
static void the_order_of_counters_changes_nothing(void **state)
{
    struct shop shop;
    struct buf first, second;
    (void)state;
    shop_init(&shop);
    shop_times(&shop, 1, TALLY_SELF, shop.ads, NODE_NONE, "GetAds", 60, 1000);
    shop_fail_calls(&shop, shop.cart2, 50, ORIGIN_UNREACHED);
    buf_init(&first, 1u << 20);
    buf_init(&second, 1u << 20);
    shop_ask(&shop, SUSPECT_SERVICE);
    diagnosis_json(&shop.diagnosis, &first);
    struct rollup turned;
    rollup_init(&turned, 10000);
    for (uint32_t i = shop.rollups[1].n; i-- > 0;) {
        const struct tally *tally = &shop.rollups[1].items[i];
        assert_true(tally_merge(rollup_tally(&turned, &tally->key, tally->step), tally));
    }
    rollup_fini(&shop.rollups[1]);
    shop.rollups[1] = turned;
    shop_ask(&shop, SUSPECT_SERVICE);
    diagnosis_json(&shop.diagnosis, &second);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.p, second.p, first.len);
    buf_fini(&first);
    buf_fini(&second);
    shop_fini(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_twice_is_no_change),
        cmocka_unit_test(too_few_requests_are_said),
        cmocka_unit_test(what_chance_gives_among_many_is_no_finding),
        cmocka_unit_test(the_order_of_counters_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
