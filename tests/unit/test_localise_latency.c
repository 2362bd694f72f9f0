/* test_localise_latency.c - localise(): own times of services, and gaps between two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "tests/unit/near.h"
#include "tests/unit/shop.h"

/* ads' own time grows; the front only waits for it. */
static void own_time_speaks_against_its_service(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    shop_times(&shop, 1, TALLY_SELF, shop.ads, NODE_NONE, "GetAds", 60, 1000);
    shop_times(&shop, 1, TALLY_REQUEST, shop.front, NODE_NONE, "GET /", 90, 1000);
    shop_calls(&shop, 1, shop.front, shop.ads, 62, 1000, 0);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "ads");
    assert_int_equal(shop.diagnosis.suspects[0].evidence[0].kind, EVIDENCE_SELF_TIME);
    assert_string_equal(shop.diagnosis.suspects[0].effects[0].service.p, "front");
    shop_ask(&shop, SUSPECT_OPERATION);
    shop_assert_first(&shop, "ads");
    assert_string_equal(shop.diagnosis.suspects[0].operation.p, "GetAds");
    shop_fini(&shop);
}

/* Three streams of ten minutes among a thousand requests: nobody waits for their end. */
static void streams_hide_no_fault(void **state)
{
    struct shop shop;
    double score[2];
    (void)state;
    for (int streams = 0; streams < 2; streams++) {
        shop_init(&shop);
        for (int time = 0; time < 2 && streams; time++)
            shop_times(&shop, time, TALLY_REQUEST, shop.front, NODE_NONE, "GET /events", 600e3, 3);
        shop_times(&shop, 1, TALLY_SELF, shop.ads, NODE_NONE, "GetAds", 20, 1000);
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, "ads");
        score[streams] = shop.diagnosis.suspects[0].score;
        shop_fini(&shop);
    }
    assert_true(score[1] > 0.9 * score[0]);
}

/* Twelve operations of ads, eight calls each: none has a p95, all of them are slow. */
static void operations_that_are_too_rare_are_tested_together(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    for (int i = 0; i < 12; i++) {
        char op[16];
        snprintf(op, sizeof(op), "op-%d", i);
        shop_times(&shop, 0, TALLY_SELF, shop.ads, NODE_NONE, op, 2 + i, 8);
        shop_times(&shop, 1, TALLY_SELF, shop.ads, NODE_NONE, op, 12 + i, 8);
        shop_times(&shop, 0, TALLY_SELF, shop.cart1, NODE_NONE, op, 2 + i, 8);
        shop_times(&shop, 1, TALLY_SELF, shop.cart1, NODE_NONE, op, 2 + i, 8);
    }
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "ads");
    assert_int_equal(shop.diagnosis.n_suspects, 1);
    /* 96 of 1000 requests take 10 ms more, of 30 */
    assert_near(shop.diagnosis.suspects[0].score, 0.096 * 10 / 30, 0.006);
    shop_fini(&shop);
}

/* ads fails, and the front waits before it tries again: in those visits, and in no other. */
static void time_behind_a_failed_call_is_not_the_callers(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    struct tally_key key = {.channel = TALLY_SELF,
                            .node = shop.front,
                            .name = names_add(shop.names, STR("GET /")),
                            .what = SELF_TROUBLED};
    struct tally *troubled = shop_tally(&shop, 1, &key);
    for (int i = 0; i < 300; i++)
        assert_true(tally_time(troubled, 200 * NS_PER_MS, 1));
    shop_fail_at(&shop, shop.ads, 300);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "ads");
    assert_int_equal(shop.diagnosis.n_suspects, 1);
    shop_fini(&shop);
}

/* Everybody's calls to redis are slow: redis, and not one of its callers. */
static void a_gap_speaks_against_the_end_whose_other_calls_are_slow(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    shop_times(&shop, 1, TALLY_GAP, shop.cart1, shop.redis, "", 50, 1600);
    shop_times(&shop, 1, TALLY_GAP, shop.cart2, shop.redis, "", 50, 400);
    shop_times(&shop, 1, TALLY_GAP, shop.ads, shop.redis, "", 50, 2000);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "redis");
    assert_true(shop.diagnosis.suspects[0].has_peer);
    shop_fini(&shop);
}

