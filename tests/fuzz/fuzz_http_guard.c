/* fuzz_http_guard.c - any bytes on a connection of the real server: the handler sees only heads
 * that can be read in one way, and every answer is one.
 *
 * Inputs are sent whole, the sending side is closed, and the answers are read to their end.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/httpd.h"
#include "tests/fuzz/fuzz.h"

#define MAX_BODY 4096
#define DEADLINE_NS (20 * NS_PER_MS) /* for what never ends */

static struct httpd *httpd;
static _Atomic unsigned n_begun, n_finished;

static void check_head(const struct http_request *request)
{
    struct str length = http_header(request, "Content-Length");
    struct str coding = http_header(request, "Transfer-Encoding"), path = http_path(request);
    FUZZ_CHECK(!length.len || !coding.len, "length and encoding");
    FUZZ_CHECK(!coding.len || str_eq_nocase(coding, STR("chunked")), "encoding %.*s",
               STR_ARG(coding));
    for (size_t i = 0; i < length.len; i++)
        FUZZ_CHECK(length.p[i] >= '0' && length.p[i] <= '9', "length %.*s", STR_ARG(length));
    FUZZ_CHECK(path.len <= (16u << 10), "a path of %zu bytes", path.len);
}

static int begin(struct http_request *request, void *ctx)
{
    (void)ctx;
    check_head(request);
    n_begun++;
    return 0;
}

static void finish(struct http_request *request, void *ctx)
{
    struct str length = http_header(request, "Content-Length"), body = http_body(request);
    uint64_t n = 0;
    (void)ctx;
    FUZZ_CHECK(body.len <= MAX_BODY, "%zu bytes of body", body.len);
    FUZZ_CHECK(!length.len || (str_to_u64(length, &n) && n == body.len), "%zu bytes of %.*s",
               body.len, STR_ARG(length));
    n_finished++;
    httpd_answer(request, 200, "text/plain", STR("good\n"), false);
}

static char path[64];

static void leave(void)
{
    unlink(path);
}

static void start(void)
{
    static char listen[80];
    snprintf(path, sizeof(path), "/tmp/faultline-fuzz-%d", (int)getpid());
    snprintf(listen, sizeof(listen), "unix:%s", path);
    static const char *const hosts[] = {"localhost", "127.0.0.1", NULL};
    struct httpd_settings settings = {.listen = listen,
                                      .hosts = hosts,
                                      .budget = httpd_budget_new(64, (size_t)1 << 20),
                                      .max_body = MAX_BODY,
                                      .head_deadline_ns = DEADLINE_NS,
                                      .body_deadline_ns = DEADLINE_NS,
                                      .idle_deadline_ns = DEADLINE_NS,
                                      .threads = 1,
                                      .begin = begin,
                                      .finish = finish};
    struct err err = {0};
    FUZZ_CHECK(httpd_start(&settings, &httpd, &err) == 0, "%s", err.text);
    atexit(leave);
}

/* By a socket in the file system: ports would run out, as the server often closes first. */
static int open_connection(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0,
               "no connection");
    return fd;
}

/* Answers come whole, and begin as answers do. */
static void read_answers(int fd)
{
    static char answers[1 << 16];
    size_t n = 0;
    for (ssize_t got;
         n < sizeof(answers) && (got = recv(fd, answers + n, sizeof(answers) - n, 0)) > 0;)
        n += (size_t)got;
    FUZZ_CHECK(n == 0 || (n > 12 && memcmp(answers, "HTTP/1.", 7) == 0), "%.*s",
               n < 40 ? (int)n : 40, answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!httpd)
        start();
    n_begun = n_finished = 0;
    int fd = open_connection();
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, data + sent, size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    shutdown(fd, SHUT_WR);
    read_answers(fd);
    close(fd);
    FUZZ_CHECK(n_finished <= n_begun, "%u finished of %u", n_finished, n_begun);
    return 0;
}
