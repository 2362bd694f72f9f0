/* test_localise.c - localise() on roll-ups made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/localise/localise.h"
#include "tests/unit/near.h"

struct shop {
    struct names *names;
    struct nodes *nodes;
    struct rollup rollups[2];
    node_no user, front, cart1, cart2, ads, redis;
    struct arena arena;
    struct diagnosis diagnosis;
};

static node_no add_node(struct shop *shop, const char *service, const char *version, uint8_t role)
{
    return nodes_add(shop->nodes, &(struct node){.namespace = names_add(shop->names, STR("shop")),
                                                 .service = names_add(shop->names, str_of(service)),
                                                 .version = names_add(shop->names, str_of(version)),
                                                 .role = role});
}

static struct tally *count(struct shop *shop, int time, unsigned channel, node_no node,
                           node_no peer, const char *name)
{
    struct tally_key key = {.channel = (uint8_t)channel,
                            .node = node,
                            .peer = peer,
                            .name = names_add(shop->names, str_of(name))};
    struct tally *tally = rollup_tally(&shop->rollups[time], &key, 7);
    assert_non_null(tally);
    return tally;
}

static void times(struct shop *shop, int time, unsigned channel, node_no node, node_no peer,
                  const char *name, double ms, int n)
{
    struct tally *tally = count(shop, time, channel, node, peer, name);
    tally->n += n;
    /* a spread of a third around the value */
    for (int i = 0; i < n; i++)
        assert_true(
            tally_time(tally, (uint64_t)(ms * 1e6 * (0.7 + 0.6 * ((i * 37) % 100) / 100.0)), 1));
}

static void calls(struct shop *shop, int time, node_no caller, node_no callee, double ms, int n,
                  int failed)
{
    times(shop, time, TALLY_CALL, caller, callee, "call", ms, n);
    struct tally *tally = count(shop, time, TALLY_CALL, caller, callee, "call");
    tally->bad += failed;
    tally->origins += failed;
}

/* A normal thousand requests. */
static void fill(struct shop *shop, int time)
{
    times(shop, time, TALLY_REQUEST, shop->front, NODE_NONE, "GET /", 30, 1000);
    times(shop, time, TALLY_SELF, shop->front, NODE_NONE, "GET /", 5, 1000);
    times(shop, time, TALLY_SELF, shop->cart1, NODE_NONE, "GetCart", 8, 800);
    times(shop, time, TALLY_SELF, shop->cart2, NODE_NONE, "GetCart", 8, 200);
    times(shop, time, TALLY_SELF, shop->ads, NODE_NONE, "GetAds", 4, 1000);
    calls(shop, time, shop->user, shop->front, 30, 1000, 0);
    calls(shop, time, shop->front, shop->cart1, 12, 800, 0);
    calls(shop, time, shop->front, shop->cart2, 12, 200, 0);
    calls(shop, time, shop->front, shop->ads, 6, 1000, 0);
    times(shop, time, TALLY_GAP, shop->front, shop->cart1, "", 1, 800);
    times(shop, time, TALLY_GAP, shop->front, shop->cart2, "", 1, 200);
    times(shop, time, TALLY_GAP, shop->front, shop->ads, "", 1, 1000);
    times(shop, time, TALLY_GAP, shop->cart1, shop->redis, "", 1, 800);
    times(shop, time, TALLY_GAP, shop->cart2, shop->redis, "", 1, 200);
    times(shop, time, TALLY_GAP, shop->ads, shop->redis, "", 1, 1000);
}

static void setup(struct shop *shop)
{
    *shop = (struct shop){0};
    shop->names = names_new(1000, 1u << 20);
    shop->nodes = nodes_new(1000);
    shop->user = add_node(shop, "user", "", ROLE_USER);
    shop->front = add_node(shop, "front", "v1", ROLE_WORKLOAD);
    shop->cart1 = add_node(shop, "cart", "v1", ROLE_WORKLOAD);
    shop->cart2 = add_node(shop, "cart", "v2", ROLE_WORKLOAD);
    shop->ads = add_node(shop, "ads", "v1", ROLE_WORKLOAD);
    shop->redis = add_node(shop, "redis", "", ROLE_CACHE);
    for (int i = 0; i < 2; i++) {
        rollup_init(&shop->rollups[i], 10000);
        fill(shop, i);
    }
    arena_init(&shop->arena, 64u << 20);
}

