/* test_grpcd.c - when a connection for gRPC ends: against nghttp2's own client over a socket pair,
 * by a false clock, in this one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/base/grpcd_internal.h"

#define PATH "/a.B/C"

/* A server without a thread, one connection of it, and the client at its other end. */
struct pair {
    struct grpcd grpcd;
    struct grpc_connection *connection;
    nghttp2_session *client;
    int fd; /* the client's */
    uint32_t goaways;
    int32_t last_stream; /* of the last GOAWAY */
    uint32_t error;
    unsigned n_ended;       /* calls */
    unsigned n_seen;        /* by the handler */
    struct grpc_call *held; /* a call that the handler did not answer */
    bool hold;
};

static int begin(struct grpc_call *call, void *ctx)
{
    (void)call, (void)ctx;
    return 0;
}

static void finish(struct grpc_call *call, void *ctx)
{
    struct pair *pair = ctx;
    size_t n;
    free(grpc_take_message(call, &n));
    pair->n_seen++;
    if (pair->hold)
        pair->held = call;
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

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct pair *pair = ctx;
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        pair->goaways++;
        pair->last_stream = frame->goaway.last_stream_id;
        pair->error = frame->goaway.error_code;
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *ctx)
{
    (void)session, (void)stream, (void)error;
    ((struct pair *)ctx)->n_ended++;
    return 0;
}

static void start(struct pair *pair, struct httpd_budget *budget)
{
    int fds[2];
    nghttp2_session_callbacks *callbacks;
    *pair = (struct pair){.grpcd.settings = {.budget = budget,
                                             .max_message = 1000,
                                             .accept_encoding = "identity",
                                             .begin = begin,
                                             .finish = finish,
                                             .refused = refused,
                                             .stranger = stranger,
                                             .ctx = pair}};
    pthread_mutex_init(&pair->grpcd.mutex, NULL);
    pair->grpcd.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pair->grpcd.wake_fd = -1;
    grpcd_of_thread = &pair->grpcd;
    assert_int_equal(session_setup(&pair->grpcd), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    grpc_connection_new(&pair->grpcd, fds[0], "peer");
    pair->connection = pair->grpcd.connections;
    pair->fd = fds[1];
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&pair->client, callbacks, pair);
    nghttp2_session_callbacks_del(callbacks);
}

static void end(struct pair *pair)
{
    while (pair->grpcd.connections)
        grpc_connection_close(pair->grpcd.connections);
    nghttp2_session_del(pair->client);
    close(pair->fd);
    close(pair->grpcd.epoll_fd);
    nghttp2_session_callbacks_del(pair->grpcd.callbacks);
    nghttp2_option_del(pair->grpcd.options);
    pthread_mutex_destroy(&pair->grpcd.mutex);
    grpcd_of_thread = NULL;
}

/* Both say what they have to say, until both are silent. */
static void talk(struct pair *pair)
{
    char bytes[65536];
    for (int rounds = 0; rounds < 20; rounds++) {
        const uint8_t *out;
        ssize_t n;
        while ((n = nghttp2_session_mem_send(pair->client, &out)) > 0)
            assert_int_equal(write(pair->fd, out, (size_t)n), n);
        if (pair->grpcd.connections)
            grpc_connection_step(pair->grpcd.connections, EPOLLIN);
        while ((n = read(pair->fd, bytes, sizeof(bytes))) > 0)
            assert_true(nghttp2_session_mem_recv(pair->client, (uint8_t *)bytes, (size_t)n) >= 0);
    }
}

