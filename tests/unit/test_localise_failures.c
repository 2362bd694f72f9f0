/* test_localise_failures.c - localise(): where failures began, and which end of a call owes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/near.h"
#include "tests/unit/shop.h"

/* cart v2 cannot reach redis, cart v1 and ads can: it is cart, its version v2. */
static void an_unreached_call_speaks_against_the_caller_that_alone_fails(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    shop_calls(&shop, 1, shop.cart1, shop.redis, 1, 800, 0);
    shop_calls(&shop, 1, shop.ads, shop.redis, 1, 1000, 0);
    shop_fail_calls(&shop, shop.cart2, 120, ORIGIN_UNREACHED);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "cart");
    assert_string_equal(shop.diagnosis.suspects[0].peer.service.p, "redis");
    assert_string_equal(shop.diagnosis.suspects[0].reason.p,
                        "connection pool full at its calls to redis");
    assert_string_equal(shop.diagnosis.suspects[0].narrowed[0].dimension, "version");
    assert_string_equal(shop.diagnosis.suspects[0].narrowed[0].value.p, "v2");
    shop_ask(&shop, SUSPECT_VERSION);
    shop_assert_first(&shop, "cart");
    assert_string_equal(shop.diagnosis.suspects[0].node.version.p, "v2");
    shop_fini(&shop);
}

static void an_unreached_call_speaks_against_the_callee_that_nobody_reaches(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    shop_fail_calls(&shop, shop.cart1, 100, ORIGIN_UNREACHED);
    shop_fail_calls(&shop, shop.cart2, 100, ORIGIN_UNREACHED);
    shop_fail_calls(&shop, shop.ads, 100, ORIGIN_UNREACHED);
    for (int i = 0; i < 3; i++)
        shop_calls(&shop, 1, shop.cart1, shop_node(&shop, i ? "a" : "b", "", ROLE_DATABASE), 1, 500,
                   0);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "redis");
    assert_true(str_contains(shop.diagnosis.suspects[0].reason, STR("calls from ")));
    shop_fini(&shop);
}

/* The first seconds: eight calls of cart v2 of which five fail, twelve of v1 that do not. */
static void few_calls_are_weighed_and_not_ignored(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    shop_calls(&shop, 1, shop.cart1, shop.redis, 1, 12, 0);
    shop_fail_calls(&shop, shop.cart2, 5, ORIGIN_UNREACHED);
    shop_count(&shop, 1, TALLY_CALL, shop.cart2, shop.redis, "call")->n = 8;
    shop_ask(&shop, SUSPECT_SERVICE);
    assert_string_equal(shop.diagnosis.suspects[0].node.service.p, "cart");
    shop_fini(&shop);
}

/* Six failures each of three operations: 2.45 standard errors, no one of them tells. Eighteen do.
 */
static void failures_in_pieces_are_tested_together(void **state)
{
    static const char *const operations[] = {"get", "put", "drop"};
    struct shop shop;
    (void)state;
    shop_init(&shop);
    for (int i = 0; i < 3; i++) {
        struct tally *origin =
            shop_count(&shop, 1, TALLY_ORIGIN, shop.cart1, NODE_NONE, operations[i]);
        origin->n = origin->bad = 6;
    }
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "cart");
    assert_near(shop.diagnosis.suspects[0].score, 0.018, 1e-9);
    /* 18 of 1000 where five services have half a failure between them: see test_statistics.c */
    assert_near(shop.diagnosis.suspects[0].evidence[0].deviation, 8.238466, 1e-5);
    shop_fini(&shop);
}

/* The front fails, and neither says whom it called. Of two whose calls are missing alike it is the
 * one that has lost one of its two instances, and that instance. */
