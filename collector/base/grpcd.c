/* grpcd.c - the gRPC server as a whole: its thread with its connections, its end. */
#include "collector/base/grpcd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/grpcd_internal.h"

#define EVENTS 64
#define LOOK_EVERY_NS (250 * NS_PER_MS)
#define NO_DESCRIPTOR_NS (10 * NS_PER_MS)
#define DRAIN_STEP_NS (2 * NS_PER_MS)

void grpcd_wake(struct grpcd *grpcd)
{
    uint64_t one = 1;
    while (write(grpcd->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

/* ---- the thread ---- */

/* A place is made by who waits longest without a call. */
static bool end_an_idle_one(struct grpcd *grpcd)
{
    struct grpc_connection *longest = NULL;
    for (struct grpc_connection *at = grpcd->connections; at; at = at->next) {
        if (at->idle_since_ns && (!longest || at->idle_since_ns < longest->idle_since_ns))
            longest = at;
    }
    if (longest)
        grpc_connection_close(longest);
    return longest != NULL;
}

static void accept_one(struct grpcd *grpcd)
{
    struct httpd_budget *budget = grpcd->settings.budget;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    char peer[64];
    int fd = accept4(grpcd->listener.fd, (struct sockaddr *)&address, &length,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if ((errno == EMFILE || errno == ENFILE) && !end_an_idle_one(grpcd))
            nanosleep(&(struct timespec){.tv_nsec = (long)NO_DESCRIPTOR_NS}, NULL);
        return;
    }
    unsigned before = atomic_fetch_add(&budget->n_connections, 1);
    if (before >= budget->max_connections && !end_an_idle_one(grpcd)) {
        budget->n_connections--;
        close(fd);
        return;
    }
    listener_name_peer(&address, peer);
    grpc_connection_new(grpcd, fd, peer);
}

static void take_answers(struct grpcd *grpcd)
{
    pthread_mutex_lock(&grpcd->mutex);
    struct grpc_call *call = grpcd->answered;
    grpcd->answered = NULL;
    pthread_mutex_unlock(&grpcd->mutex);
    while (call) {
        struct grpc_call *next = call->next_answered;
        struct grpc_connection *connection = call->connection;
        call_returned(call);
        if (connection)
            connection->has_answers = true;
        call = next;
    }
}

/* What was answered in this turn goes out in as few packets as it fits. */
static void flush_answers(struct grpcd *grpcd)
{
    struct grpc_connection *next;
    for (struct grpc_connection *at = grpcd->connections; at; at = next) {
        next = at->next;
        if (at->has_answers) {
            at->has_answers = false;
            grpc_connection_flush(at);
        }
    }
}

/* As in httpd_loop.c, `now_ns` is when this turn's events were asked for: nobody is late for what
 * the thread has not read yet. */
static void look_at_deadlines(struct grpcd *grpcd, uint64_t now_ns)
{
    struct grpc_connection *next;
    grpcd->looked_ns = now_ns;
    for (struct grpc_connection *at = grpcd->connections; at; at = next) {
        next = at->next;
        grpc_connection_look(at, now_ns);
    }
}

/* Events of connections first: an accept may close one that has an event of its own. */
static void take_events(struct grpcd *grpcd, const struct epoll_event *events, int n)
{
    bool accepts = false;
    for (int i = 0; i < n; i++) {
        uint64_t number;
        if (events[i].data.ptr == grpcd) {
            accepts = true;
        } else if (events[i].data.ptr == &grpcd->wake_fd) {
            while (read(grpcd->wake_fd, &number, sizeof(number)) < 0 && errno == EINTR) {
            }
        } else {
            grpc_connection_step(events[i].data.ptr, events[i].events);
        }
    }
    if (accepts)
        accept_one(grpcd);
}

static void *run(void *arg)
{
    struct grpcd *grpcd = arg;
    struct epoll_event events[EVENTS];
    pthread_setname_np(pthread_self(), "grpc");
    grpcd_of_thread = grpcd;
    while (!grpcd->stopping || grpcd->n_working) {
        int n = epoll_wait(grpcd->epoll_fd, events, EVENTS, (int)(LOOK_EVERY_NS / NS_PER_MS));
        uint64_t woke_ns = clock_mono_ns();
        take_events(grpcd, events, n);
        take_answers(grpcd);
        flush_answers(grpcd);
        if (n < EVENTS && woke_ns >= grpcd->looked_ns + LOOK_EVERY_NS)
            look_at_deadlines(grpcd, woke_ns);
    }
    while (grpcd->connections)
        grpc_connection_close(grpcd->connections);
    return NULL;
}

/* ---- life ---- */

static bool watch(struct grpcd *grpcd, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    return epoll_ctl(grpcd->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static int start_thread(struct grpcd *grpcd, struct err *err)
{
    grpcd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    grpcd->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool good = grpcd->epoll_fd >= 0 && grpcd->wake_fd >= 0 && session_setup(grpcd) == 0 &&
                watch(grpcd, grpcd->wake_fd, &grpcd->wake_fd) &&
                watch(grpcd, grpcd->listener.fd, grpcd);
    if (!good || pthread_create(&grpcd->thread, NULL, run, grpcd) != 0)
        return err_set(err, ERR_IO, "%s: the server cannot start", grpcd->settings.listen);
    grpcd->running = true;
    return 0;
}

int grpcd_start(const struct grpcd_settings *settings, struct grpcd **result, struct err *err)
{
    struct grpcd *grpcd = calloc(1, sizeof(*grpcd));
    if (!grpcd)
        return err_set(err, ERR_BUSY, "memory is short");
    grpcd->settings = *settings;
    grpcd->epoll_fd = grpcd->wake_fd = -1;
    pthread_mutex_init(&grpcd->mutex, NULL);
    if (listener_open(settings->listen, &grpcd->listener, err) || start_thread(grpcd, err)) {
        grpcd_stop(grpcd);
        return err->code;
    }
    *result = grpcd;
    return 0;
}

const char *grpcd_address(const struct grpcd *grpcd)
{
    return grpcd->listener.address;
}

void grpcd_take_no_more(struct grpcd *grpcd)
{
    grpcd->draining = true;
}

void grpcd_drain(struct grpcd *grpcd, uint64_t until_ns)
{
    grpcd_take_no_more(grpcd);
    while (grpcd->n_calls > 0 && clock_mono_ns() < until_ns)
        nanosleep(&(struct timespec){.tv_nsec = (long)DRAIN_STEP_NS}, NULL);
    grpcd->drained = true; /* what is not whole by now reaches no handler any more */
    while (grpcd->n_working > 0)
        nanosleep(&(struct timespec){.tv_nsec = (long)DRAIN_STEP_NS}, NULL);
}

void grpcd_stop(struct grpcd *grpcd)
{
    grpcd->stopping = true;
    if (grpcd->running) {
        grpcd_wake(grpcd);
        pthread_join(grpcd->thread, NULL);
    }
    listener_close(&grpcd->listener);
    if (grpcd->epoll_fd >= 0)
        close(grpcd->epoll_fd);
    if (grpcd->wake_fd >= 0)
        close(grpcd->wake_fd);
    nghttp2_session_callbacks_del(grpcd->callbacks);
    nghttp2_option_del(grpcd->options);
    pthread_mutex_destroy(&grpcd->mutex);
    free(grpcd);
}