static void ask(struct shop *shop, enum suspect_level level)
{
    struct localise_input input = {.normal = &shop->rollups[0],
                                   .now = &shop->rollups[1],
                                   .names = shop->names,
                                   .nodes = shop->nodes,
                                   .level = level,
                                   .limit = 10,
                                   .min_requests = 30};
    shop->diagnosis = (struct diagnosis){0};
    assert_true(localise(&input, &shop->arena, &shop->diagnosis));
}

static void teardown(struct shop *shop)
{
    for (int i = 0; i < 2; i++)
        rollup_fini(&shop->rollups[i]);
    arena_fini(&shop->arena);
    nodes_free(shop->nodes);
    names_free(shop->names);
}

static void assert_first(const struct shop *shop, const char *service)
{
    assert_int_equal(shop->diagnosis.verdict, VERDICT_INCIDENT);
    assert_string_equal(shop->diagnosis.suspects[0].node.service.p, service);
    assert_int_equal(shop->diagnosis.suspects[0].rank, 1);
    assert_true(shop->diagnosis.suspects[0].significant);
}

static void the_same_twice_is_no_change(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    ask(&shop, SUSPECT_SERVICE);
    assert_int_equal(shop.diagnosis.verdict, VERDICT_NOTHING);
    for (uint32_t i = 0; i < shop.diagnosis.n_suspects; i++)
        assert_false(shop.diagnosis.suspects[i].significant);
    teardown(&shop);
}

static void too_few_requests_are_said(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    rollup_clear(&shop.rollups[1]);
    times(&shop, 1, TALLY_REQUEST, shop.front, NODE_NONE, "GET /", 30, 12);
    ask(&shop, SUSPECT_SERVICE);
    assert_int_equal(shop.diagnosis.verdict, VERDICT_NOT_ENOUGH);
    assert_int_equal(shop.diagnosis.need_requests, 18);
    teardown(&shop);
}

/* ads' own time grows; the front only waits for it. */
static void own_time_speaks_against_its_service(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    times(&shop, 1, TALLY_SELF, shop.ads, NODE_NONE, "GetAds", 60, 1000);
    times(&shop, 1, TALLY_REQUEST, shop.front, NODE_NONE, "GET /", 90, 1000);
    calls(&shop, 1, shop.front, shop.ads, 62, 1000, 0);
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "ads");
    assert_int_equal(shop.diagnosis.suspects[0].evidence[0].kind, EVIDENCE_SELF_TIME);
    assert_string_equal(shop.diagnosis.suspects[0].effects[0].service.p, "front");
    ask(&shop, SUSPECT_OPERATION);
    assert_first(&shop, "ads");
    assert_string_equal(shop.diagnosis.suspects[0].operation.p, "GetAds");
    teardown(&shop);
}

/* Everybody's calls to redis are slow: redis, and not one of its callers. */
static void a_gap_speaks_against_the_end_whose_other_calls_are_slow(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    times(&shop, 1, TALLY_GAP, shop.cart1, shop.redis, "", 50, 1600);
    times(&shop, 1, TALLY_GAP, shop.cart2, shop.redis, "", 50, 400);
    times(&shop, 1, TALLY_GAP, shop.ads, shop.redis, "", 50, 2000);
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "redis");
    assert_true(shop.diagnosis.suspects[0].has_peer);
    teardown(&shop);
}

