/* api_graph.c - /api/v1/graph and what its page, Now and the services ask beside it: parameters in,
 * questions to the store.
 */
#include "collector/base/clock.h"
#include "collector/base/times.h"
#include "web/routes.h"

#define GRAPH_WINDOW_NS (15 * NS_PER_MINUTE)
#define MOST_NODES 2000
/* Of answers that hold something for every minute. */
#define MOST_WINDOW_NS (45 * 24 * 60 * NS_PER_MINUTE)

static bool read_choice(const struct http_request *request, const char *name,
                        const char *const *words, int *choice, struct err *err)
{
    struct str text = http_query(request, name);
    *choice = 0;
    if (!text.len)
        return true;
    for (int i = 0; words[i]; i++) {
        if (str_eq(text, str_of(words[i]))) {
            *choice = i;
            return true;
        }
    }
    return !err_set(err, ERR_INVALID, "%s is %s or %s", name, words[0], words[1]);
}

static bool read_number(const struct http_request *request, const char *name, uint64_t least,
                        uint64_t most, unsigned *number, struct err *err)
{
    struct str text = http_query(request, name);
    uint64_t value = 0;
    if (text.len && (!str_to_u64(text, &value) || value < least || value > most))
        return !err_set(err, ERR_INVALID, "%s is %llu to %llu", name, (unsigned long long)least,
                        (unsigned long long)most);
    *number = (unsigned)value;
    return true;
}

static bool read_view(struct web *web, const struct http_request *request, struct graph_view *view,
                      struct err *err)
{
    static const char *const folds[] = {"none", "quiet", "all", NULL};
    static const char *const shown[] = {"hide", "show", NULL};
    static const char *const crossings[] = {"apart", "joined", NULL};
    struct str base = http_query(request, "base");
    int fold, versions, gone, join;
    *view = (struct graph_view){.unfold = http_query(request, "unfold"),
                                .focus = http_query(request, "focus"),
                                .memory = web->memory};
    if (!read_choice(request, "fold", folds, &fold, err) ||
        !read_choice(request, "versions", shown, &versions, err) ||
        !read_choice(request, "gone", shown, &gone, err) ||
        !read_choice(request, "crossings", crossings, &join, err) ||
        !read_number(request, "hops", 1, 3, &view->hops, err) ||
        !read_number(request, "most", 1, MOST_NODES, &view->most, err))
        return false;
    if (base.len && !window_parse(base, clock_wall_ns(), &view->base.from_ns, &view->base.to_ns))
        return !err_set(err, ERR_INVALID, "base is a window: FROM..TO");
    view->fold = (enum graph_fold)fold;
    view->versions = versions;
    view->gone = gone;
    view->join = join;
    view->hops = view->hops ? view->hops : 1;
    return true;
}

/* service, namespace and cluster of one end, as lists take them. */
static void read_ends(const struct http_request *request, struct graph_view *view)
{
    view->cluster = http_query(request, "cluster");
    view->namespace = http_query(request, "namespace");
    node_read_text(http_query(request, "service"), &view->cluster, &view->namespace,
                   &view->service);
}

/* ---- answers that need a window and a connection ---- */

static struct query *begin_answer(struct web *web, struct http_request *request,
                                  struct window *window, struct buf *out, struct err *err)
{
    buf_init(out, ANSWER_BYTES);
    if (err->code || !web_window(request, GRAPH_WINDOW_NS, window, err))
        return NULL;
    return web_query_take(web, err);
}

static bool is_too_long(struct window window, struct err *err)
{
    return window.to_ns - window.from_ns > MOST_WINDOW_NS &&
           err_set(err, ERR_INVALID, "a window of this answer is at most 45 days");
}

static struct query *begin_minutes(struct web *web, struct http_request *request,
                                   struct window *window, struct buf *out, struct err *err)
{
    struct query *query = begin_answer(web, request, window, out, err);
    if (query)
        is_too_long(*window, err);
    return query;
}

/* The window before, of the same length, unless the request names one. */
static bool read_base(const struct http_request *request, struct window window, struct window *base,
                      struct err *err)
{
    struct str text = http_query(request, "base");
    /* Both are widened to whole minutes: before that they would have one in common. */
    window = window_of_minutes(window);
    uint64_t length_ns = window.to_ns - window.from_ns;
    *base = (struct window){window.from_ns > length_ns ? window.from_ns - length_ns : 0,
                            window.from_ns};
    if (text.len && !window_parse(text, clock_wall_ns(), &base->from_ns, &base->to_ns))
        return !err_set(err, ERR_INVALID, "base is a window: FROM..TO");
    return true;
}