static void missing_calls_are_laid_to_who_has_lost_an_instance(void **state)
{
    static const char *const instances[] = {"a-1", "a-2", "z-1", "z-2"};
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        struct shop shop;
        shop_init(&shop);
        node_no a = shop_node(&shop, "a", "v1", ROLE_WORKLOAD),
                z = shop_node(&shop, "z", "v1", ROLE_WORKLOAD);
        for (int time = 0; time < 2; time++) {
            shop_visits(&shop, time, shop.front, a, 500, time ? 250 : 500);
            shop_visits(&shop, time, shop.front, z, 500, time ? 250 : 500);
            for (int i = 0; i < 4; i++)
                shop_count(&shop, time, TALLY_INSTANCE, i < 2 ? a : z, NODE_NONE, instances[i])->n =
                    time == 0       ? 250
                    : i / 2 != lost ? 125
                    : i % 2 == 0    ? 0
                                    : 250;
        }
        shop_fail_at(&shop, shop.front, 500);
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, lost ? "z" : "a");
        shop_ask(&shop, SUSPECT_INSTANCE);
        shop_assert_first(&shop, lost ? "z" : "a");
        assert_string_equal(shop.diagnosis.suspects[0].instance.p, lost ? "z-1" : "a-1");
        shop_fini(&shop);
    }
}

/* The cart fails where its calls to stock are fewer by what it is asked for alone: stock owes
 * nothing, and the failures are the cart's, whole. */
static void failures_stay_with_who_lacks_calls_by_its_mix_alone(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        shop_count(&shop, time, TALLY_CALL, shop.front, shop.cart1, "Merge")->n = time ? 250 : 500;
        shop_count(&shop, time, TALLY_CALL, shop.front, shop.cart1, "Get")->n = time ? 750 : 500;
        shop_visits(&shop, time, shop.cart1, stock, 1000, time ? 260 : 500);
    }
    shop_fail_at(&shop, shop.cart1, 50);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "cart");
    const struct evidence *failures = evidence_of(&shop.diagnosis.suspects[0], EVIDENCE_ERRORS);
    assert_non_null(failures);
    assert_near(failures->observed, 0.05, 1e-9);
    shop_fini(&shop);
}

/* A third of cart's calls to redis end because cart left: after a time that they always took, or
 * after ten times that, for which redis made it wait. */
static void who_gives_up_sooner_than_calls_take_owes_that(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        struct shop shop;
        shop_init(&shop);
        struct tally_key key = {.channel = TALLY_ORIGIN,
                                .node = shop.redis,
                                .peer = shop.cart1,
                                .name = names_add(shop.names, STR("call")),
                                .detail = names_add(shop.names, STR("DC")),
                                .what = ORIGIN_REACHED};
        struct tally *origin = shop_tally(&shop, 1, &key);
        origin->n = origin->bad = 300;
        shop_count(&shop, 1, TALLY_REQUEST, shop.front, NODE_NONE, "GET /")->bad = 300;
        shop_times(&shop, 0, TALLY_CALL, shop.cart1, shop.redis, "call", 12, 900);
        shop_times(&shop, 1, TALLY_CALL, shop.cart1, shop.redis, "call", 12, 600);
        shop_times(&shop, 1, TALLY_CALL, shop.cart1, shop.redis, "call", waits ? 120 : 11, 300);
        shop_count(&shop, 1, TALLY_CALL, shop.cart1, shop.redis, "call")->bad = 300;
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, waits ? "redis" : "cart");
        assert_int_equal(
            str_contains(evidence_of(&shop.diagnosis.suspects[0], EVIDENCE_ERRORS)->text,
                         STR("given up after no longer")),
            !waits);
        shop_fini(&shop);
    }
}

/* Whom nobody calls any more has no call at any instance: that is none that it has lost. */
static void who_is_not_called_has_lost_no_instance(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no gate = shop_node(&shop, "gate", "v1", ROLE_WORKLOAD),
            stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        shop_visits(&shop, time, gate, stock, 500, time ? 0 : 500);
        shop_count(&shop, time, TALLY_INSTANCE, stock, NODE_NONE, "stock-1")->n = time ? 0 : 500;
    }
    shop_fail_at(&shop, gate, 500);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "gate");
    shop_fini(&shop);
}

static void assert_tells(const struct suspect *suspect, const char *text)
{
    for (unsigned i = 0; i < suspect->n_evidence; i++) {
        if (strncmp(suspect->evidence[i].text.p, text, strlen(text)) == 0)
            return;
    }
    fail_msg("no evidence says \"%s\"", text);
}