static void fail_calls(struct shop *shop, node_no caller, int n, unsigned what)
{
    struct tally *request = count(shop, 1, TALLY_REQUEST, shop->front, NODE_NONE, "GET /");
    request->bad += n;
    struct tally *edge = count(shop, 1, TALLY_CALL, caller, shop->redis, "call");
    edge->n += 1000;
    edge->bad += n;
    edge->origins += n;
    struct tally_key key = {.channel = TALLY_ORIGIN,
                            .node = shop->redis,
                            .peer = caller,
                            .name = names_add(shop->names, STR("call")),
                            .detail = names_add(shop->names, STR("UO")),
                            .what = (uint8_t)what};
    struct tally *origin = rollup_tally(&shop->rollups[1], &key, 7);
    assert_non_null(origin);
    origin->n += n;
    origin->bad += n;
}

/* cart v2 cannot reach redis, cart v1 and ads can: it is cart, its version v2. */
static void an_unreached_call_speaks_against_the_caller_that_alone_fails(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    calls(&shop, 1, shop.cart1, shop.redis, 1, 800, 0);
    calls(&shop, 1, shop.ads, shop.redis, 1, 1000, 0);
    fail_calls(&shop, shop.cart2, 120, ORIGIN_UNREACHED);
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "cart");
    assert_string_equal(shop.diagnosis.suspects[0].peer.service.p, "redis");
    assert_string_equal(shop.diagnosis.suspects[0].narrowed[0].dimension, "version");
    assert_string_equal(shop.diagnosis.suspects[0].narrowed[0].value.p, "v2");
    ask(&shop, SUSPECT_VERSION);
    assert_first(&shop, "cart");
    assert_string_equal(shop.diagnosis.suspects[0].node.version.p, "v2");
    teardown(&shop);
}

/* The first seconds: eight calls of cart v2 of which five fail, twelve of v1 that do not. */
static void few_calls_are_weighed_and_not_ignored(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    calls(&shop, 1, shop.cart1, shop.redis, 1, 12, 0);
    fail_calls(&shop, shop.cart2, 5, ORIGIN_UNREACHED);
    count(&shop, 1, TALLY_CALL, shop.cart2, shop.redis, "call")->n = 8;
    ask(&shop, SUSPECT_SERVICE);
    assert_string_equal(shop.diagnosis.suspects[0].node.service.p, "cart");
    teardown(&shop);
}

/* A caller's visits, all of one operation, and how many calls they made. */
static void visits(struct shop *shop, int time, node_no caller, node_no callee, int n, int n_calls)
{
    count(shop, time, TALLY_FLOW, caller, NODE_NONE, "op")->n += n;
    count(shop, time, TALLY_CALL, caller, callee, "call")->n += n_calls;
}

static void fail_at(struct shop *shop, node_no node, int n)
{
    struct tally *origin = count(shop, 1, TALLY_ORIGIN, node, NODE_NONE, "op");
    origin->n += n;
    origin->bad += n;
    count(shop, 1, TALLY_REQUEST, shop->front, NODE_NONE, "GET /")->bad += n;
}

/* Nobody reports the calling side. cart and ads both fail and both call the stock less: the stock.
 * Only cart fails, and ads calls as ever: cart. */
static void missing_calls_speak_against_the_callee_that_all_callers_miss(void **state)
{
    struct shop shop;
    (void)state;
    for (int both = 0; both < 2; both++) {
        setup(&shop);
        node_no stock = add_node(&shop, "stock", "v1", ROLE_WORKLOAD);
        visits(&shop, 0, shop.cart1, stock, 1000, 1000);
        visits(&shop, 0, shop.ads, stock, 1000, 1000);
        visits(&shop, 1, shop.cart1, stock, 1000, 700);
        visits(&shop, 1, shop.ads, stock, 1000, both ? 700 : 1000);
        fail_at(&shop, shop.cart1, 300);
        if (both)
            fail_at(&shop, shop.ads, 300);
        ask(&shop, SUSPECT_SERVICE);
        assert_first(&shop, both ? "stock" : "cart");
        if (both)
            assert_int_equal(shop.diagnosis.suspects[0].evidence[0].kind, EVIDENCE_TRAFFIC);
        teardown(&shop);
    }
}

