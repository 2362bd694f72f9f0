/* others.h - what the query APIs of Jaeger, Tempo and Zipkin share: questions on threads of their
 * own, parameters, lists of names, traces one after the other.
 */
#ifndef WEB_OTHERS_H
#define WEB_OTHERS_H

#include "collector/base/arena.h"
#include "collector/model/batch.h"
#include "collector/store/query_others.h"
#include "web/routes.h"

#define MOST_TRACES 1000

/* A question in the making: what it is asked with, and where its answer goes. */
struct others_ask {
    struct query *query;
    struct http_request *request;
    struct buf *out;
    const char *type; /* content type of the answer; JSON unless it says otherwise */
};
typedef int others_ask_f(struct others_ask *ask, struct err *err);

/* Asks, and answers; called by web_apart(). */
void others_answer(struct web *web, struct http_request *request, others_ask_f *answer);

/* `route` has `answer` asked on a thread of its own. */
#define OTHERS_ROUTE(route, answer)                                                                \
    static void answer##_apart(struct web *web, struct http_request *request)                      \
    {                                                                                              \
        others_answer(web, request, answer);                                                       \
    }                                                                                              \
    void route(struct web *web, struct http_request *request)                                      \
    {                                                                                              \
        web_apart(web, request, answer##_apart);                                                   \
    }
/* The same of a path with something behind it. */
#define OTHERS_ROUTE_REST(route, answer)                                                           \
    static void answer##_apart(struct web *web, struct http_request *request)                      \
    {                                                                                              \
        others_answer(web, request, answer);                                                       \
    }                                                                                              \
    void route(struct web *web, struct http_request *request, struct str rest)                     \
    {                                                                                              \
        (void)rest;                                                                                \
        web_apart(web, request, answer##_apart);                                                   \
    }

/* Parameters; `fallback` when empty. False, with err, for what cannot be read. */
bool others_time(const struct http_request *request, const char *name, uint64_t unit_ns,
                 uint64_t fallback_ns, uint64_t *ns, struct err *err);
bool others_limit(const struct http_request *request, uint32_t fallback, uint32_t *limit,
                  struct err *err);
/* endTs and lookback, in ms: [endTs - lookback, endTs]. */
bool others_window(const struct http_request *request, struct window *window, struct err *err);

/* The first column of rows as a JSON array, each text once: `ctx` is one. */
struct others_list {
    struct buf *out;
    uint32_t n;
    size_t last; /* where the last text begins */
};
bool others_add_name(const struct query_rows *rows, void *ctx);
/* A row of query_dependencies() as an object with parent, child and callCount, which is left open.
 */
void others_begin_dependency(struct others_list *list, const struct query_rows *rows);

/* A header that tells readers whose answer has no place for it that a search stopped; nothing when
 * it did not. */
void others_warn_stopped(struct others_ask *ask, const struct span_found *found);

/* Appends what `write` makes of each trace of the list, with commas between; *n says of how many.
 * One trace at a time is in memory. */
int others_write_traces(struct others_ask *ask, const struct span_found *found,
                        void (*write)(struct buf *out, const struct batch *batch), uint32_t *n,
                        struct err *err);
/* The same of one trace by its id; ERR_NOT_FOUND. */
int others_write_trace(struct others_ask *ask, struct str id,
                       void (*write)(struct buf *out, const struct batch *batch), struct err *err);

#endif
