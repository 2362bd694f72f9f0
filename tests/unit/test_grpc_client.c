/* test_grpc_client.c - calls over a connection that is kept, against the server of the house. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/base/grpc_client.h"
#include "collector/base/grpcd.h"

#define LIMIT_NS (10 * NS_PER_S)

static int begin(struct grpc_call *call, void *ctx)
{
    (void)call, (void)ctx;
    return 0;
}

static void finish(struct grpc_call *call, void *ctx)
{
    size_t n;
    free(grpc_take_message(call, &n));
    if (n != *(size_t *)ctx)
        grpc_refuse(call, GRPC_INVALID_ARGUMENT, "it has another size", 0);
    else
        grpc_answer(call, STR_NONE);
}

static void refused(struct grpc_call *call, enum grpc_status status, const char *reason, void *ctx)
{
    (void)call, (void)status, (void)reason, (void)ctx;
}

static void stranger(const char *peer, const char *reason, void *ctx)
{
    (void)peer, (void)reason, (void)ctx;
}

static struct grpcd *start(const char *listen, struct httpd_budget *budget, size_t *size)
{
    struct grpcd *grpcd;
    struct err err = {0};
    struct grpcd_settings settings = {.listen = listen,
                                      .budget = budget,
                                      .max_message = 1 << 20,
                                      .accept_encoding = "identity",
                                      .begin = begin,
                                      .finish = finish,
                                      .refused = refused,
                                      .stranger = stranger,
                                      .ctx = size};
    assert_int_equal(grpcd_start(&settings, &grpcd, &err), 0);
    return grpcd;
}

/* A server may leave between two calls: who calls next finds the one that came after it. */
static void a_connection_that_ended_is_made_anew(void **state)
{
    static char bytes[200000];
    size_t size = sizeof(bytes);
    char address[64];
    struct str message = {bytes, sizeof(bytes)};
    struct httpd_budget *budget = httpd_budget_new(10, 8 << 20);
    struct grpcd *grpcd = start("127.0.0.1:0", budget, &size);
    struct err err = {0};
    unsigned status;
    (void)state;
    snprintf(address, sizeof(address), "%s", grpcd_address(grpcd));
    struct grpc_client *client = grpc_client_new(address, LIMIT_NS);
    assert_int_equal(grpc_client_call(client, "/a.B/C", message, &status, &err), 0);
    assert_int_equal(status, GRPC_OK);
    assert_int_equal(grpc_client_call(client, "/a.B/C", STR("x"), &status, &err), 0);
    assert_int_equal(status, GRPC_INVALID_ARGUMENT);
    for (int i = 0; i < 2; i++) {
        grpcd_stop(grpcd);
        grpcd = start(address, budget, &size);
        assert_int_equal(grpc_client_call(client, "/a.B/C", message, &status, &err), 0);
        assert_int_equal(status, GRPC_OK);
    }
    grpcd_stop(grpcd);
    assert_int_equal(grpc_client_call(client, "/a.B/C", message, &status, &err), ERR_IO);
    assert_non_null(strstr(err.text, "nobody listens there"));
    grpc_client_free(client);
    httpd_budget_free(budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_ended_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
