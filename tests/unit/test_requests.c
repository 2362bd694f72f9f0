/* test_requests.c - the ring of request ids: what it finds, what it forgets, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/stitch/requests.h"

#define PLACES (1u << 17)

static unsigned count(const struct requests *requests, uint64_t request_id)
{
    struct requests_iter iter = requests_find(requests, request_id);
    unsigned n = 0;
    for (const struct request_place *place; (place = requests_next(requests, &iter)); n++)
        assert_true(place->request_id == request_id);
    return n;
}

static void add_in(struct requests *requests, uint64_t trace, uint64_t request_id, uint64_t span_id)
{
    static const struct shape shape;
    requests_add(requests, trace,
                 &(struct record){.request_id = request_id, .span_id = span_id, .shape = &shape});
}

static void add(struct requests *requests, uint64_t request_id, uint64_t span_id)
{
    add_in(requests, 1, request_id, span_id);
}

static void places_are_found_once(void **state)
{
    struct requests *requests = requests_new();
    (void)state;
    assert_int_equal(count(requests, 7), 0);
    for (int again = 0; again < 3; again++) {
        for (uint64_t span = 1; span <= 5; span++)
            add(requests, 7, span);
        add(requests, 8, 1);
    }
    assert_int_equal(count(requests, 7), 5);
    assert_int_equal(count(requests, 8), 1);
    assert_int_equal(count(requests, 9), 0);
    requests_free(requests);
}

static void the_oldest_give_way(void **state)
{
    struct requests *requests = requests_new();
    (void)state;
    for (uint64_t id = 1; id <= PLACES + 100; id++)
        add(requests, id, id);
    assert_int_equal(count(requests, 1), 0);
    assert_int_equal(count(requests, 100), 0);
    assert_int_equal(count(requests, 101), 1);
    assert_int_equal(count(requests, PLACES + 100), 1);
    requests_free(requests);
}

/* A client that gives every request one id costs no more than others. */
static void one_id_has_few_places(void **state)
{
    struct requests *requests = requests_new();
    (void)state;
    for (uint64_t span = 1; span <= 1000000; span++)
        add(requests, 7, span);
    assert_int_equal(count(requests, 7), 64);
    requests_free(requests);
}

/* Of an id the first places go first, and it is found by what is left of it. */
static void an_id_gives_way_place_by_place(void **state)
{
    struct requests *requests = requests_new();
    (void)state;
    for (uint64_t i = 1; i <= PLACES / 4; i++) {
        for (uint64_t span = 1; span <= 4; span++)
            add(requests, span % 2 ? i : PLACES + i, 10 * i + span); /* two ids, by turns */
    }
    for (unsigned gone = 1; gone <= 8; gone++) {
        add(requests, 3 * PLACES + gone, 1);
        assert_int_equal(count(requests, 1), gone == 1 || gone == 2 ? 1 : 0);
        assert_int_equal(count(requests, PLACES + 1), gone == 1 ? 2 : gone < 4 ? 1 : 0);
        assert_int_equal(count(requests, 2), gone < 5 ? 2 : gone < 7 ? 1 : 0);
        assert_int_equal(count(requests, PLACES + 3), 2);
    }
    add(requests, 1, 5); /* comes again */
    assert_int_equal(count(requests, 1), 1);
    requests_free(requests);
}

/* Many rounds through the ring, with ids of all lengths: what is found is what a list finds. */
static void rounds_leave_what_came_last(void **state)
{
    enum { KEPT = 1 << 17, ADDED = 3 * KEPT };
    struct requests *requests = requests_new();
    uint32_t *ids = calloc(ADDED, sizeof(*ids)), *n = calloc(ADDED, sizeof(*n));
    uint64_t random = 1;
    (void)state;
    assert_non_null(ids);
    assert_non_null(n);
    for (uint32_t i = 0; i < ADDED; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        ids[i] = 1 + i / 16 + (uint32_t)(random >> 60);
        add(requests, ids[i], i + 1);
    }
    for (uint32_t i = ADDED - KEPT; i < ADDED; i++)
        n[ids[i]]++;
    for (uint32_t id = 1; id < ADDED / 16 + 20; id++)
        assert_int_equal(count(requests, id), n[id]);
    free(ids);
    free(n);
    requests_free(requests);
}

static void several_traces_are_told(void **state)
{
    struct requests *requests = requests_new();
    (void)state;
    assert_true(requests_only_in(requests, 7, 1));
    add_in(requests, 1, 7, 1);
    add_in(requests, 1, 7, 2);
    assert_true(requests_only_in(requests, 7, 1));
    assert_false(requests_only_in(requests, 7, 2));
    add_in(requests, 2, 7, 3);
    assert_false(requests_only_in(requests, 7, 1));
    requests_free(requests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_found_once),
        cmocka_unit_test(the_oldest_give_way),
        cmocka_unit_test(one_id_has_few_places),
        cmocka_unit_test(an_id_gives_way_place_by_place),
        cmocka_unit_test(rounds_leave_what_came_last),
        cmocka_unit_test(several_traces_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
