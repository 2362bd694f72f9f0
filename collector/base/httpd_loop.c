/* httpd_loop.c - one thread with its connections: nobody else touches them.
 *
 * Events come at edges (EPOLLET): a connection remembers what it may do and is stepped until it
 * must wait, so a request costs no system call to say what is waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/httpd_internal.h"
#include "collector/base/log.h"

#define EVENTS 128
#define ACCEPTS 64 /* at once */
#define LOOK_EVERY_NS (250 * NS_PER_MS)

static const char full_answer[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                                  "X-Content-Type-Options: nosniff\r\nContent-Length: 0\r\n"
                                  "Connection: close\r\n\r\n";

__thread struct loop *loop_of_thread;

void loop_wake(struct loop *loop)
{
    uint64_t one = 1;
    while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

void loop_again(struct connection *connection)
{
    if (connection->queued_again)
        return;
    connection->queued_again = true;
    connection->next_again = connection->loop->again;
    connection->loop->again = connection;
}

/* ---- accepting ---- */

/* A place is made by who waits longest without a request of his. */
static bool end_an_idle_one(struct loop *loop)
{
    struct connection *longest = NULL;
    for (struct connection *at = loop->connections; at; at = at->next) {
        if (at->idle_since_ns && (!longest || at->idle_since_ns < longest->idle_since_ns))
            longest = at;
    }
    if (longest)
        connection_close(longest);
    return longest != NULL;
}

/* Out of descriptors: one that was kept for this takes the connection, to end it. */
static void turn_away(struct loop *loop)
{
    static struct log_limit limit;
    log_limited(&limit, LOG_ERROR, "no_descriptors", "listen=%s", loop->httpd->listener.address);
    close(loop->spare_fd);
    int fd = accept4(loop->httpd->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool accept_one(struct loop *loop)
{
    struct httpd_budget *budget = loop->httpd->settings.budget;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    char peer[64];
    int fd = accept4(loop->httpd->listener.fd, (struct sockaddr *)&address, &length,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            turn_away(loop);
        return errno == EINTR || errno == ECONNABORTED;
    }
    unsigned before = atomic_fetch_add(&budget->n_connections, 1);
    if (before >= budget->max_connections && !end_an_idle_one(loop)) {
        budget->n_connections--;
        if (send(fd, full_answer, sizeof(full_answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
            shutdown(fd, SHUT_WR);
        close(fd);
        return true;
    }
    listener_name_peer(&address, peer);
    connection_new(loop, fd, peer);
    return true;
}

/* ---- turns ---- */

static void take_event(struct loop *loop, const struct epoll_event *event)
{
    struct connection *connection = event->data.ptr;
    if (event->data.ptr == loop) {
        uint64_t number;
        while (read(loop->wake_fd, &number, sizeof(number)) < 0 && errno == EINTR) {
        }
        return;
    }
    if (event->data.ptr == loop->httpd) {
        for (int i = 0; i < ACCEPTS && accept_one(loop); i++) {
        }
        return;
    }
    if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        connection->peer_ended = true;
    if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        connection->readable = true;
    if (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        connection->writable = true;
    if (connection->writable && channel_wants_room(&connection->channel))
        connection->readable = true; /* reading goes on with the handshake */
    connection_step(connection);
}

static void take_answers(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    struct http_request *request = loop->answered;
    loop->answered = NULL;
    pthread_mutex_unlock(&loop->mutex);
    while (request) {
        struct http_request *next = request->next_answered;
        request->answered = true;
        connection_step(request->connection);
        request = next;
    }
}

static void step_again(struct loop *loop)
{
    struct connection *connection = loop->again;
    loop->again = NULL;
    while (connection) {
        struct connection *next = connection->next_again;
        connection->queued_again = false;
        connection_step(connection);
        connection = next;
    }
}

/* `now_ns` is when this turn's events were asked for. Later bytes may wait in sockets while this
 * thread works for another: nobody is late for what the thread has not read yet. */
static void look_at_deadlines(struct loop *loop, uint64_t now_ns)
{
    struct connection *next;
    loop->looked_ns = now_ns;
    for (struct connection *at = loop->connections; at; at = next) {
        next = at->next;
        if (at->deadline_ns && at->deadline_ns <= now_ns)
            connection_late(at);
    }
}

/* Those closed in this turn may still have stood in its lists. */
static void free_closed(struct loop *loop)
{
    while (loop->closed && !loop->again) {
        struct connection *connection = loop->closed;
        loop->closed = connection->next;
        free(connection);
    }
}

static bool has_work(const struct loop *loop)
{
    for (const struct connection *at = loop->connections; at; at = at->next) {
        if (at->state == WORKING)
            return true;
    }
    return false;
}

static void *run(void *arg)
{
    struct loop *loop = arg;
    struct epoll_event events[EVENTS];
    pthread_setname_np(pthread_self(), "http");
    loop_of_thread = loop;
    while (!loop->httpd->stopping || has_work(loop)) {
        int wait_ms = loop->again ? 0 : (int)(LOOK_EVERY_NS / NS_PER_MS);
        int n = epoll_wait(loop->epoll_fd, events, EVENTS, wait_ms);
        uint64_t woke_ns = clock_mono_ns();
        for (int i = 0; i < n; i++)
            take_event(loop, &events[i]);
        take_answers(loop);
        step_again(loop);
        if (n < EVENTS && woke_ns >= loop->looked_ns + LOOK_EVERY_NS)
            look_at_deadlines(loop, woke_ns);
        free_closed(loop);
    }
    while (loop->connections)
        connection_close(loop->connections);
    loop->again = NULL;
    free_closed(loop);
    return NULL;
}

/* ---- life ---- */

static bool watch(struct loop *loop, int fd, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

int loop_start(struct loop *loop, struct httpd *httpd, struct err *err)
{
    loop->httpd = httpd;
    pthread_mutex_init(&loop->mutex, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    loop->scratch = malloc(LOOP_SCRATCH);
    bool good = loop->epoll_fd >= 0 && loop->wake_fd >= 0 && loop->scratch &&
                watch(loop, loop->wake_fd, EPOLLIN, loop) &&
                watch(loop, httpd->listener.fd, EPOLLIN | EPOLLEXCLUSIVE, httpd);
    if (!good || pthread_create(&loop->thread, NULL, run, loop) != 0)
        return err_set(err, ERR_IO, "%s: the server cannot start", httpd->settings.listen);
    loop->running = true;
    return 0;
}

void loop_join(struct loop *loop)
{
    if (loop->running) {
        loop_wake(loop);
        pthread_join(loop->thread, NULL);
    }
    const int fds[] = {loop->epoll_fd, loop->wake_fd, loop->spare_fd};
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    free(loop->scratch);
    pthread_mutex_destroy(&loop->mutex);
}