static ssize_t give_message(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size,
                            uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    (void)session, (void)stream, (void)size, (void)source, (void)ctx;
    memset(to, 0, 5);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return 5;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* One call with an empty message; `whole` false: its message does not come. */
static void call(struct pair *pair, bool whole)
{
    const nghttp2_nv head[] = {header(":method", "POST"),
                               header(":scheme", "http"),
                               header(":path", PATH),
                               header(":authority", "x"),
                               header("content-type", "application/grpc"),
                               header("te", "trailers")};
    const nghttp2_data_provider body = {.read_callback = give_message};
    if (whole)
        nghttp2_submit_request(pair->client, NULL, head, 6, &body, NULL);
    else
        nghttp2_submit_headers(pair->client, NGHTTP2_FLAG_NONE, -1, NULL, head, 6, NULL);
    talk(pair);
}

static void look(struct pair *pair, uint64_t now_ns)
{
    if (pair->grpcd.connections)
        grpc_connection_look(pair->grpcd.connections, now_ns);
    talk(pair);
}

static void greet(struct pair *pair)
{
    nghttp2_submit_settings(pair->client, NGHTTP2_FLAG_NONE, NULL, 0);
    talk(pair);
    assert_true(pair->connection->has_begun);
}

static void who_says_nothing_ends_after_the_time_of_a_preface(void **state)
{
    struct pair pair;
    start(&pair, *state);
    uint64_t begun_ns = pair.connection->begun_ns;
    grpc_connection_look(pair.connection, begun_ns + PREFACE_NS - 1);
    assert_non_null(pair.grpcd.connections);
    grpc_connection_look(pair.connection, begun_ns + PREFACE_NS);
    assert_null(pair.grpcd.connections);
    end(&pair);
}

static void who_calls_nothing_is_told_to_go(void **state)
{
    struct pair pair;
    start(&pair, *state);
    greet(&pair);
    call(&pair, true);
    assert_int_equal(pair.n_ended, 1);
    uint64_t idle_ns = pair.connection->idle_since_ns;
    look(&pair, idle_ns + IDLE_NS - 1);
    assert_non_null(pair.grpcd.connections);
    assert_int_equal(pair.goaways, 0);
    look(&pair, idle_ns + IDLE_NS);
    assert_int_equal(pair.goaways, 1);
    assert_int_equal(pair.error, NGHTTP2_NO_ERROR);
    assert_null(pair.grpcd.connections);
    end(&pair);
}

static void who_has_a_call_is_not_idle(void **state)
{
    struct pair pair;
    start(&pair, *state);
    greet(&pair);
    pair.hold = true;
    call(&pair, true);
    assert_non_null(pair.held);
    look(&pair, clock_mono_ns() + 2 * IDLE_NS);
    assert_int_equal(pair.goaways, 0);
    grpc_answer(pair.held, STR_NONE);
    talk(&pair);
    assert_int_equal(pair.n_ended, 1);
    assert_true(pair.connection->idle_since_ns > 0);
    end(&pair);
}

static void an_old_connection_ends_without_losing_a_call(void **state)
{
    struct pair pair;
    start(&pair, *state);
    greet(&pair);
    pair.hold = true;
    call(&pair, true);
    uint64_t leave_ns = pair.connection->leave_ns;
    assert_in_range(leave_ns - pair.connection->begun_ns, AGE_NS,
                    AGE_NS + AGE_SPREAD_S * NS_PER_S - 1);
    look(&pair, leave_ns - 1);
    assert_int_equal(pair.goaways, 0);
    look(&pair, leave_ns); /* first: come no more */
    assert_int_equal(pair.goaways, 1);
    assert_int_equal(pair.last_stream, INT32_MAX);
    assert_int_equal(pair.error, NGHTTP2_NO_ERROR);
    look(&pair, leave_ns + GOODBYE_NS - 1);
    assert_int_equal(pair.goaways, 1);
    look(&pair, leave_ns + GOODBYE_NS); /* then: this is the last that I took */
    assert_int_equal(pair.goaways, 2);
    assert_int_equal(pair.last_stream, 1);
    assert_non_null(pair.grpcd.connections);
    grpc_answer(pair.held, STR_NONE); /* which is answered */
    talk(&pair);
    assert_int_equal(pair.n_ended, 1);
    look(&pair, leave_ns + 2 * GOODBYE_NS);
    assert_null(pair.grpcd.connections);
    end(&pair);
}

static void not_all_leave_at_once(void **state)
{
    struct pair pairs[4];
    bool differ = false;
    for (int i = 0; i < 4; i++)
        start(&pairs[i], *state);
    for (int i = 1; i < 4; i++) {
        uint64_t ages_ns[2];
        for (int k = 0; k < 2; k++)
            ages_ns[k] =
                (pairs[i - k].connection->leave_ns - pairs[i - k].connection->begun_ns) / NS_PER_S;
        differ = differ || ages_ns[0] != ages_ns[1];
    }
    assert_true(differ);
    for (int i = 0; i < 4; i++)
        end(&pairs[i]);
}

static void many_calls_are_enough(void **state)
{
    struct pair pair;
    start(&pair, *state);
    greet(&pair);
    pair.connection->n_calls = CALLS_MOST - 2;
    call(&pair, true);
    look(&pair, clock_mono_ns());
    assert_int_equal(pair.goaways, 0);
    call(&pair, true);
    look(&pair, clock_mono_ns());
    assert_int_equal(pair.goaways, 1);
    look(&pair, clock_mono_ns() + GOODBYE_NS);
    look(&pair, clock_mono_ns() + 2 * GOODBYE_NS);
    assert_int_equal(pair.n_seen, 2);
    assert_null(pair.grpcd.connections);
    end(&pair);
}

static void a_message_that_does_not_come_is_refused_and_others_are_served(void **state)
{
    struct pair pair;
    start(&pair, *state);
    greet(&pair);
    call(&pair, false);
    assert_int_equal(pair.n_ended, 0);
    uint64_t by_ns = pair.connection->calls->deadline_ns;
    look(&pair, by_ns - 1);
    assert_int_equal(pair.n_ended, 0);
    look(&pair, by_ns);
    assert_int_equal(pair.n_ended, 1);
    call(&pair, true);
    assert_int_equal(pair.n_seen, 1);
    end(&pair);
}

static void who_reads_nothing_ends(void **state)
{
    struct pair pair;
    start(&pair, *state);
    greet(&pair);
    buf_add(&pair.connection->out, "left", 4); /* as if the socket took no more */
    uint64_t moved_ns = pair.connection->moved_ns;
    grpc_connection_look(pair.connection, moved_ns + STALL_NS);
    assert_null(pair.grpcd.connections);
    end(&pair);
}

static int make_budget(void **state)
{
    *state = httpd_budget_new(100, 1 << 20);
    return *state == NULL;
}

static int free_budget(void **state)
{
    httpd_budget_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_says_nothing_ends_after_the_time_of_a_preface),
        cmocka_unit_test(who_calls_nothing_is_told_to_go),
        cmocka_unit_test(who_has_a_call_is_not_idle),
        cmocka_unit_test(an_old_connection_ends_without_losing_a_call),
        cmocka_unit_test(not_all_leave_at_once),
        cmocka_unit_test(many_calls_are_enough),
        cmocka_unit_test(a_message_that_does_not_come_is_refused_and_others_are_served),
        cmocka_unit_test(who_reads_nothing_ends),
    };
    return cmocka_run_group_tests(tests, make_budget, free_budget);
}
