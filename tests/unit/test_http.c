/* test_http.c - heads and chunks of requests, whole and in pieces: what is read in one way only is
 * taken, the rest is refused; the end of a server. The numbers are those of the security cases
 * (tests/README.md). */
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/base/http_chunk.h"
#include "collector/base/http_head.h"
#include "collector/base/httpd_internal.h"

/* The head's length, 0 while it is not whole, −1 when no head can be so. Scans as the bytes come,
 * in pieces of `piece`. */
static long scan(struct str bytes, size_t piece)
{
    size_t at = 0;
    for (size_t n = piece; n < bytes.len + piece; n += piece) {
        size_t len = n < bytes.len ? n : bytes.len;
        enum http_scan scan = http_head_scan((struct str){bytes.p, len}, &at);
        if (scan != HTTP_MORE)
            return scan == HTTP_WHOLE ? (long)at : -1;
    }
    return 0;
}

static unsigned read_head(struct str bytes, struct http_head *head, char *space)
{
    long n = scan(bytes, bytes.len);
    for (size_t piece = 1; piece < 7; piece++)
        assert_int_equal(scan(bytes, piece), n);
    return n <= 0 ? 1 : http_head_read((struct str){bytes.p, (size_t)n}, space, head);
}

#define H "\r\nHost: x\r\n"