/* One of ads' two instances is slow to reach, whoever calls it. */
static void a_gap_speaks_against_the_instance_that_is_slow_to_reach(void **state)
{
    static const char *const instances[] = {"ads-a", "ads-b", "front-a", "front-b"};
    struct shop shop;
    (void)state;
    setup(&shop);
    times(&shop, 1, TALLY_GAP, shop.front, shop.ads, "", 80, 1000);
    for (int i = 0; i < 4; i++) {
        node_no node = i < 2 ? shop.ads : shop.front;
        struct tally_key key = {.channel = TALLY_GAP_INSTANCE,
                                .node = node,
                                .name = names_add(shop.names, str_of(instances[i])),
                                .what = i < 2 ? GAP_CALLEE : GAP_CALLER};
        for (int time = 0; time < 2; time++) {
            struct tally *tally = rollup_tally(&shop.rollups[time], &key, 7);
            tally->n = 1000;
            for (int k = 0; k < 1000; k++) {
                bool slow = time == 1 && (i == 1 || (i > 1 && k % 2));
                assert_true(tally_time(tally, (slow ? 80 : 1) * NS_PER_MS + (uint64_t)k * 100, 1));
            }
        }
    }
    ask(&shop, SUSPECT_INSTANCE);
    assert_first(&shop, "ads");
    assert_string_equal(shop.diagnosis.suspects[0].instance.p, "ads-b");
    teardown(&shop);
}

/* Proxies at both ends of front → ads: what grew is between them, or in ads' own proxy. */
static void a_gap_is_split_where_proxies_tell(void **state)
{
    static const uint8_t hops[3] = {HOP_SIDECAR_OUT, HOP_NETWORK, HOP_SIDECAR_IN};
    struct shop shop;
    (void)state;
    for (int grown = 1; grown < 3; grown++) {
        setup(&shop);
        times(&shop, 1, TALLY_GAP, shop.front, shop.ads, "", 80, 1000);
        for (int i = 0; i < 3; i++) {
            for (int time = 0; time < 2; time++) {
                struct tally_key key = {
                    .channel = TALLY_HOP, .node = shop.front, .peer = shop.ads, .what = hops[i]};
                struct tally *tally = rollup_tally(&shop.rollups[time], &key, 7);
                tally->n = 2000;
                for (int k = 0; k < 1000; k++) {
                    bool slow = time == 1 && i == grown;
                    tally_time(tally, slow ? 80 * NS_PER_MS : (uint64_t)(300000 + k), 1);
                    tally_time(tally, (uint64_t)(300000 + k), 1);
                }
            }
        }
        ask(&shop, SUSPECT_SERVICE);
        const struct suspect *first = &shop.diagnosis.suspects[0];
        assert_int_equal(first->level, grown == 1 ? SUSPECT_HOP : SUSPECT_SERVICE);
        assert_true(first->has_peer);
        if (grown == 1)
            assert_string_equal(first->evidence[0].metric.p, "network");
        else
            assert_first(&shop, "ads");
        teardown(&shop);
    }
}

static const struct evidence *evidence_of(const struct suspect *suspect, enum evidence_kind kind)
{
    for (unsigned i = 0; i < suspect->n_evidence; i++) {
        if (suspect->evidence[i].kind == kind)
            return &suspect->evidence[i];
    }
    return NULL;
}

/* cart v3 is new beside v1 and v2. It fails a tenth of its calls, or none. */
static void a_newcomer_is_judged_by_its_sisters_and_not_by_its_date(void **state)
{
    struct shop shop;
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        setup(&shop);
        node_no cart3 = add_node(&shop, "cart", "v3", ROLE_WORKLOAD);
        times(&shop, 1, TALLY_SELF, cart3, NODE_NONE, "GetCart", 8, 500);
        calls(&shop, 1, shop.front, cart3, 12, 500, bad ? 50 : 0);
        if (bad)
            fail_at(&shop, cart3, 50);
        ask(&shop, SUSPECT_SERVICE);
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
            ask(&shop, SUSPECT_VERSION);
            assert_string_equal(shop.diagnosis.suspects[0].node.version.p, "v3");
        }
        teardown(&shop);
    }
}

