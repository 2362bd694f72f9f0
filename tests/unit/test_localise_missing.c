/* test_localise_missing.c - localise(): calls that nobody tells of, and that never came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/localise/localise.h"
#include "tests/unit/shop.h"

/* Visits of a caller that end with their call to that callee, and that end without it, in another
 * way: so many each. */
static void visits_of(struct shop *shop, int time, node_no caller, const char *operation,
                      node_no callee, int with, int without, enum flow_last last)
{
    struct tally_key key = {.channel = TALLY_FLOW,
                            .node = caller,
                            .peer = callee,
                            .name = names_add(shop->names, str_of(operation)),
                            .what = FLOW_CALL};
    shop_tally(shop, time, &key)->n += with;
    key.peer = NODE_NONE;
    key.what = (uint8_t)last;
    shop_tally(shop, time, &key)->n += without;
    struct tally_key call = {.channel = TALLY_CALL,
                             .node = caller,
                             .peer = callee,
                             .name = names_add(shop->names, STR("do")),
                             .detail = key.name};
    shop_tally(shop, time, &call)->n += with;
}

/* When in such a visit the calls begin that it makes, and whether they would be seen as steps. */
static void starts_of(struct shop *shop, int time, node_no caller, const char *operation,
                      node_no callee, int n, int ms, int as_steps)
{
    struct tally *start = shop_count(shop, time, TALLY_START, caller, callee, operation);
    start->n += n;
    start->origins += as_steps;
    start->sum_ns += (int64_t)n * ms * 1000000;
}

static void fails(struct shop *shop, node_no node, const char *operation, int n)
{
    struct tally *origin = shop_count(shop, 1, TALLY_ORIGIN, node, NODE_NONE, operation);
    origin->n += n;
    origin->bad += n;
    shop_count(shop, 1, TALLY_REQUEST, shop->front, NODE_NONE, "GET /")->bad += n;
}

/* All the visits for one of a dozen things that are asked for once in a hundred times. */
static void calls_for_what_is_rare_are_missed_too(void **state)
{
    static const char *const others[] = {"GET /a", "GET /b", "GET /c", "GET /d", "GET /e", "GET /f",
                                         "GET /g", "GET /h", "GET /i", "GET /j", "GET /k", NULL};
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        visits_of(&shop, time, shop.front, "GET /", shop.ads, 1000, 0, FLOW_FAILED);
        for (const char *const *other = others; *other; other++)
            visits_of(&shop, time, shop.front, *other, shop.ads, 15, 0, FLOW_FAILED);
        visits_of(&shop, time, shop.front, "GET /rare", stock, time ? 0 : 8, time ? 12 : 0,
                  FLOW_FAILED);
    }
    fails(&shop, shop.front, "GET /rare", 12);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "stock");
    shop_fini(&shop);
}

/* At none of three places beyond chance, and too few at all of them. */
static void what_lacks_everywhere_is_missed_where_it_is_within_chance(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        visits_of(&shop, time, shop.front, "GET /", shop.ads, 1000, 0, FLOW_FAILED);
        visits_of(&shop, time, shop.front, "GET /a", stock, time ? 11 : 12, time ? 6 : 0,
                  FLOW_FAILED);
        visits_of(&shop, time, shop.front, "GET /b", stock, time ? 31 : 18, time ? 14 : 0,
                  FLOW_FAILED);
        visits_of(&shop, time, shop.cart1, "Get", stock, time ? 22 : 18, time ? 9 : 0, FLOW_FAILED);
    }
    fails(&shop, shop.front, "GET /a", 6);
    fails(&shop, shop.front, "GET /b", 14);
    fails(&shop, shop.cart1, "Get", 9);
    shop_ask(&shop, SUSPECT_SERVICE);
    shop_assert_first(&shop, "stock");
    shop_fini(&shop);
}

/* Half of the visits fail after the call to ads, and lack the one to the stock. It would have left
 * a step of the front's own, had it been made and not been answered. */
