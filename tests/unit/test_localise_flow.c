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

/* front no longer calls the stock, and nothing fails: front, not the stock, whether it says whom it
 * calls, or would have failed. */
static void a_caller_that_does_not_try_owes_its_missing_calls(void **state)
{
    (void)state;
    for (int says = 0; says < 2; says++) {
        struct shop shop;
        shop_init(&shop);
        node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
        if (says)
            shop_times(&shop, 0, TALLY_GAP, shop.front, stock, "", 1, 1000);
        for (int time = 0; time < 2; time++) {
            shop_visits(&shop, time, shop.front, stock, 1000, time ? 0 : 1000);
        }
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, "front");
        if (says)
            assert_string_equal(shop.diagnosis.suspects[0].peer.service.p, "stock");
        shop_fini(&shop);
    }
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

/* Visits of the front's operation that end after calling one, of a hundred. */
static void ends_after(struct shop *shop, const char *operation, node_no last, int was, int is)
{
    node_no other = shop->redis;
    for (int time = 0; time < 2; time++) {
        struct tally_key key = {.channel = TALLY_FLOW,
                                .node = shop->front,
                                .peer = last,
                                .name = names_add(shop->names, str_of(operation)),
                                .what = FLOW_CALL};
        shop_tally(shop, time, &key)->n += time ? is : was;
        key.peer = other;
        shop_tally(shop, time, &key)->n += 100 - (time ? is : was);
    }
}

/* After ads the front stops. Is it ads, or the front? */
static void a_stop_is_the_callees_when_all_its_calls_are_the_last(void **state)
{
    static const struct {
        int calls;   /* now, to ads */
        bool slower; /* ads does not do as ever */
        const char *first;
    } cases[] = {{100, true, "ads"}, {100, false, "front"}, {1000, true, "front"}};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct shop shop;
        shop_init(&shop);
        for (int time = 0; time < 2; time++) {
            struct tally *calls = shop_count(&shop, time, TALLY_CALL, shop.front, shop.ads, "call");
            calls->n = cases[i].calls;
            shop_count(&shop, time, TALLY_FLOW, shop.ads, NODE_NONE, "GetAds")->n = 1000;
        }
        if (cases[i].slower)
            shop_times(&shop, 1, TALLY_SELF, shop.ads, NODE_NONE, "GetAds", 4.9, 3000);
        ends_after(&shop, "GET /", shop.ads, 0, 100);
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, cases[i].first);
        shop_fini(&shop);
    }
}

/* The front has one thing less to ask of the cart: what the cart did for that is not missing. */
static void what_belongs_to_visits_that_come_no_longer_is_not_missing(void **state)
{
    (void)state;
    for (int comes = 0; comes < 2; comes++) {
        struct shop shop;
        shop_init(&shop);
        node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
        for (int time = 0; time < 2; time++) {
            bool merges = time == 0 || comes;
            shop_count(&shop, time, TALLY_CALL, shop.front, shop.cart1, "Merge")->n +=
                merges ? 800 : 0;
            shop_visits(&shop, time, shop.cart1, stock, merges ? 1600 : 800, time ? 0 : 700);
        }
        shop_ask(&shop, SUSPECT_SERVICE);
        bool cart = false;
        for (uint32_t i = 0; i < shop.diagnosis.n_suspects; i++)
            cart = cart || strcmp(shop.diagnosis.suspects[i].node.service.p, "cart") == 0;
        assert_int_equal(cart, comes);
        shop_fini(&shop);
    }
}

/* Of `n` more visits of a node for something, those that had a step of its own. */
static void step_in(struct shop *shop, int time, node_no node, const char *asked, int n,
                    const char *step, int n_done)
{
    struct tally_key key = {.channel = TALLY_STEP,
                            .node = node,
                            .name = names_add(shop->names, str_of(asked)),
                            .detail = names_add(shop->names, str_of(step))};
    shop_count(shop, time, TALLY_FLOW, node, NODE_NONE, asked)->n += n;
    shop_tally(shop, time, &key)->n += n_done;
}

/* What is done less often than it was for the same is a finding; for that other things are asked
 * for, by another name, or where only some visits do it at all and hardly fewer, it is none. */
