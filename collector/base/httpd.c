/* httpd.c - the server as a whole: its threads, its budget, its end. */
#include "collector/base/httpd.h"

#include <stdlib.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/httpd_internal.h"

#define DRAIN_STEP_NS (2 * NS_PER_MS)

struct httpd_budget *httpd_budget_new(unsigned max_connections, size_t max_in_flight)
{
    struct httpd_budget *budget = calloc(1, sizeof(*budget));
    if (budget) {
        budget->max_connections = max_connections;
        budget->max_in_flight = max_in_flight;
    }
    return budget;
}

void httpd_budget_free(struct httpd_budget *budget)
{
    free(budget);
}

size_t httpd_budget_in_flight(struct httpd_budget *budget)
{
    return budget->in_flight;
}

unsigned httpd_budget_connections(struct httpd_budget *budget)
{
    return budget->n_connections;
}

static int start_loops(struct httpd *httpd, struct err *err)
{
    unsigned n = httpd->settings.threads > 1 ? httpd->settings.threads : 1;
    httpd->loops = calloc(n, sizeof(*httpd->loops));
    if (!httpd->loops)
        return err_set(err, ERR_BUSY, "memory is short");
    for (unsigned i = 0; i < n; i++) {
        httpd->n_loops++;
        if (loop_start(&httpd->loops[i], httpd, err))
            return err->code;
    }
    return 0;
}

int httpd_start(const struct httpd_settings *settings, struct httpd **result, struct err *err)
{
    struct httpd *httpd = calloc(1, sizeof(*httpd));
    if (!httpd)
        return err_set(err, ERR_BUSY, "memory is short");
    httpd->settings = *settings;
    if (listener_open(settings->listen, &httpd->listener, err) || start_loops(httpd, err)) {
        httpd_stop(httpd);
        return err->code;
    }
    *result = httpd;
    return 0;
}

const char *httpd_address(const struct httpd *httpd)
{
    return httpd->listener.address;
}

void httpd_take_no_more(struct httpd *httpd)
{
    httpd->draining = true;
}

void httpd_drain(struct httpd *httpd, uint64_t until_ns)
{
    httpd_take_no_more(httpd);
    while (httpd->n_requests > 0 && clock_mono_ns() < until_ns)
        nanosleep(&(struct timespec){.tv_nsec = (long)DRAIN_STEP_NS}, NULL);
    httpd->drained = true; /* what is not whole by now reaches no handler any more */
    while (httpd->n_working > 0)
        nanosleep(&(struct timespec){.tv_nsec = (long)DRAIN_STEP_NS}, NULL);
}

void httpd_stop(struct httpd *httpd)
{
    if (!httpd)
        return;
    httpd->stopping = true;
    for (unsigned i = 0; i < httpd->n_loops; i++)
        loop_join(&httpd->loops[i]);
    free(httpd->loops);
    listener_close(&httpd->listener);
    free(httpd);
}
