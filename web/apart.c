/* apart.c - answers that may take seconds, each on a thread of its own. */
#include <stdlib.h>

#include "web/routes.h"

#define MOST_APART 8

struct apart {
    struct web *web;
    struct http_request *request;
    void (*answer)(struct web *web, struct http_request *request);
};

static void *run(void *arg)
{
    struct apart one = *(struct apart *)arg;
    free(arg);
    one.answer(one.web, one.request);
    return NULL;
}

/* Before the answer: from then on the web may be stopped. */
void web_apart_ends(struct web *web)
{
    atomic_fetch_sub(&web->n_apart, 1);
}

void web_apart(struct web *web, struct http_request *request,
               void (*answer)(struct web *web, struct http_request *request))
{
    pthread_t thread;
    pthread_attr_t attr;
    struct err err;
    struct apart *one = malloc(sizeof(*one));
    if (one)
        *one = (struct apart){web, request, answer};
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool room = atomic_fetch_add(&web->n_apart, 1) < MOST_APART;
    if (!one || !room || pthread_create(&thread, &attr, run, one) != 0) {
        web_apart_ends(web);
        free(one);
        err_set(&err, ERR_BUSY, "too many searches at once; try again");
        web_answer_error(request, &err);
    }
    pthread_attr_destroy(&attr);
}