static void a_step_that_visits_do_no_more_is_told(void **state)
{
    static const struct {
        int get[2], done[2]; /* visits for GetAds, and those that pick; the rest are for ListAds */
        const char *step;    /* by which name it is done now */
        bool found;
    } cases[] = {
        {{1000, 1000}, {990, 700}, "pick", true},  {{1000, 1000}, {990, 960}, "pick", false},
        {{1000, 1000}, {990, 0}, "pick", true},    {{1000, 1000}, {990, 980}, "choose", false},
        {{1000, 500}, {1000, 500}, "pick", false}, {{1000, 500}, {1000, 250}, "pick", true},
        {{1000, 1000}, {500, 450}, "pick", false}, {{1000, 1000}, {500, 300}, "pick", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct shop shop;
        shop_init(&shop);
        for (int time = 0; time < 2; time++) {
            const char *step = time ? cases[i].step : "pick";
            step_in(&shop, time, shop.ads, "GetAds", cases[i].get[time], step, cases[i].done[time]);
            step_in(&shop, time, shop.ads, "ListAds", 1000 - cases[i].get[time], "list",
                    1000 - cases[i].get[time]);
        }
        shop_ask(&shop, SUSPECT_SERVICE);
        if (cases[i].found) {
            shop_assert_first(&shop, "ads");
            const struct evidence *told = &shop.diagnosis.suspects[0].evidence[0];
            assert_string_equal(told->metric.p, "step_share");
            assert_near(told->observed, (double)cases[i].done[1] / cases[i].get[1], 1e-9);
        } else {
            assert_int_equal(shop.diagnosis.verdict, VERDICT_NOTHING);
        }
        shop_fini(&shop);
    }
}

/* Those behind it are not done either: that is no more than the one. And it is the version's whose
 * visits lack it. */
static void steps_that_are_gone_together_are_one_fact(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    for (int time = 0; time < 2; time++) {
        step_in(&shop, time, shop.cart1, "GetCart", 800, "check", 800);
        step_in(&shop, time, shop.cart1, "GetCart", 0, "load", 790);
        step_in(&shop, time, shop.cart2, "GetCart", 200, "check", time ? 20 : 200);
        step_in(&shop, time, shop.cart2, "GetCart", 0, "load", time ? 20 : 200);
    }
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "cart");
    assert_int_equal(shop.diagnosis.suspects[0].n_evidence, 1);
    assert_near(shop.diagnosis.suspects[0].score, 0.25 * 0.18, 1e-3);
    shop_ask(&shop, SUSPECT_VERSION);
    shop_assert_first(&shop, "cart");
    assert_string_equal(shop.diagnosis.suspects[0].node.version.p, "v2");
    shop_fini(&shop);
}

/* The front ends after ads, which does not call redis any more, or does and fails: the front's part
 * is told below. */
static void a_stop_is_told_where_the_way_down_ends(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct shop shop;
        shop_init(&shop);
        ends_after(&shop, "GET /", shop.ads, 0, 100);
        for (int time = 0; time < 2; time++) {
            struct tally_key step = {.channel = TALLY_FLOW,
                                     .node = shop.ads,
                                     .peer = shop.redis,
                                     .name = names_add(shop.names, STR("GetAds")),
                                     .what = FLOW_CALL};
            shop_count(&shop, time, TALLY_CALL, shop.front, shop.ads, "call")->n = 1000;
            shop_tally(&shop, time, &step)->n = time ? 0 : 1000;
            step.peer = NODE_NONE;
            step.what = fails ? FLOW_FAILED : FLOW_NONE;
            shop_tally(&shop, time, &step)->n = time ? 1000 : 0;
        }
        if (fails)
            shop_count(&shop, 1, TALLY_ORIGIN, shop.ads, NODE_NONE, "GetAds")->n = 1000;
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, "ads");
        for (uint32_t i = 1; i < shop.diagnosis.n_suspects; i++)
            assert_string_not_equal(shop.diagnosis.suspects[i].node.service.p, "front");
        shop_fini(&shop);
    }
}

/* Two instances of ads: only after one of them does the front stop. */
static void a_stop_after_one_instance_of_several_is_the_callees(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    ends_after(&shop, "GET /", shop.ads, 0, 50);
    for (int time = 0; time < 2; time++) {
        shop_count(&shop, time, TALLY_CALL, shop.front, shop.ads, "call")->n = 100;
        shop_count(&shop, time, TALLY_FLOW, shop.ads, NODE_NONE, "GetAds")->n = 100;
        for (int i = 0; i < 2; i++) {
            struct tally_key key = {.channel = TALLY_GAP_INSTANCE,
                                    .node = shop.ads,
                                    .name = names_add(shop.names, i ? STR("ads-b") : STR("ads-a")),
                                    .what = GAP_CALLEE};
            shop_tally(&shop, time, &key)->n = 50;
            key.what = 0;
            key.channel = TALLY_LAST;
            shop_tally(&shop, time, &key)->n = i && time ? 50 : 0;
        }
    }
    shop_ask(&shop, SUSPECT_INSTANCE);
    shop_assert_first(&shop, "ads");
    assert_string_equal(shop.diagnosis.suspects[0].instance.p, "ads-b");
    shop_fini(&shop);
}

