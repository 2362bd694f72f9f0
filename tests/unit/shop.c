/* shop.c - roll-ups of a small shop, made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/localise/localise.h"
#include "tests/unit/shop.h"

node_no shop_node(struct shop *shop, const char *service, const char *version, uint8_t role)
{
    return nodes_add(shop->nodes, &(struct node){.namespace = names_add(shop->names, STR("shop")),
                                                 .service = names_add(shop->names, str_of(service)),
                                                 .version = names_add(shop->names, str_of(version)),
                                                 .role = role});
}

struct tally *shop_tally(struct shop *shop, int time, const struct tally_key *key)
{
    struct tally *tally = rollup_tally(&shop->rollups[time], key, 7);
    assert_non_null(tally);
    return tally;
}

struct tally *shop_count(struct shop *shop, int time, unsigned channel, node_no node, node_no peer,
                         const char *name)
{
    struct tally_key key = {.channel = (uint8_t)channel,
                            .node = node,
                            .peer = peer,
                            .name = names_add(shop->names, str_of(name))};
    return shop_tally(shop, time, &key);
}

void shop_times(struct shop *shop, int time, unsigned channel, node_no node, node_no peer,
                const char *name, double ms, int n)
{
    struct tally *tally = shop_count(shop, time, channel, node, peer, name);
    tally->n += n;
    /* a spread of a third around the value */
    for (int i = 0; i < n; i++)
        assert_true(
            tally_time(tally, (uint64_t)(ms * 1e6 * (0.7 + 0.6 * ((i * 37) % 100) / 100.0)), 1));
}

void shop_calls(struct shop *shop, int time, node_no caller, node_no callee, double ms, int n,
                int failed)
{
    shop_times(shop, time, TALLY_CALL, caller, callee, "call", ms, n);
    struct tally *tally = shop_count(shop, time, TALLY_CALL, caller, callee, "call");
    tally->bad += failed;
    tally->origins += failed;
}

static void fill(struct shop *shop, int time)
{
    shop_times(shop, time, TALLY_REQUEST, shop->front, NODE_NONE, "GET /", 30, 1000);
    shop_times(shop, time, TALLY_SELF, shop->front, NODE_NONE, "GET /", 5, 1000);
    shop_times(shop, time, TALLY_SELF, shop->cart1, NODE_NONE, "GetCart", 8, 800);
    shop_times(shop, time, TALLY_SELF, shop->cart2, NODE_NONE, "GetCart", 8, 200);
    shop_times(shop, time, TALLY_SELF, shop->ads, NODE_NONE, "GetAds", 4, 1000);
    shop_calls(shop, time, shop->user, shop->front, 30, 1000, 0);
    shop_calls(shop, time, shop->front, shop->cart1, 12, 800, 0);
    shop_calls(shop, time, shop->front, shop->cart2, 12, 200, 0);
    shop_calls(shop, time, shop->front, shop->ads, 6, 1000, 0);
    shop_times(shop, time, TALLY_GAP, shop->front, shop->cart1, "", 1, 800);
    shop_times(shop, time, TALLY_GAP, shop->front, shop->cart2, "", 1, 200);
    shop_times(shop, time, TALLY_GAP, shop->front, shop->ads, "", 1, 1000);
    shop_times(shop, time, TALLY_GAP, shop->cart1, shop->redis, "", 1, 800);
    shop_times(shop, time, TALLY_GAP, shop->cart2, shop->redis, "", 1, 200);
    shop_times(shop, time, TALLY_GAP, shop->ads, shop->redis, "", 1, 1000);
}

void shop_init(struct shop *shop)
{
    *shop = (struct shop){0};
    shop->names = names_new(1000, 1u << 20);
    shop->nodes = nodes_new(1000);
    shop->user = shop_node(shop, "user", "", ROLE_USER);
    shop->front = shop_node(shop, "front", "v1", ROLE_WORKLOAD);
    shop->cart1 = shop_node(shop, "cart", "v1", ROLE_WORKLOAD);
    shop->cart2 = shop_node(shop, "cart", "v2", ROLE_WORKLOAD);
    shop->ads = shop_node(shop, "ads", "v1", ROLE_WORKLOAD);
    shop->redis = shop_node(shop, "redis", "", ROLE_CACHE);
    for (int i = 0; i < 2; i++) {
        rollup_init(&shop->rollups[i], 10000);
        fill(shop, i);
    }
    arena_init(&shop->arena, 64u << 20);
}

void shop_ask(struct shop *shop, enum suspect_level level)
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

void shop_fini(struct shop *shop)
{
    for (int i = 0; i < 2; i++)
        rollup_fini(&shop->rollups[i]);
    arena_fini(&shop->arena);
    nodes_free(shop->nodes);
    names_free(shop->names);
}

void shop_assert_first(const struct shop *shop, const char *service)
{
    assert_int_equal(shop->diagnosis.verdict, VERDICT_INCIDENT);
    assert_string_equal(shop->diagnosis.suspects[0].node.service.p, service);
    assert_int_equal(shop->diagnosis.suspects[0].rank, 1);
    assert_true(shop->diagnosis.suspects[0].significant);
}

void shop_fail_calls(struct shop *shop, node_no caller, int n, unsigned what)
{
    struct tally *request = shop_count(shop, 1, TALLY_REQUEST, shop->front, NODE_NONE, "GET /");
    request->bad += n;
    struct tally *edge = shop_count(shop, 1, TALLY_CALL, caller, shop->redis, "call");
    edge->n += 1000;
    edge->bad += n;
    edge->origins += n;
    struct tally_key key = {.channel = TALLY_ORIGIN,
                            .node = shop->redis,
                            .peer = caller,
                            .name = names_add(shop->names, STR("call")),
                            .detail = names_add(shop->names, STR("UO")),
                            .what = (uint8_t)what};
    struct tally *origin = shop_tally(shop, 1, &key);
    origin->n += n;
    origin->bad += n;
}

void shop_visits(struct shop *shop, int time, node_no caller, node_no callee, int n, int n_calls)
{
    shop_count(shop, time, TALLY_FLOW, caller, NODE_NONE, "op")->n += n;
    shop_count(shop, time, TALLY_CALL, caller, callee, "call")->n += n_calls;
}

void shop_fail_at(struct shop *shop, node_no node, int n)
{
    struct tally *origin = shop_count(shop, 1, TALLY_ORIGIN, node, NODE_NONE, "op");
    origin->n += n;
    origin->bad += n;
    shop_count(shop, 1, TALLY_REQUEST, shop->front, NODE_NONE, "GET /")->bad += n;
}

const struct evidence *evidence_of(const struct suspect *suspect, enum evidence_kind kind)
{
    for (unsigned i = 0; i < suspect->n_evidence; i++) {
        if (suspect->evidence[i].kind == kind)
            return &suspect->evidence[i];
    }
    return NULL;
}