static void who_left_no_step_has_not_tried(void **state)
{
    static const struct {
        int as_steps, alone; /* of a hundred calls; steps of its own now */
        const char *first;
    } cases[] = {{0, 0, "stock"}, {100, 0, "front"}, {100, 50, "stock"}};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct shop shop;
        shop_init(&shop);
        node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
        for (int time = 0; time < 2; time++) {
            int n = time ? 50 : 100;
            visits_of(&shop, time, shop.front, "GET /", stock, n, 100 - n, FLOW_FAILED);
            shop_calls(&shop, time, shop.front, shop.ads, 6, 100, 0);
            starts_of(&shop, time, shop.front, "GET /", shop.ads, 100, 1, cases[i].as_steps);
            starts_of(&shop, time, shop.front, "GET /", stock, n, 9, cases[i].as_steps * n / 100);
        }
        struct tally_key step = {.channel = TALLY_STEP,
                                 .node = shop.front,
                                 .name = names_add(shop.names, STR("GET /")),
                                 .detail = names_add(shop.names, STR("POST"))};
        shop_tally(&shop, 1, &step)->n = cases[i].alone;
        fails(&shop, shop.front, "GET /", 50);
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, cases[i].first);
        shop_fini(&shop);
    }
}

/* The visits of two end before they call the stock, one of whose instances has no call any more. */
static void calls_that_never_came_are_laid_to_the_instance_that_lacks_them(void **state)
{
    struct shop shop;
    (void)state;
    shop_init(&shop);
    node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        int n = time ? 250 : 500;
        visits_of(&shop, time, shop.front, "GET /", stock, n, 500 - n, FLOW_LOCAL);
        visits_of(&shop, time, shop.cart1, "Get", stock, n, 500 - n, FLOW_LOCAL);
        starts_of(&shop, time, shop.front, "GET /", stock, n, 9, 0);
        starts_of(&shop, time, shop.cart1, "Get", stock, n, 9, 0);
        shop_count(&shop, time, TALLY_INSTANCE, stock, NODE_NONE, "stock-1")->n = 500;
        shop_count(&shop, time, TALLY_INSTANCE, stock, NODE_NONE, "stock-2")->n = time ? 0 : 500;
    }
    shop_ask(&shop, SUSPECT_INSTANCE);
    shop_assert_first(&shop, "stock");
    for (unsigned i = 0; i < shop.diagnosis.n_suspects; i++) {
        const struct suspect *suspect = &shop.diagnosis.suspects[i];
        if (str_eq(suspect->node.service, STR("stock")))
            assert_string_equal(suspect->instance.p, "stock-2");
    }
    shop_fini(&shop);
}

/* Half of the visits lack the call to the shelf and the one to the stock, which comes later. By
 * which name calls used to leave tells whose the one is that nobody answers. */
static const struct named {
    bool to_shelf, to_stock;
    const char *first;
} by_name[] = {
    {false, false, "shelf"}, {true, false, "shelf"}, {false, true, "stock"}, {true, true, "shelf"}};

static void half_lack_both(struct shop *shop, const struct named *named, enum flow_last last)
{
    shop_init(shop);
    node_no shelf = shop_node(shop, "shelf", "v1", ROLE_WORKLOAD),
            stock = shop_node(shop, "stock", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        int n = time ? 50 : 100;
        visits_of(shop, time, shop->front, "GET /", stock, n, 100 - n, last);
        visits_of(shop, time, shop->front, "GET /", shelf, n, 0, last);
        starts_of(shop, time, shop->front, "GET /", shelf, n, 3, n);
        starts_of(shop, time, shop->front, "GET /", stock, n, 9, n);
    }
    if (named->to_shelf)
        shop_count(shop, 0, TALLY_OUT, shop->front, shelf, "Take")->n = 100;
    if (named->to_stock)
        shop_count(shop, 0, TALLY_OUT, shop->front, stock, "Take")->n = 100;
}