/* The front asked redis in every visit; now in a quarter of them, and fails in the others. Where
 * most of what it still asks fails, as it did not, its breaker is open and redis is to blame;
 * where that is answered as ever, or always failed, it is the front. */
static void a_callee_that_is_not_asked_because_it_fails_owes_its_callers_failures(void **state)
{
    static const struct {
        int failed[2]; /* calls */
        const char *first;
    } rows[] = {{{0, 150}, "redis"}, {{0, 0}, "front"}, {{600, 150}, "front"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct shop shop;
        shop_init(&shop);
        for (int time = 0; time < 2; time++) {
            int calls = time ? 250 : 1000;
            shop_visits(&shop, time, shop.front, shop.redis, 1000, 0);
            shop_calls(&shop, time, shop.front, shop.redis, 1, calls, rows[i].failed[time]);
            shop_times(&shop, time, TALLY_GAP, shop.front, shop.redis, "", 1, calls);
        }
        shop_fail_at(&shop, shop.front, 750);
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, rows[i].first);
        if (i == 0)
            assert_tells(&shop.diagnosis.suspects[0],
                         "front fails without asking redis, and 60.0 % of the calls fail that it "
                         "still makes");
        shop_fini(&shop);
    }
}

/* Of one operation 60 requests fail and as many see a failure; of another 30 fail. */
static void every_finding_says_what_it_is_of(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    struct tally *get = shop_count(&shop, 1, TALLY_ORIGIN, shop.cart1, NODE_NONE, "get");
    get->n = 150;
    get->bad = 60;
    struct tally *put = shop_count(&shop, 1, TALLY_ORIGIN, shop.cart1, NODE_NONE, "put");
    put->n = put->bad = 30;
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "cart");
    const struct suspect *first = &shop.diagnosis.suspects[0];
    assert_int_equal(first->n_evidence, 2); /* two operations that fail alike are one fact */
    assert_tells(first, "9 % of requests fail first at cart (normal 0 %): get 6 %, put 3 %");
    assert_tells(first, "9 % of requests see a failure first at cart get");
    assert_true(str_eq(first->reason, STR("calls to it fail")));
    /* However many they are, all are in the sum, and the first are named. */
    char name[] = "op0";
    for (; name[2] < '9'; name[2]++) {
        struct tally *more = shop_count(&shop, 1, TALLY_ORIGIN, shop.cart1, NODE_NONE, name);
        more->n = more->bad = 20;
    }
    shop_ask(&shop, SUSPECT_SERVICE);
    assert_tells(&shop.diagnosis.suspects[0],
                 "27.0 % of requests fail first at cart (normal 0 %): get 6 %, put 3 %, op");
    assert_true(str_contains(shop.diagnosis.suspects[0].evidence[0].text, STR(" and 8 more")));
    for (name[2] = '0'; name[2] < '9'; name[2]++)
        *shop_count(&shop, 1, TALLY_ORIGIN, shop.cart1, NODE_NONE, name) = (struct tally){.n = 0};
    /* The only operation needs no name. */
    put->n = put->bad = 0;
    shop_ask(&shop, SUSPECT_SERVICE);
    assert_tells(&shop.diagnosis.suspects[0], "6 % of requests fail first at cart (normal 0 %)");
    shop_fini(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unreached_call_speaks_against_the_caller_that_alone_fails),
        cmocka_unit_test(an_unreached_call_speaks_against_the_callee_that_nobody_reaches),
        cmocka_unit_test(few_calls_are_weighed_and_not_ignored),
        cmocka_unit_test(failures_in_pieces_are_tested_together),
        cmocka_unit_test(missing_calls_are_laid_to_who_has_lost_an_instance),
        cmocka_unit_test(failures_stay_with_who_lacks_calls_by_its_mix_alone),
        cmocka_unit_test(who_gives_up_sooner_than_calls_take_owes_that),
        cmocka_unit_test(who_is_not_called_has_lost_no_instance),
        cmocka_unit_test(a_callee_that_is_not_asked_because_it_fails_owes_its_callers_failures),
        cmocka_unit_test(every_finding_says_what_it_is_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