/* cart and ads both call the stock; nobody comes there any more, and nobody fails. */
static void a_callee_that_nobody_reaches_any_more_is_a_suspect(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    node_no stock = add_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        visits(&shop, time, shop.cart1, stock, 1000, time ? 0 : 1000);
        visits(&shop, time, shop.ads, stock, 1000, time ? 0 : 1000);
        visits(&shop, time, shop.cart1, shop.redis, 0, 1000);
        visits(&shop, time, shop.ads, shop.redis, 0, 1000);
    }
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "stock");
    const struct evidence *traffic = evidence_of(&shop.diagnosis.suspects[0], EVIDENCE_TRAFFIC);
    assert_non_null(traffic);
    assert_near(traffic->baseline, 1, 1e-9);
    assert_near(traffic->observed, 0, 1e-9);
    teardown(&shop);
}

/* front says whom it calls. It no longer calls the stock, and nobody failed: front, not the stock.
 */
static void a_caller_that_does_not_try_owes_its_missing_calls(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    node_no stock = add_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    times(&shop, 0, TALLY_GAP, shop.front, stock, "", 1, 1000);
    for (int time = 0; time < 2; time++)
        visits(&shop, time, shop.front, stock, 1000, time ? 0 : 1000);
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "front");
    assert_string_equal(shop.diagnosis.suspects[0].peer.service.p, "stock");
    teardown(&shop);
}

/* Half of front's visits fail at ads, before they come to the stock: half of the calls there are
 * missing, and nobody but ads owes it. */
static void calls_that_a_failure_cut_off_are_not_missing(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    node_no stock = add_node(&shop, "stock", "v1", ROLE_WORKLOAD);
    times(&shop, 0, TALLY_GAP, shop.front, stock, "", 1, 1000);
    times(&shop, 1, TALLY_GAP, shop.front, stock, "", 1, 500);
    visits(&shop, 0, shop.front, stock, 1000, 1000);
    visits(&shop, 1, shop.front, stock, 500, 480);
    struct tally_key failed = {.channel = TALLY_FLOW,
                               .node = shop.front,
                               .name = names_add(shop.names, STR("op")),
                               .what = FLOW_FAILED};
    rollup_tally(&shop.rollups[1], &failed, 7)->n = 500;
    fail_at(&shop, shop.ads, 500);
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "ads");
    for (uint32_t i = 1; i < shop.diagnosis.n_suspects; i++)
        assert_null(evidence_of(&shop.diagnosis.suspects[i], EVIDENCE_TRAFFIC));
    teardown(&shop);
}

/* Calls to the stock that reach nobody do not say of which version they were: v2 misses them. */
static void calls_that_reach_nobody_are_laid_to_the_version_that_misses_them(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    node_no unknown = add_node(&shop, "stock", "", ROLE_WORKLOAD);
    node_no stock1 = add_node(&shop, "stock", "v1", ROLE_WORKLOAD),
            stock2 = add_node(&shop, "stock", "v2", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        calls(&shop, time, shop.front, stock1, 5, 500, 0);
        calls(&shop, time, shop.front, stock2, 5, time ? 200 : 500, 0);
    }
    calls(&shop, 1, shop.front, unknown, 1, 300, 300);
    struct tally_key key = {.channel = TALLY_ORIGIN,
                            .node = unknown,
                            .peer = shop.front,
                            .name = names_add(shop.names, STR("call")),
                            .what = ORIGIN_UNREACHED};
    struct tally *origin = rollup_tally(&shop.rollups[1], &key, 7);
    origin->n = origin->bad = 300;
    ask(&shop, SUSPECT_VERSION);
    assert_first(&shop, "stock");
    assert_string_equal(shop.diagnosis.suspects[0].node.version.p, "v2");
    teardown(&shop);
}