/* Proxies at both ends of front → ads: what grew is between them, or in ads' own proxy. */
static void a_gap_is_split_where_proxies_tell(void **state)
{
    static const uint8_t hops[3] = {HOP_SIDECAR_OUT, HOP_NETWORK, HOP_SIDECAR_IN};
    struct shop shop;
    (void)state;
    for (int grown = 1; grown < 3; grown++) {
        shop_init(&shop);
        shop_times(&shop, 1, TALLY_GAP, shop.front, shop.ads, "", 80, 1000);
        for (int i = 0; i < 3; i++) {
            for (int time = 0; time < 2; time++) {
                struct tally_key key = {
                    .channel = TALLY_HOP, .node = shop.front, .peer = shop.ads, .what = hops[i]};
                struct tally *tally = shop_tally(&shop, time, &key);
                tally->n = 2000;
                for (int k = 0; k < 1000; k++) {
                    bool slow = time == 1 && i == grown;
                    tally_time(tally, slow ? 80 * NS_PER_MS : (uint64_t)(300000 + k), 1);
                    tally_time(tally, (uint64_t)(300000 + k), 1);
                }
            }
        }
        shop_ask(&shop, SUSPECT_SERVICE);
        const struct suspect *first = &shop.diagnosis.suspects[0];
        assert_int_equal(first->level, grown == 1 ? SUSPECT_HOP : SUSPECT_SERVICE);
        assert_true(first->has_peer);
        if (grown == 1)
            assert_string_equal(first->evidence[0].metric.p, "network");
        else
            shop_assert_first(&shop, "ads");
        shop_fini(&shop);
    }
}

/* front reaches ads slowly, and the carts as ever; ads calls redis as ever: it is the edge. */
static void a_gap_between_two_that_do_well_otherwise_is_of_their_edge(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    shop_times(&shop, 1, TALLY_GAP, shop.front, shop.ads, "", 80, 1000);
    node_no search = shop_node(&shop, "search", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++)
        shop_times(&shop, time, TALLY_GAP, search, shop.ads, "", 1, 1000);
    shop_ask(&shop, SUSPECT_SERVICE);
    assert_int_equal(shop.diagnosis.verdict, VERDICT_INCIDENT);
    assert_int_equal(shop.diagnosis.suspects[0].level, SUSPECT_EDGE);
    assert_true(shop.diagnosis.suspects[0].has_peer);
    shop_fini(&shop);
    /* Nobody else calls ads: then it is ads that is slow to be reached. */
    shop_init(&shop);
    shop_times(&shop, 1, TALLY_GAP, shop.front, shop.ads, "", 80, 1000);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "ads");
    assert_int_equal(shop.diagnosis.suspects[0].level, SUSPECT_SERVICE);
    shop_fini(&shop);
}

static void count_zone(struct shop *shop, int time, const char *from, const char *to, int n)
{
    struct tally_key key = {.channel = TALLY_ZONE,
                            .node = shop->front,
                            .peer = shop->ads,
                            .name = names_add(shop->names, str_of(from)),
                            .detail = names_add(shop->names, str_of(to))};
    shop_tally(shop, time, &key)->n += n;
}

/* front reaches all that it calls slowly, and half of its calls to ads go to another zone: ads has
 * lost those near it. A front that moved says nothing about ads. */
static void calls_that_go_to_another_zone_speak_against_the_callee(void **state)
{
    struct shop shop;
    double parts[2];
    (void)state;
    for (int moved = 0; moved < 2; moved++) {
        shop_init(&shop);
        shop_times(&shop, 1, TALLY_GAP, shop.front, shop.ads, "", 60, 1000);
        shop_times(&shop, 1, TALLY_GAP, shop.front, shop.cart1, "", 12, 100);
        count_zone(&shop, 0, "a", "a", 1000);
        count_zone(&shop, 0, "b", "b", 20);
        count_zone(&shop, 1, moved ? "b" : "a", "a", 500);
        count_zone(&shop, 1, moved ? "b" : "a", "b", 500);
        if (moved)
            count_zone(&shop, 0, "b", "a", 20);
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, "ads");
        const struct suspect *first = &shop.diagnosis.suspects[0];
        const char *text = evidence_of(first, EVIDENCE_GAP)->text.p;
        assert_int_equal(strstr(text, "50.0 % go to another zone (normal 0 %)") != NULL, !moved);
        parts[moved] = first->score;
        shop_fini(&shop);
    }
    assert_true(parts[0] > 1.2 * parts[1]);
}