/* … where nothing says which span is a call: it is a step of the caller's own. */
static void the_name_of_a_new_step_tells_whose_call_it_was(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(by_name) / sizeof(by_name[0]); i++) {
        struct shop shop;
        half_lack_both(&shop, &by_name[i], FLOW_LOCAL);
        struct tally_key step = {.channel = TALLY_STEP,
                                 .node = shop.front,
                                 .name = names_add(shop.names, STR("GET /")),
                                 .detail = names_add(shop.names, STR("Take"))};
        shop_tally(&shop, 1, &step)->n = 50;
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, by_name[i].first);
        shop_fini(&shop);
    }
}

/* … of a client that says nothing of whom it calls. */
static void the_name_of_a_nameless_call_tells_whose_it_was(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(by_name) / sizeof(by_name[0]); i++) {
        struct shop shop;
        half_lack_both(&shop, &by_name[i], FLOW_CARRIED);
        node_no nobody = shop_node(&shop, NAMELESS_SERVICE, "", ROLE_EXTERNAL);
        struct tally_key call = {.channel = TALLY_CALL,
                                 .node = shop.front,
                                 .peer = nobody,
                                 .name = names_add(shop.names, STR("Take")),
                                 .detail = names_add(shop.names, STR("GET /")),
                                 .what = CALL_UNANSWERED};
        struct tally *calls = shop_tally(&shop, 1, &call);
        calls->n = calls->bad = calls->origins = 50;
        struct tally *origin = shop_count(&shop, 1, TALLY_ORIGIN, nobody, shop.front, "Take");
        origin->n = origin->bad = 50;
        shop_count(&shop, 1, TALLY_REQUEST, shop.front, NODE_NONE, "GET /")->bad += 50;
        shop_ask(&shop, SUSPECT_SERVICE);
        shop_assert_first(&shop, by_name[i].first);
        shop_fini(&shop);
    }
}

/* A span inside of the front fails, and nothing is missing. It is a call where calls to the stock
 * alone leave by its name, and nobody asks the front for what has that name. */
static void a_failure_inside_is_the_callees_where_its_name_leads_to_one(void **state)
{
    static const struct {
        bool to_ads, to_stock, asked;
        const char *first;
    } cases[] = {{false, false, false, "front"},
                 {false, true, false, "stock"},
                 {true, true, false, "front"},
                 {false, true, true, "front"}};
    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct shop shop;
        shop_init(&shop);
        node_no stock = shop_node(&shop, "stock", "v1", ROLE_WORKLOAD),
                stock2 = shop_node(&shop, "stock", "v2", ROLE_WORKLOAD);
        for (int time = 0; time < 2; time++) {
            visits_of(&shop, time, shop.front, "GET /", stock, 500, 0, FLOW_LOCAL);
            visits_of(&shop, time, shop.front, "GET /", stock2, 500, 0, FLOW_LOCAL);
            if (cases[i].asked)
                visits_of(&shop, time, shop.front, "Take", shop.ads, 500, 0, FLOW_LOCAL);
        }
        if (cases[i].to_ads)
            shop_count(&shop, 0, TALLY_OUT, shop.front, shop.ads, "Take")->n = 100;
        if (cases[i].to_stock) {
            shop_count(&shop, 0, TALLY_OUT, shop.front, stock, "Take")->n = 100;
            shop_count(&shop, 0, TALLY_OUT, shop.front, stock2, "Take")->n = 100;
        }
        fails(&shop, shop.front, "Take", 50);
        for (unsigned level = SUSPECT_SERVICE; level <= SUSPECT_VERSION; level++) {
            shop_ask(&shop, (enum suspect_level)level);
            shop_assert_first(&shop, cases[i].first);
        }
        shop_fini(&shop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_for_what_is_rare_are_missed_too),
        cmocka_unit_test(what_lacks_everywhere_is_missed_where_it_is_within_chance),
        cmocka_unit_test(who_left_no_step_has_not_tried),
        cmocka_unit_test(calls_that_never_came_are_laid_to_the_instance_that_lacks_them),
        cmocka_unit_test(the_name_of_a_new_step_tells_whose_call_it_was),
        cmocka_unit_test(the_name_of_a_nameless_call_tells_whose_it_was),
        cmocka_unit_test(a_failure_inside_is_the_callees_where_its_name_leads_to_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