/* One of ads' two instances answers at once and calls nobody. */
static void requests_that_stop_speak_against_the_instance_whose_calls_are_missing(void **state)
{
    static const char *const instances[] = {"ads-a", "ads-b"};
    struct shop shop;
    (void)state;
    setup(&shop);
    for (int time = 0; time < 2; time++) {
        struct tally_key flow = {
            .channel = TALLY_FLOW, .node = shop.ads, .name = names_add(shop.names, STR("GetAds"))};
        rollup_tally(&shop.rollups[time], &flow, 7)->n = time ? 500 : 0;
        flow.what = FLOW_CALL;
        flow.peer = shop.redis;
        rollup_tally(&shop.rollups[time], &flow, 7)->n = time ? 500 : 1000;
        for (int i = 0; i < 2; i++) {
            times(&shop, time, TALLY_INSTANCE, shop.ads, NODE_NONE, instances[i], 4, 500);
            struct tally_key gap = {.channel = TALLY_GAP_INSTANCE,
                                    .node = shop.ads,
                                    .name = names_add(shop.names, str_of(instances[i])),
                                    .what = GAP_CALLER};
            rollup_tally(&shop.rollups[time], &gap, 7)->n = time && i ? 0 : 500;
        }
    }
    ask(&shop, SUSPECT_INSTANCE);
    assert_first(&shop, "ads");
    assert_string_equal(shop.diagnosis.suspects[0].instance.p, "ads-b");
    teardown(&shop);
}

/* Eighteen calls tell nothing of an instance; the thirty-six of its service do, and whose they
 * were.
 */
static void an_instance_with_few_calls_is_found_by_those_of_its_service(void **state)
{
    static const char *const instances[] = {"mail-a", "mail-b"};
    struct shop shop;
    (void)state;
    setup(&shop);
    node_no mail = add_node(&shop, "mail", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        for (int i = 0; i < 2; i++) {
            double ms = time && i ? 80 : 8;
            times(&shop, time, TALLY_SELF, mail, NODE_NONE, "Send", ms, 18);
            times(&shop, time, TALLY_INSTANCE, mail, NODE_NONE, instances[i], ms, 18);
        }
    }
    ask(&shop, SUSPECT_INSTANCE);
    assert_first(&shop, "mail");
    assert_string_equal(shop.diagnosis.suspects[0].instance.p, "mail-b");
    teardown(&shop);
}

/* Of a call to who sends no spans the time is the callee's rather than the caller's. */
static void a_gap_to_a_silent_callee_is_the_callees(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    node_no db = add_node(&shop, "zdb", "", ROLE_DATABASE),
            mail = add_node(&shop, "mail", "v1", ROLE_WORKLOAD);
    for (int time = 0; time < 2; time++) {
        times(&shop, time, TALLY_SELF, mail, NODE_NONE, "Send", 8, 500);
        times(&shop, time, TALLY_GAP, mail, db, "", time ? 40 : 4, 500);
    }
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "zdb");
    assert_string_equal(shop.diagnosis.suspects[1].node.service.p, "mail");
    teardown(&shop);
}

/* Six failures each of three operations: 2.45 standard errors, no one of them tells. Eighteen do.
 */
static void failures_in_pieces_are_tested_together(void **state)
{
    static const char *const operations[] = {"get", "put", "drop"};
    struct shop shop;
    (void)state;
    setup(&shop);
    for (int i = 0; i < 3; i++) {
        struct tally *origin = count(&shop, 1, TALLY_ORIGIN, shop.cart1, NODE_NONE, operations[i]);
        origin->n = origin->bad = 6;
    }
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "cart");
    assert_near(shop.diagnosis.suspects[0].score, 0.018, 1e-9);
    /* 18 of 1000 against none: pooled 0.009 */
    assert_near(shop.diagnosis.suspects[0].evidence[0].deviation, 4.2619, 0.0001);
    teardown(&shop);
}

static void an_unreached_call_speaks_against_the_callee_that_nobody_reaches(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    fail_calls(&shop, shop.cart1, 100, ORIGIN_UNREACHED);
    fail_calls(&shop, shop.cart2, 100, ORIGIN_UNREACHED);
    fail_calls(&shop, shop.ads, 100, ORIGIN_UNREACHED);
    for (int i = 0; i < 3; i++)
        calls(&shop, 1, shop.cart1, add_node(&shop, i ? "a" : "b", "", ROLE_DATABASE), 1, 500, 0);
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "redis");
    teardown(&shop);
}