/* Of a call to who sends no spans the time is the callee's rather than the caller's. */
static void a_gap_to_a_silent_callee_is_the_callees(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no db = shop_node(&shop, "zdb", "", ROLE_DATABASE),
            mail = shop_node(&shop, "mail", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        shop_times(&shop, time, TALLY_SELF, mail, NODE_NONE, "Send", 8, 500);
        shop_times(&shop, time, TALLY_GAP, mail, db, "", time ? 40 : 4, 500);
    }
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "zdb");
    assert_string_equal(shop.diagnosis.suspects[1].node.service.p, "mail");
    shop_fini(&shop);
}

/* The desk's few visits take as long as none did, and none of them comes to stock any more: stock
 * does not answer, for all else that the desk does it does as ever; also where it waits in a step
 * of its own. Where it calls nobody any more the time is its own. */
static void few_that_wait_for_who_never_answers_are_his(void **state)
{
    static const struct {
        const char *slow, *first;
        int mail; /* calls to it now */
    } cases[] = {{"Order", "stock", 12}, {"Order", "desk", 0}, {"fetch", "stock", 12}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct shop shop;
        shop_init(&shop);
        node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD),
                mail = shop_node(&shop, "mail", "v1", ROLE_WORKLOAD),
                desk = shop_node(&shop, "desk", "v1", ROLE_WORKLOAD);
        for (int time = 0; time < 2; time++) {
            struct tally_key call = {.channel = TALLY_CALL,
                                     .node = desk,
                                     .name = names_add(shop.names, STR("call")),
                                     .detail = names_add(shop.names, STR("Order"))},
                             step = {.channel = TALLY_STEP,
                                     .node = desk,
                                     .name = call.detail,
                                     .detail = names_add(shop.names, STR("fetch"))};
            shop_count(&shop, time, TALLY_FLOW, desk, NODE_NONE, "Order")->n = 12;
            shop_tally(&shop, time, &step)->n = 12;
            call.peer = stock;
            shop_tally(&shop, time, &call)->n = time ? 0 : 12;
            call.peer = mail;
            shop_tally(&shop, time, &call)->n = time ? cases[i].mail : 12;
            shop_times(&shop, time, TALLY_SELF, desk, NODE_NONE, cases[i].slow, time ? 3000 : 10,
                       12);
        }
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, cases[i].first);
        shop_fini(&shop);
    }
}

/* 15 % of all calls take two and a half times as long, at every service: the machine has more to
 * do, and that is no service's fault. At one alone it is, and beside the others of the one that
 * grew far beyond them. */
static void what_is_slower_everywhere_is_nobodys(void **state)
{
    static const struct {
        int slower; /* of six services, the first is the stock */
        double stock_ms;
        const char *first; /* NULL: nobody */
    } cases[] = {{6, 25, NULL}, {1, 25, "stock"}, {6, 120, "stock"}};
    (void)state;
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        static const char *const names[] = {"stock", "mail", "pay", "desk", "rate", "bank"};
        struct shop shop;
        shop_init(&shop);
        for (int i = 0; i < 6; i++) {
            node_no node = shop_node(&shop, names[i], "v1", ROLE_WORKLOAD);
            int n_slow = i < cases[k].slower ? 150 : 0;
            shop_times(&shop, 0, TALLY_SELF, node, NODE_NONE, "do", 10, 1000);
            shop_times(&shop, 1, TALLY_SELF, node, NODE_NONE, "do", 10, 1000 - n_slow);
            shop_times(&shop, 1, TALLY_SELF, node, NODE_NONE, "do", i ? 25 : cases[k].stock_ms,
                       n_slow);
        }
        shop_ask(&shop, SUSPECT_SERVICE);
        if (cases[k].first)
            shop_assert_first(&shop, cases[k].first);
        else
            assert_int_equal(shop.diagnosis.verdict, VERDICT_NOTHING);
        shop_fini(&shop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_time_speaks_against_its_service),
        cmocka_unit_test(streams_hide_no_fault),
        cmocka_unit_test(operations_that_are_too_rare_are_tested_together),
        cmocka_unit_test(time_behind_a_failed_call_is_not_the_callers),
        cmocka_unit_test(a_gap_speaks_against_the_end_whose_other_calls_are_slow),
        cmocka_unit_test(a_gap_is_split_where_proxies_tell),
        cmocka_unit_test(a_gap_between_two_that_do_well_otherwise_is_of_their_edge),
        cmocka_unit_test(calls_that_go_to_another_zone_speak_against_the_callee),
        cmocka_unit_test(a_gap_to_a_silent_callee_is_the_callees),
        cmocka_unit_test(few_that_wait_for_who_never_answers_are_his),
        cmocka_unit_test(what_is_slower_everywhere_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