/* 1: no head at all (a byte that none has, or not whole). */
static const struct {
    int number; /* of the security case; 0: none */
    struct str bytes;
    unsigned status;
} heads[] = {
    {0, STR("GET / HTTP/1.1" H "\r\n"), 0},
    {0, STR("POST /v1/traces HTTP/1.1" H "Content-Length: 5\r\n\r\n"), 0},
    {0, STR("POST / HTTP/1.1" H "Transfer-Encoding:chunked \t\r\n\r\n"), 0},
    {0, STR("GET / HTTP/1.0\r\n\r\n"), 0},
    {0, STR("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0},
    {0, STR("GET / HTTP/1.1" H "Content-Length: 0\r\n\r\n"), 0},
    {0, STR("GET / HTTP/1.1" H "X: \xc3\xa9\r\n\r\n"), 0},
    {1, STR("POST / HTTP/1.1" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {2, STR("POST / HTTP/1.1" H "Transfer-Encoding: foo\r\n\r\n"), 400},
    {3, STR("POST / HTTP/1.1" H "Transfer-Encoding: gzip, chunked\r\n\r\n"), 400},
    {4, STR("POST / HTTP/1.1" H "Transfer-Encoding: identity\r\n\r\n"), 400},
    {5, STR("POST / HTTP/1.1" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
     400},
    {6, STR("POST / HTTP/1.1" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), 400},
    {6, STR("POST / HTTP/1.1" H "Content-Length: 5\r\nCONTENT-LENGTH: 6\r\n\r\n"), 400},
    {7, STR("POST / HTTP/1.1" H "Content-Length: +4\r\n\r\n"), 400},
    {7, STR("POST / HTTP/1.1" H "Content-Length: -4\r\n\r\n"), 400},
    {7, STR("POST / HTTP/1.1" H "Content-Length: 4,4\r\n\r\n"), 400},
    {7, STR("POST / HTTP/1.1" H "Content-Length: 0x4\r\n\r\n"), 400},
    {7, STR("POST / HTTP/1.1" H "Content-Length: 4 4\r\n\r\n"), 400},
    {7, STR("POST / HTTP/1.1" H "Content-Length:\r\n\r\n"), 400},
    {7, STR("POST / HTTP/1.1" H "Content-Length: 18446744073709551616\r\n\r\n"), 400},
    {8, STR("POST / HTTP/1.1" H "Content-Length : 5\r\n\r\n"), 400},
    {9, STR("GET / HTTP/1.1" H "X: 1\rY: 2\r\n\r\n"), 1},
    {9, STR("GET / HTTP/1.1\r\rHost: x\r\n\r\n"), 1},
    {10, STR("GET / HTTP/1.1\nHost: x\n\n"), 1},
    {10, STR("GET / HTTP/1.1" H "X: 1\nY: 2\r\n\r\n"), 1},
    {11, STR("GET / HTTP/1.1" H "X: 1\0\r\n\r\n"), 1},
    {11,
     STR("POST / HTTP/1.1" H "Content-Length: 0\0"
         "5\r\n\r\n"),
     1},
    {11, STR("GET /\0 HTTP/1.1" H "\r\n"), 1},
    {12, STR("GET / HTTP/1.1" H "X: 1\r\n 2\r\n\r\n"), 400},
    {12, STR("POST / HTTP/1.1" H "Content-Length:\r\n 5\r\n\r\n"), 400},
    {12, STR("GET / HTTP/1.1\r\n\tHost: x\r\n\r\n"), 400},
    {13, STR("GET / HTTP/1.1\r\n\r\n"), 400},
    {14, STR("GET / HTTP/1.1" H "Host: x\r\n\r\n"), 400},
    {14, STR("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
    {14, STR("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), 400},
    {15, STR("GET / HTTP/1.1" H "X\r\n\r\n"), 400},
    {15, STR("GET / HTTP/1.1" H ": 1\r\n\r\n"), 400},
    {16, STR("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {17, STR("GET / HTTP/1.1" H "Content-Length: 2\r\n\r\n"), 400},
    {17, STR("HEAD / HTTP/1.1" H "Transfer-Encoding: chunked\r\n\r\n"), 400},
    {20, STR("GET /\r\n\r\n"), 400},
    {20, STR("GET\r\n\r\n"), 400},
    {20, STR("\x16\x03\x01\x02"), 1},
    {21, STR("PRI * HTTP/2.0\r\n\r\n"), 505},
    {22, STR("GET http://y/a HTTP/1.1" H "\r\n"), 0},
    {22, STR("GET http:///a HTTP/1.1" H "\r\n"), 400},
    {22, STR("GET //a HTTP/1.1" H "\r\n"), 0},
    {22, STR("GET a HTTP/1.1" H "\r\n"), 400},
    {22, STR("GET /%2e%2e HTTP/1.1" H "\r\n"), 0},
    {22, STR("GET /%00 HTTP/1.1" H "\r\n"), 400},
    {22, STR("GET /%zz HTTP/1.1" H "\r\n"), 400},
    {22, STR("GET /%2 HTTP/1.1" H "\r\n"), 400},
    {22, STR("GET /?a=%00 HTTP/1.1" H "\r\n"), 400},
    {22, STR("GET /a b HTTP/1.1" H "\r\n"), 400},
    {22, STR("GET  / HTTP/1.1" H "\r\n"), 400},
    {22, STR("GET / HTTP/1.1 " H "\r\n"), 400},
    {22, STR("GET / http/1.1" H "\r\n"), 400},
    {22, STR("G(T / HTTP/1.1" H "\r\n"), 400},
    {24, STR("POST / HTTP/1.1" H "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n"), 0},
    {24, STR("POST / HTTP/1.1" H "Expect: tea\r\nContent-Length: 5\r\n\r\n"), 417},
};

static void heads_are_read_in_one_way_or_refused(void **state)
{
    char space[512];
    struct http_head head;
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        unsigned status = read_head(heads[i].bytes, &head, space);
        if (status != heads[i].status)
            fail_msg("%d: %.*s: %u, not %u", heads[i].number, STR_ARG(heads[i].bytes), status,
                     heads[i].status);
    }
}

static void assert_text(struct str text, const char *wanted)
{
    if (!str_eq(text, str_of(wanted)))
        fail_msg("'%.*s' is not '%s'", STR_ARG(text), wanted);
}

static void a_head_says_what_it_holds(void **state)
{
    char space[512];
    struct http_head head;
    (void)state;
    struct str bytes =
        STR("POST /a%20b/c+d?x=1%262&y=&z&x=3&w=a+b HTTP/1.1\r\nhOsT: One:80\r\nA:  1 \t\r\na: "
            "2\r\nContent-Length: 12\r\nConnection: upgrade, Close\r\nExpect: 100-continue\r\n\r\n"
            "rest");
    assert_int_equal(read_head(bytes, &head, space), 0);
    assert_text(head.method, "POST");
    assert_text(head.path, "/a b/c+d");
    assert_text(head.host, "One:80");
    assert_int_equal(head.n_parameters, 5);
    assert_text(head.parameters[0].value, "1&2");
    assert_text(head.parameters[1].value, "");
    assert_text(head.parameters[2].name, "z");
    assert_text(head.parameters[4].value, "a b");
    assert_text(http_head_get(&head, STR("a")), "1");
    assert_null(http_head_get(&head, STR("b")).p);
    assert_true(head.has_length && !head.chunked && head.length == 12);
    assert_true(!head.keep_alive && head.expects_continue);
    bytes = STR("GET https://ONE?q HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: two\r\n\r\n");
    assert_int_equal(read_head(bytes, &head, space), 0);
    assert_text(head.path, "/");
    assert_text(head.host, "ONE");
    assert_true(head.keep_alive);
}

static void hosts_are_compared_without_port_and_case(void **state)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1", "[fe80::2]", NULL};
    static const char *const good[] = {
        "localhost", "LocalHost:4319", "127.0.0.1:1", "[::1]:4319", "[::1]", "::1", "[fe80::2]:1"};
    static const char *const bad[] = {"",           "evil", "localhost.evil", "localhost:1:2",
                                      "[::2]:1",    "[::1", "evil:localhost", "[::1]x",
                                      "localhost:x"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(http_host_is(str_of(good[i]), names));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(http_host_is(str_of(bad[i]), names));
}

static void too_many_headers_are_refused(void **state)
{
    static char bytes[HTTP_HEAD_BYTES], space[HTTP_HEAD_BYTES];
    struct http_head head;
    (void)state;
    for (unsigned n = HTTP_HEADERS - 1; n <= HTTP_HEADERS; n++) {
        size_t at = (size_t)sprintf(bytes, "GET / HTTP/1.1" H);
        for (unsigned i = 0; i < n; i++)
            at += (size_t)sprintf(bytes + at, "X-%u: 1\r\n", i);
        at += (size_t)sprintf(bytes + at, "\r\n");
        assert_int_equal(http_head_read((struct str){bytes, at}, space, &head),
                         n < HTTP_HEADERS ? 0 : 431);
    }
}

/* ---- chunks ---- */

static const struct {
    struct str bytes;
    enum chunk_state end;
    const char *body, *rest;
} bodies[] = {
    {STR("0\r\n\r\n"), CHUNK_END, "", ""},
    {STR("3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\nX: 1\r\n\r\nGET"), CHUNK_END, "abcde", "GET"},
    {STR("A\r\n0123456789\r\n000\r\n\r\n"), CHUNK_END, "0123456789", ""},
    {STR("3\r\nabc\r\n0\r\n"), CHUNK_TRAILER, "abc", ""},
    {STR("3\r\nab"), CHUNK_DATA, "ab", ""},
    {STR("0x3\r\nabc\r\n0\r\n\r\n"), CHUNK_BAD, "", NULL},
    {STR("-3\r\nabc\r\n0\r\n\r\n"), CHUNK_BAD, "", NULL},
    {STR("3 \r\nabc\r\n0\r\n\r\n"), CHUNK_BAD, "", NULL},
    {STR("3\nabc\r\n0\r\n\r\n"), CHUNK_BAD, "", NULL},
    {STR(";x\r\nabc\r\n0\r\n\r\n"), CHUNK_BAD, "", NULL},
    {STR("3\r\nabcd\r\n0\r\n\r\n"), CHUNK_BAD, "abc", NULL},
    {STR("00000000000000003\r\nabc\r\n0\r\n\r\n"), CHUNK_BAD, "", NULL},
    {STR("3;\0\r\nabc\r\n0\r\n\r\n"), CHUNK_BAD, "", NULL},
    {STR("0\r\n folded\r\n\r\n"), CHUNK_BAD, "", NULL},
    {STR("0\r\nX: 1\n\r\n"), CHUNK_BAD, "", NULL},
};

static void read_chunks(size_t i, size_t piece)
{
    struct chunk_reader reader = {0};
    struct str bytes = bodies[i].bytes, input = STR_NONE, data;
    char body[64];
    size_t n = 0, at = 0;
    while (at < bytes.len && reader.state < CHUNK_END) {
        size_t left = bytes.len - at;
        input = (struct str){bytes.p + at, left < piece ? left : piece};
        at += input.len;
        while ((data = chunk_next(&reader, &input)).len) {
            memcpy(body + n, data.p, data.len);
            n += data.len;
        }
    }
    assert_int_equal(reader.state, bodies[i].end);
    assert_text((struct str){body, n}, bodies[i].body);
    if (bodies[i].rest)
        assert_text(str_skip(bytes, at - input.len), bodies[i].rest);
}

static void chunks_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        for (size_t piece = 1; piece <= bodies[i].bytes.len; piece++)
            read_chunks(i, piece);
    }
}

static void extensions_and_trailers_have_an_end(void **state)
{
    static char bytes[8192];
    (void)state;
    for (int trailer = 0; trailer < 2; trailer++) {
        struct chunk_reader reader = {0};
        memset(bytes, 'a', sizeof(bytes));
        memcpy(bytes, trailer ? "0\r\n" : "1;a", 3);
        struct str input = {bytes, sizeof(bytes)};
        assert_int_equal(chunk_next(&reader, &input).len, 0);
        assert_int_equal(reader.state, CHUNK_BAD);
    }
}

/* ---- the server ---- */

static _Atomic unsigned n_finished;

static void finish(struct http_request *request, void *ctx)
{
    (void)ctx;
    n_finished++;
    httpd_answer(request, 200, "text/plain", STR("done"), false);
}

/* As `finish`, of a thread that is kept at work for as long as the test wants. */
static _Atomic bool held, holds;

static void finish_held(struct http_request *request, void *ctx)
{
    holds = true;
    while (held)
        sched_yield();
    finish(request, ctx);
}

static int connect_to(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Its receiver stops what the handler needs right behind the drain. */
static void a_body_that_comes_after_the_drain_reaches_no_handler(void **state)
{
    static const char begin[] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab";
    struct httpd_settings settings = {.listen = "127.0.0.1:0",
                                      .budget = httpd_budget_new(8, 1 << 20),
                                      .max_body = 1 << 20,
                                      .head_deadline_ns = 10 * NS_PER_S,
                                      .body_deadline_ns = 30 * NS_PER_S,
                                      .idle_deadline_ns = 60 * NS_PER_S,
                                      .finish = finish};
    struct httpd *httpd;
    struct err err = {0};
    char answer[200] = "";
    (void)state;
    assert_int_equal(httpd_start(&settings, &httpd, &err), 0);
    int half = connect_to(httpd_address(httpd)), whole = connect_to(httpd_address(httpd));
    assert_int_equal(write(half, begin, sizeof(begin) - 1), sizeof(begin) - 1);
    while (httpd->n_requests != 1)
        sched_yield();
    assert_int_equal(write(whole, begin, sizeof(begin) - 1), sizeof(begin) - 1);
    assert_int_equal(write(whole, "cd", 2), 2);
    assert_true(read(whole, answer, sizeof(answer) - 1) > 0 && strstr(answer, " 200 "));
    httpd_drain(httpd, clock_mono_ns() + NS_PER_MS);
    assert_int_equal(write(half, "cd", 2), 2);
    assert_true(read(half, answer, sizeof(answer) - 1) > 0 && strstr(answer, " 503 "));
    assert_int_equal(n_finished, 1);
    assert_int_equal(httpd->n_working, 0);
    close(whole);
    close(half);
    httpd_stop(httpd);
    httpd_budget_free(settings.budget);
}

static void ask(int fd)
{
    static const char question[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(write(fd, question, sizeof(question) - 1), sizeof(question) - 1);
}

static void is_answered(int fd)
{
    char answer[200] = "";
    assert_true(read(fd, answer, sizeof(answer) - 1) > 0 && strstr(answer, " 200 "));
}

/* Whoever asks while the thread works for another is not late, however long that takes. */
static void a_question_that_waits_for_its_thread_is_in_time(void **state)
{
    struct httpd_settings settings = {.listen = "127.0.0.1:0",
                                      .budget = httpd_budget_new(8, 1 << 20),
                                      .head_deadline_ns = NS_PER_S,
                                      .body_deadline_ns = 30 * NS_PER_S,
                                      .idle_deadline_ns = NS_PER_S,
                                      .threads = 1,
                                      .finish = finish_held};
    struct httpd *httpd;
    struct err err = {0};
    (void)state;
    assert_int_equal(httpd_start(&settings, &httpd, &err), 0);
    int waits = connect_to(httpd_address(httpd)), first = connect_to(httpd_address(httpd));
    ask(waits);
    is_answered(waits);
    held = true;
    holds = false;
    ask(first);
    while (!holds)
        sched_yield();
    ask(waits);
    uint64_t late_ns = clock_mono_ns() + settings.idle_deadline_ns;
    while (clock_mono_ns() <= late_ns)
        sched_yield();
    held = false;
    is_answered(first);
    is_answered(waits);
    close(first);
    close(waits);
    httpd_stop(httpd);
    httpd_budget_free(settings.budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read_in_one_way_or_refused),
        cmocka_unit_test(a_head_says_what_it_holds),
        cmocka_unit_test(hosts_are_compared_without_port_and_case),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(chunks_in_any_pieces),
        cmocka_unit_test(extensions_and_trailers_have_an_end),
        cmocka_unit_test(a_body_that_comes_after_the_drain_reaches_no_handler),
        cmocka_unit_test(a_question_that_waits_for_its_thread_is_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
