/* Who is at which address, as spans claim it: with a clock of our own
 * (collector/stitch/addresses.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/model/shapes.h"
#include "collector/stitch/addresses.h"

struct world {
    struct names *names;
    struct nodes *nodes;
    struct addresses *addresses;
    struct shape shapes[8];
    uint32_t n_shapes;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    world->names = names_new(1000, 1u << 20);
    world->nodes = nodes_new(1000);
    world->addresses = addresses_new(world->names, world->nodes);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    addresses_free(world->addresses);
    nodes_free(world->nodes);
    names_free(world->names);
    free(world);
    return 0;
}

/* A span of `service` at `address`, received in `minute`; its trace knew the namespace. */
static void see(struct world *world, const char *service, const char *address,
                const char *namespace, uint32_t minute)
{
    struct node node = {.service = names_add(world->names, str_of(service)), .role = ROLE_WORKLOAD};
    name_no at = names_add(world->names, str_of(address));
    uint32_t no = 0;
    while (no < world->n_shapes &&
           (world->shapes[no].node.service != node.service || world->shapes[no].address != at))
        no++;
    if (no == world->n_shapes)
        world->shapes[world->n_shapes++] = (struct shape){.node = node, .address = at};
    struct record record = {
        .shape = &world->shapes[no], .shape_no = no, .arrival = ARRIVAL(minute, 0, 0)};
    node.namespace = names_add(world->names, str_of(namespace));
    addresses_see(world->addresses, &record, nodes_add(world->nodes, &node));
}

/* "namespace/service" in the snapshot, "" for nobody. */
static const char *who(const struct world *world, const char *address)
{
    static char text[64];
    node_no no = addresses_find(world->addresses, str_of(address));
    if (no == NODE_NONE)
        return "";
    const struct node *node = nodes_get(world->nodes, no);
    snprintf(text, sizeof(text), "%.*s/%.*s", STR_ARG(names_text(world->names, node->namespace)),
             STR_ARG(names_text(world->names, node->service)));
    return text;
}

static void the_snapshot_is_a_minute_old_at_least(void **state)
{
    struct world *world = *state;
    const uint64_t begin = 5 * NS_PER_S;
    see(world, "b", "10.0.0.1", "shop", 100);
    assert_string_equal(who(world, "10.0.0.1"), "");
    addresses_renew(world->addresses, begin);
    assert_string_equal(who(world, "10.0.0.1"), "shop/b");
    see(world, "c", "10.0.0.2", "shop", 100);
    addresses_renew(world->addresses, begin + NS_PER_MINUTE - 1);
    assert_string_equal(who(world, "10.0.0.2"), "");
    addresses_renew(world->addresses, begin + NS_PER_MINUTE);
    assert_string_equal(who(world, "10.0.0.2"), "shop/c");
    assert_string_equal(who(world, "10.0.0.3"), "");
}

static void two_within_the_hour_are_nobody_later_the_newer_one(void **state)
{
    struct world *world = *state;
    uint64_t now = NS_PER_S;
    see(world, "b", "10.0.0.1", "shop", 100);
    see(world, "c", "10.0.0.1", "shop", 150);
    addresses_renew(world->addresses, now);
    assert_string_equal(who(world, "10.0.0.1"), "");
    see(world, "c", "10.0.0.1", "shop", 160);
    addresses_renew(world->addresses, now += NS_PER_MINUTE);
    assert_string_equal(who(world, "10.0.0.1"), "");
    see(world, "c", "10.0.0.1", "shop", 161);
    addresses_renew(world->addresses, now += NS_PER_MINUTE);
    assert_string_equal(who(world, "10.0.0.1"), "shop/c");
    see(world, "b", "10.0.0.1", "shop", 170);
    addresses_renew(world->addresses, now += NS_PER_MINUTE);
    assert_string_equal(who(world, "10.0.0.1"), "");
}

static void what_one_trace_knew_is_not_forgotten_by_the_next(void **state)
{
    struct world *world = *state;
    see(world, "b", "10.0.0.1", "shop", 100);
    see(world, "b", "10.0.0.1", "", 101);
    addresses_renew(world->addresses, NS_PER_S);
    assert_string_equal(who(world, "10.0.0.1"), "shop/b");
}

static void a_gateway_s_address_is_no_workload_s(void **state)
{
    struct world *world = *state;
    struct shape gateway = {.node = {.service = names_add(world->names, STR("edge"))},
                            .address = names_add(world->names, STR("10.0.0.1")),
                            .proxy = PROXY_GATEWAY};
    struct record record = {.shape = &gateway, .shape_no = 7, .arrival = ARRIVAL(100, 0, 0)};
    addresses_see(world->addresses, &record, nodes_add(world->nodes, &gateway.node));
    see(world, "b", "127.0.0.1", "shop", 100);
    addresses_renew(world->addresses, NS_PER_S);
    assert_string_equal(who(world, "10.0.0.1"), "");
    assert_string_equal(who(world, "127.0.0.1"), "");
}

/* What goes to the file: once, and again only when its time has moved on by ten minutes. */
static void claims_are_handed_on_once(void **state)
{
    struct world *world = *state;
    const uint32_t minutes[] = {100, 105, 110, 111};
    const uint32_t handed[] = {1, 0, 1, 0};
    for (int i = 0; i < 4; i++) {
        struct turn turn = {0};
        arena_init(&turn.arena, 1u << 20);
        see(world, "b", "10.0.0.1", "shop", minutes[i]);
        addresses_hand_on(world->addresses, &turn);
        assert_int_equal(turn.n_known, handed[i]);
        if (turn.n_known) {
            assert_true(str_eq(turn.known[0].address, STR("10.0.0.1")));
            assert_true(str_eq(turn.known[0].namespace, STR("shop")));
            assert_int_equal(turn.known[0].seen_minute, minutes[i]);
        }
        arena_fini(&turn.arena);
    }
}

static void what_was_kept_counts_with_its_time(void **state)
{
    struct world *world = *state;
    struct turn turn = {0};
    const struct known_address kept = {.address = STR("10.0.0.1"),
                                       .namespace = STR("shop"),
                                       .service = STR("b"),
                                       .seen_minute = 100};
    assert_true(addresses_claim(world->addresses, &kept));
    addresses_renew(world->addresses, NS_PER_S);
    assert_string_equal(who(world, "10.0.0.1"), "shop/b");
    arena_init(&turn.arena, 1u << 20);
    addresses_hand_on(world->addresses, &turn);
    assert_int_equal(turn.n_known, 0); /* the file has it */
    arena_fini(&turn.arena);
    see(world, "c", "10.0.0.1", "shop", 200); /* the address was given to another one */
    addresses_renew(world->addresses, NS_PER_S + NS_PER_MINUTE);
    assert_string_equal(who(world, "10.0.0.1"), "shop/c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_snapshot_is_a_minute_old_at_least, setup, teardown),
        cmocka_unit_test_setup_teardown(two_within_the_hour_are_nobody_later_the_newer_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_one_trace_knew_is_not_forgotten_by_the_next, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_gateway_s_address_is_no_workload_s, setup, teardown),
        cmocka_unit_test_setup_teardown(claims_are_handed_on_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_kept_counts_with_its_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