/* … where both are looked through minute by minute. */
static bool read_base_minutes(const struct http_request *request, struct window window,
                              struct window *base, struct err *err)
{
    return read_base(request, window, base, err) && !is_too_long(*base, err);
}

void api_graph(struct web *web, struct http_request *request)
{
    static const char *const levels[] = {"service", "version", NULL};
    static const char *const layers[] = {"logical", "physical", NULL};
    struct graph_view view;
    struct window window;
    struct err err = {0};
    struct buf out;
    int level = 0, layer = 0;
    if (read_choice(request, "level", levels, &level, &err) &&
        read_choice(request, "layer", layers, &layer, &err))
        read_view(web, request, &view, &err);
    view.physical = layer == 1;
    read_ends(request, &view);
    struct query *query = begin_answer(web, request, &window, &out, &err);
    if (query)
        query_graph_json(query, window, level ? LEVEL_VERSION : LEVEL_SERVICE, &view, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}

void api_graph_diff(struct web *web, struct http_request *request)
{
    static const char *const levels[] = {"service", "version", NULL};
    struct graph_view view = {0};
    struct window window;
    struct err err = {0};
    struct buf out;
    int level = 0;
    read_choice(request, "level", levels, &level, &err);
    read_ends(request, &view);
    struct query *query = begin_answer(web, request, &window, &out, &err);
    if (query && read_base(request, window, &view.base, &err))
        query_graph_diff_json(query, window, level ? LEVEL_VERSION : LEVEL_SERVICE, &view, &out,
                              &err);
    web_answer_asked(web, request, query, &out, &err);
}

void api_series(struct web *web, struct http_request *request)
{
    struct window window;
    struct err err = {0};
    struct buf out;
    struct query *query = begin_minutes(web, request, &window, &out, &err);
    if (!err.code)
        query_series_json(query, window, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}

void api_now(struct web *web, struct http_request *request)
{
    struct window window, base;
    struct err err = {0};
    struct buf out;
    struct query *query = begin_minutes(web, request, &window, &out, &err);
    if (!err.code && read_base_minutes(request, window, &base, &err))
        query_now_json(query, window, base, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}

void api_edge(struct web *web, struct http_request *request)
{
    struct str caller = http_query(request, "caller"), callee = http_query(request, "callee");
    struct window window;
    struct err err = {0};
    struct buf out;
    if (!caller.len || !callee.len)
        err_set(&err, ERR_INVALID, "caller and callee name two nodes: namespace/service");
    struct query *query = begin_minutes(web, request, &window, &out, &err);
    if (!err.code)
        query_edge_json(query, window, caller, callee, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}

void api_red(struct web *web, struct http_request *request)
{
    struct window window;
    struct err err = {0};
    struct buf out;
    struct query *query = begin_minutes(web, request, &window, &out, &err);
    if (!err.code)
        query_red_json(query, window, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}

/* CLUSTER/NAMESPACE/NAME: an unknown cluster or namespace is '-'; the name may hold slashes, it is
 * the rest. compare=V1..V2. */
static bool read_service(const struct http_request *request, struct str rest,
                         struct service_question *question, struct err *err)
{
    struct str compare = http_query(request, "compare");
    *question = (struct service_question){0};
    if (!str_cut(rest, '/', &question->cluster, &rest) ||
        !str_cut(rest, '/', &question->namespace, &question->service) || !question->service.len)
        return !err_set(err, ERR_NOT_FOUND,
                        "a service is cluster/namespace/name, '-' for what is not known");
    if (str_eq(question->cluster, STR("-")))
        question->cluster = STR_NONE;
    if (str_eq(question->namespace, STR("-")))
        question->namespace = STR_NONE;
    for (size_t i = 0; i + 2 <= compare.len && !question->candidate.p; i++) {
        if (compare.p[i] != '.' || compare.p[i + 1] != '.')
            continue;
        question->baseline = (struct str){compare.p, i};
        question->candidate = (struct str){compare.p + i + 2, compare.len - i - 2};
    }
    if (compare.len && !question->candidate.p)
        return !err_set(err, ERR_INVALID, "compare is two versions: v1..v2");
    return true;
}

void api_service(struct web *web, struct http_request *request, struct str rest)
{
    struct window window, base;
    struct service_question question;
    struct err err = {0};
    struct buf out;
    read_service(request, rest, &question, &err);
    question.compare = web->settings.hooks.compare;
    question.min_calls = web->settings.min_requests;
    struct query *query = begin_minutes(web, request, &window, &out, &err);
    if (!err.code && read_base_minutes(request, window, &base, &err))
        query_service_json(query, window, base, &question, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}
