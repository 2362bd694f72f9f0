/* test_requests.c - the ring of request ids: what it finds, what it forgets, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

static void add(struct requests *requests, uint64_t request_id, uint64_t span_id)
{
    static const struct shape shape;
    requests_add(requests, 1,
                 &(struct record){.request_id = request_id, .span_id = span_id, .shape = &shape});
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_found_once),
        cmocka_unit_test(the_oldest_give_way),
        cmocka_unit_test(one_id_has_few_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
