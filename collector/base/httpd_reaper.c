/* httpd_reaper.c - closes connections past their deadline: the library's own timeout begins anew
 * with every byte. */
#include <string.h>
#include <sys/socket.h>

#include "collector/base/clock.h"
#include "collector/base/httpd_internal.h"

#define LOOK_EVERY_NS (250 * NS_PER_MS)

void httpd_deadline(struct connection *connection, uint64_t deadline_ns)
{
    if (!connection)
        return;
    pthread_mutex_lock(&connection->httpd->mutex);
    connection->deadline_ns = deadline_ns;
    pthread_mutex_unlock(&connection->httpd->mutex);
}

/* Under the mutex. The owner of the socket sees the end and closes it. */
static void reap(struct httpd *httpd, uint64_t now_ns)
{
    for (struct connection *at = httpd->connections; at; at = at->next) {
        if (at->deadline_ns && at->deadline_ns <= now_ns) {
            shutdown(at->fd, SHUT_RDWR);
            at->deadline_ns = 0;
        }
    }
}

static void *run(void *arg)
{
    struct httpd *httpd = arg;
    pthread_setname_np(pthread_self(), "http-reaper");
    pthread_mutex_lock(&httpd->mutex);
    while (!httpd->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t ns = (uint64_t)until.tv_nsec + LOOK_EVERY_NS;
        until.tv_sec += (time_t)(ns / NS_PER_S);
        until.tv_nsec = (long)(ns % NS_PER_S);
        pthread_cond_timedwait(&httpd->wake, &httpd->mutex, &until);
        reap(httpd, clock_mono_ns());
    }
    pthread_mutex_unlock(&httpd->mutex);
    return NULL;
}

int httpd_reaper_start(struct httpd *httpd, struct err *err)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&httpd->mutex, NULL);
    pthread_cond_init(&httpd->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&httpd->reaper, NULL, run, httpd) != 0)
        return err_set(err, ERR_BUSY, "cannot start a thread");
    httpd->reaping = true;
    return 0;
}

void httpd_reaper_stop(struct httpd *httpd)
{
    if (!httpd->reaping)
        return;
    pthread_mutex_lock(&httpd->mutex);
    httpd->stopping = true;
    pthread_cond_signal(&httpd->wake);
    pthread_mutex_unlock(&httpd->mutex);
    pthread_join(httpd->reaper, NULL);
    httpd->reaping = false;
}