/* Visits of cart end without the call they used to make. */
static void requests_that_stop_speak_against_where_they_stop(void **state)
{
    struct shop shop;
    (void)state;
    setup(&shop);
    for (int time = 0; time < 2; time++) {
        struct tally_key to_redis = {.channel = TALLY_FLOW,
                                     .node = shop.cart1,
                                     .peer = shop.redis,
                                     .name = names_add(shop.names, STR("GetCart")),
                                     .what = FLOW_CALL};
        struct tally_key none = to_redis;
        none.peer = NODE_NONE;
        none.what = FLOW_NONE;
        rollup_tally(&shop.rollups[time], &to_redis, 7)->n = time ? 100 : 780;
        rollup_tally(&shop.rollups[time], &none, 7)->n = time ? 700 : 20;
    }
    ask(&shop, SUSPECT_SERVICE);
    assert_first(&shop, "cart");
    assert_int_equal(shop.diagnosis.suspects[0].evidence[0].kind, EVIDENCE_FLOW);
    teardown(&shop);
}

/* The answer does not depend on the order in which the counters stand. */
static void the_order_of_counters_changes_nothing(void **state)
{
    struct shop shop;
    struct buf first, second;
    (void)state;
    setup(&shop);
    times(&shop, 1, TALLY_SELF, shop.ads, NODE_NONE, "GetAds", 60, 1000);
    fail_calls(&shop, shop.cart2, 50, ORIGIN_UNREACHED);
    buf_init(&first, 1u << 20);
    buf_init(&second, 1u << 20);
    ask(&shop, SUSPECT_SERVICE);
    diagnosis_json(&shop.diagnosis, &first);
    struct rollup turned;
    rollup_init(&turned, 10000);
    for (uint32_t i = shop.rollups[1].n; i-- > 0;) {
        const struct tally *tally = &shop.rollups[1].items[i];
        assert_true(tally_merge(rollup_tally(&turned, &tally->key, tally->step), tally));
    }
    rollup_fini(&shop.rollups[1]);
    shop.rollups[1] = turned;
    ask(&shop, SUSPECT_SERVICE);
    diagnosis_json(&shop.diagnosis, &second);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.p, second.p, first.len);
    buf_fini(&first);
    buf_fini(&second);
    teardown(&shop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_calls_are_weighed_and_not_ignored),
        cmocka_unit_test(missing_calls_speak_against_the_callee_that_all_callers_miss),
        cmocka_unit_test(a_gap_speaks_against_the_instance_that_is_slow_to_reach),
        cmocka_unit_test(a_gap_is_split_where_proxies_tell),
        cmocka_unit_test(a_newcomer_is_judged_by_its_sisters_and_not_by_its_date),
        cmocka_unit_test(a_callee_that_nobody_reaches_any_more_is_a_suspect),
        cmocka_unit_test(a_caller_that_does_not_try_owes_its_missing_calls),
        cmocka_unit_test(calls_that_a_failure_cut_off_are_not_missing),
        cmocka_unit_test(calls_that_reach_nobody_are_laid_to_the_version_that_misses_them),
        cmocka_unit_test(requests_that_stop_speak_against_the_instance_whose_calls_are_missing),
        cmocka_unit_test(an_instance_with_few_calls_is_found_by_those_of_its_service),
        cmocka_unit_test(a_gap_to_a_silent_callee_is_the_callees),
        cmocka_unit_test(failures_in_pieces_are_tested_together),
        cmocka_unit_test(the_same_twice_is_no_change),
        cmocka_unit_test(too_few_requests_are_said),
        cmocka_unit_test(own_time_speaks_against_its_service),
        cmocka_unit_test(a_gap_speaks_against_the_end_whose_other_calls_are_slow),
        cmocka_unit_test(an_unreached_call_speaks_against_the_caller_that_alone_fails),
        cmocka_unit_test(an_unreached_call_speaks_against_the_callee_that_nobody_reaches),
        cmocka_unit_test(requests_that_stop_speak_against_where_they_stop),
        cmocka_unit_test(the_order_of_counters_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
