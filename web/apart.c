/* apart.c - answers that may take seconds, each on a thread of its own. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "web/routes.h"

#define MOST_AT_ONCE 8
/* A page asks five questions, and another five when its reader types on: several readers may. */
#define MOST_APART 64
#define MOST_WAIT_S 2 /* for a turn */

struct apart {
    struct web *web;
    struct http_request *request;
    void (*answer)(struct web *web, struct http_request *request);
};

static void refuse(struct web *web, struct http_request *request)
{
    struct err err;
    atomic_fetch_sub(&web->n_apart, 1);
    err_set(&err, ERR_BUSY, "too many searches at once; try again");
    web_answer_error(request, &err);
}

/* Waits for one; false when it takes too long, and when the web stops: then nothing more begins. */
static bool has_turn(struct web *web)
{
    struct timespec until;
    int code;
    clock_gettime(CLOCK_MONOTONIC,
                  &until); /* a clock that is set neither cuts nor draws the wait out */
    until.tv_sec += MOST_WAIT_S;
    do
        code = sem_clockwait(&web->apart_turns, CLOCK_MONOTONIC, &until);
    while (code != 0 && errno == EINTR);
    if (code == 0 && atomic_load(&web->stopping)) {
        sem_post(&web->apart_turns);
        code = -1;
    }
    return code == 0;
}

static void *run(void *arg)
{
    struct apart one = *(struct apart *)arg;
    free(arg);
    if (has_turn(one.web))
        one.answer(one.web, one.request);
    else
        refuse(one.web, one.request);
    return NULL;
}

void web_apart_init(struct web *web)
{
    sem_init(&web->apart_turns, 0, MOST_AT_ONCE);
}

void web_apart_fini(struct web *web)
{
    sem_destroy(&web->apart_turns);
}

/* Before the answer: from then on the web may be stopped. */
void web_apart_ends(struct web *web)
{
    atomic_fetch_sub(&web->n_apart, 1);
    sem_post(&web->apart_turns);
}

void web_apart(struct web *web, struct http_request *request,
               void (*answer)(struct web *web, struct http_request *request))
{
    pthread_t thread;
    pthread_attr_t attr;
    struct apart *one = malloc(sizeof(*one));
    if (one)
        *one = (struct apart){web, request, answer};
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool room = atomic_fetch_add(&web->n_apart, 1) < MOST_APART;
    if (!one || !room || pthread_create(&thread, &attr, run, one) != 0) {
        free(one);
        refuse(web, request);
    }
    pthread_attr_destroy(&attr);
}