/* Six of ten calls to ads come nowhere, and no status says so. */
static void calls_without_an_answer_speak_against_the_callee(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    struct tally *answered = shop_count(&shop, 1, TALLY_GAP, shop.front, shop.ads, "");
    struct tally_key key = answered->key;
    answered->n = 400;
    key.what = GAP_UNANSWERED;
    shop_tally(&shop, 1, &key)->n = 600;
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "ads");
    assert_string_equal(shop.diagnosis.suspects[0].evidence[0].text.p,
                        "60.0 % of calls from front to ads never come there (normal 0 %)");
    shop_fini(&shop);
    /* Of one that never told of its visits they say nothing. */
    shop_init(&shop);
    key.node = shop.ads;
    key.peer = shop.redis;
    shop_tally(&shop, 1, &key)->n = 600;
    shop_ask(&shop, SUSPECT_SERVICE);
    assert_int_equal(shop.diagnosis.verdict, VERDICT_NOTHING);
    shop_fini(&shop);
}

/* For one thing the front is asked for it calls ads three times, where it did once; for the other,
 * that comes much more often, it never does. */
static void calls_a_visit_are_compared_by_what_was_asked_for(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct shop shop;
        shop_init(&shop);
        for (int time = 0; time < 2; time++) {
            struct tally_key key = {.channel = TALLY_FLOW,
                                    .node = shop.front,
                                    .name = names_add(shop.names, STR("GET /")),
                                    .what = FLOW_LOCAL};
            name_no page = key.name;
            const node_no callees[] = {shop.ads, shop.cart1, shop.cart2};
            for (int i = 0; i < 3; i++) /* of these it is not told what was asked for */
                shop_count(&shop, time, TALLY_CALL, shop.front, callees[i], "call")->n = 0;
            shop_tally(&shop, time, &key)->n = 500;
            key.name = names_add(shop.names, STR("GET /health"));
            shop_tally(&shop, time, &key)->n = time ? 5000 : 500;
            key = (struct tally_key){.channel = TALLY_CALL,
                                     .node = shop.front,
                                     .peer = shop.ads,
                                     .name = names_add(shop.names, STR("GetAds")),
                                     .detail = page};
            shop_tally(&shop, time, &key)->n = time && more ? 1500 : 500;
        }
        shop_ask(&shop, SUSPECT_SERVICE);
        if (more)
            shop_assert_first(&shop, "front");
        else
            assert_int_equal(shop.diagnosis.verdict, VERDICT_NOTHING);
        shop_fini(&shop);
    }
}

/* The front calls ads ten times where it did once, one after the other; its requests wait for all
 * of them, or for hardly more than one, as they are made at once. */
static void calls_made_many_times_cost_the_time_they_are_waited_for(void **state)
{
    (void)state;
    double score[2];
    for (int at_once = 0; at_once < 2; at_once++) {
        struct shop shop;
        shop_init(&shop);
        for (int time = 0; time < 2; time++) {
            shop_visits(&shop, time, shop.front, shop.ads, 1000, 0);
            if (time)
                shop_times(&shop, 1, TALLY_CALL, shop.front, shop.ads, "call", 6, 9000);
        }
        double more = at_once ? 5 : 54;
        shop_times(&shop, 1, TALLY_REQUEST, shop.front, NODE_NONE, "GET /", 30 + 2 * more, 1000);
        shop_times(&shop, 1, TALLY_CALL, shop.user, shop.front, "call", 30 + 2 * more, 1000);
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, "front");
        score[at_once] = shop.diagnosis.suspects[0].score;
        shop_fini(&shop);
    }
    assert_true(score[0] > 0.7 && score[1] < 0.4); /* 54 and 10 of 60 ms */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_calls_speak_against_the_callee_that_all_callers_miss),
        cmocka_unit_test(a_callee_that_nobody_reaches_any_more_is_a_suspect),
        cmocka_unit_test(a_caller_that_does_not_try_owes_its_missing_calls),
        cmocka_unit_test(calls_that_a_failure_cut_off_are_not_missing),
        cmocka_unit_test(requests_that_stop_speak_against_where_they_stop),
        cmocka_unit_test(a_stop_is_the_callees_when_all_its_calls_are_the_last),
        cmocka_unit_test(what_belongs_to_visits_that_come_no_longer_is_not_missing),
        cmocka_unit_test(a_step_that_visits_do_no_more_is_told),
        cmocka_unit_test(steps_that_are_gone_together_are_one_fact),
        cmocka_unit_test(a_stop_is_told_where_the_way_down_ends),
        cmocka_unit_test(a_stop_after_one_instance_of_several_is_the_callees),
        cmocka_unit_test(calls_without_an_answer_speak_against_the_callee),
        cmocka_unit_test(calls_a_visit_are_compared_by_what_was_asked_for),
        cmocka_unit_test(calls_made_many_times_cost_the_time_they_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
