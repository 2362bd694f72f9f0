/* api.c - /api/v1: parameters in, questions to the store, JSON out (CONTRACT §7, §10). */
#include <stdio.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/times.h"
#include "collector/version.h"
#include "exporters/trace_format.h"
#include "openapi.h"
#include "web/routes.h"

#define DEFAULT_LIMIT 100
#define MAX_LIMIT 1000
#define WAYS_WINDOW_NS (15 * NS_PER_MINUTE)
#define TRACES_WINDOW_NS (60 * NS_PER_MINUTE)
#define N_ERRORS 8

bool web_window(const struct http_request *request, uint64_t default_ns, struct window *window,
                struct err *err)
{
    uint64_t now_ns = clock_wall_ns();
    struct str from = http_query(request, "from"), to = http_query(request, "to");
    *window = (struct window){.to_ns = now_ns};
    if (to.len && !time_parse(to, now_ns, &window->to_ns))
        return !err_set(err, ERR_INVALID,
                        "to: a time is 15m, now, 2026-11-23T10:00:00Z or Unix seconds");
    window->from_ns = window->to_ns > default_ns ? window->to_ns - default_ns : 0;
    if (from.len && !time_parse(from, now_ns, &window->from_ns))
        return !err_set(err, ERR_INVALID,
                        "from: a time is 15m, now, 2026-11-23T10:00:00Z or Unix seconds");
    if (window->from_ns > window->to_ns)
        return !err_set(err, ERR_INVALID, "from is after to");
    return true;
}

bool web_any_window(const struct http_request *request, struct window *window, struct err *err)
{
    if (!web_window(request, UINT64_MAX, window, err))
        return false;
    if (!http_query(request, "to").len)
        window->to_ns = INT64_MAX; /* clocks of senders may be ahead */
    return true;
}

static bool read_limit(const struct http_request *request, uint32_t *limit, struct err *err)
{
    struct str text = http_query(request, "limit");
    uint64_t number = DEFAULT_LIMIT;
    if (text.len && (!str_to_u64(text, &number) || number < 1 || number > MAX_LIMIT))
        return !err_set(err, ERR_INVALID, "limit is 1 to %d", MAX_LIMIT);
    *limit = (uint32_t)number;
    return true;
}

static bool read_filter(const struct http_request *request, uint64_t default_ns,
                        struct query_filter *filter, struct err *err)
{
    struct str attr, duration = http_query(request, "min_duration");
    *filter = (struct query_filter){.cluster = http_query(request, "cluster"),
                                    .namespace = http_query(request, "namespace"),
                                    .operation = http_query(request, "operation"),
                                    .status = http_query(request, "status"),
                                    .cursor = http_query(request, "cursor")};
    node_read_text(http_query(request, "service"), &filter->cluster, &filter->namespace,
                   &filter->service);
    if (!(default_ns ? web_window(request, default_ns, &filter->window, err)
                     : web_any_window(request, &filter->window, err)))
        return false;
    if (!read_limit(request, &filter->limit, err))
        return false;
    if (filter->status.len && !str_eq(filter->status, STR("ok")) &&
        !str_eq(filter->status, STR("error")))
        return !err_set(err, ERR_INVALID, "status is ok or error");
    if (duration.len && !duration_parse(duration, &filter->min_duration_ns))
        return !err_set(err, ERR_INVALID, "min_duration: a duration is 250ms, 2s …");
    for (unsigned i = 0; (attr = http_query_nth(request, "attr", i)).p; i++) {
        if (attr.len && !query_add_attr(filter, attr, err))
            return false;
    }
    return true;
}

/* ?format= of traces: json, or one of others (*others; else −1). */
static bool read_format(const struct http_request *request, int *others, struct err *err)
{
    struct str format = http_query(request, "format");
    *others = trace_format_from_word(format);
    if (*others >= 0 || !format.len || str_eq(format, STR("json")))
        return true;
    return !err_set(err, ERR_INVALID, "format is json, " TRACE_FORMATS);
}

/* `default_ns` 0: all times. */
typedef int list_f(struct query *query, const struct query_filter *filter, struct buf *out,
                   struct err *err);

static void answer_list(struct web *web, struct http_request *request, uint64_t default_ns,
                        list_f *ask)
{
    struct query_filter filter;
    struct err err = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    struct query *query =
        read_filter(request, default_ns, &filter, &err) ? web_query_take(web, &err) : NULL;
    if (query)
        ask(query, &filter, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}

void api_services(struct web *web, struct http_request *request)
{
    answer_list(web, request, 0, query_services_json);
}

void api_operations(struct web *web, struct http_request *request)
{
    answer_list(web, request, 0, query_operations_json);
}

void api_crossings(struct web *web, struct http_request *request)
{
    answer_list(web, request, WAYS_WINDOW_NS, query_crossings_json);
}

void api_security(struct web *web, struct http_request *request)
{
    answer_list(web, request, WAYS_WINDOW_NS, query_security_json);
}

void api_hairpins(struct web *web, struct http_request *request)
{
    answer_list(web, request, WAYS_WINDOW_NS, query_hairpins_json);
}

void api_zones(struct web *web, struct http_request *request)
{
    answer_list(web, request, WAYS_WINDOW_NS, query_zones_json);
}

static void ask_traces(struct query *query, const struct http_request *request, struct buf *out,
                       struct err *err)
{
    struct query_filter filter;
    struct str ids = http_query(request, "ids");
    int others;
    if (!read_format(request, &others, err))
        return;
    if (ids.len && others < 0)
        query_named_traces_json(query, ids, out, err);
    else if (ids.len)
        err_set(err, ERR_INVALID, "with ids the format is json");
    else if (!read_filter(request, TRACES_WINDOW_NS, &filter, err))
        return;
    else if (others >= 0)
        trace_format_traces(query, &filter, (enum trace_format)others, out, err);
    else
        query_traces_json(query, &filter, out, err);
}

/* Those that `ids` names, whenever they were; else those of the window. */
void api_traces(struct web *web, struct http_request *request)
{
    struct err err = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    struct query *query = web_query_take(web, &err);
    if (query)
        ask_traces(query, request, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}

/* {id}, {id}/layout, {id}/spans/{span} */
static void ask_trace(struct query *query, const struct http_request *request, struct str path,
                      struct buf *out, struct err *err)
{
    struct str id, what, span = STR_NONE;
    int others;
    bool whole = !str_cut(path, '/', &id, &what);
    if (whole && !read_format(request, &others, err))
        return;
    if (whole && others >= 0)
        trace_format_trace(query, id, (enum trace_format)others, out, err);
    else if (whole)
        query_trace_json(query, id, out, err);
    else if (str_eq(what, STR("layout")))
        query_layout_json(query, id, out, err);
    else if (str_cut(what, '/', &what, &span) && str_eq(what, STR("spans")))
        query_span_json(query, id, span, out, err);
    else
        err_set(err, ERR_NOT_FOUND, "a trace has layout and spans/{id}");
}

void api_trace(struct web *web, struct http_request *request, struct str path)
{
    struct err err = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    struct query *query = web_query_take(web, &err);
    if (query)
        ask_trace(query, request, path, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}

static void store_json(const struct query_status *status, struct buf *out)
{
    buf_addf(out, ",\"store\":{\"bytes\":%llu,\"spans\":%llu,\"oldest\":",
             (unsigned long long)status->file_bytes, (unsigned long long)status->n_spans);
    const uint64_t times[2] = {status->oldest_ns, status->newest_ns};
    for (int i = 0; i < 2; i++) {
        if (i)
            buf_add_c(out, ",\"newest\":");
        if (!times[i]) {
            buf_add_c(out, "null");
            continue;
        }
        buf_add_char(out, '"');
        buf_add_time(out, times[i]);
        buf_add_char(out, '"');
    }
    buf_addf(out, ",\"wal_bytes\":%llu}", (unsigned long long)status->wal_bytes);
}

void api_status(struct web *web, struct http_request *request)
{
    char lines[N_ERRORS][256];
    struct query_status status = {0};
    struct err err = {0};
    struct buf out;
    buf_init(&out, 1u << 20);
    struct query *query = web_query_take(web, &err);
    if (query)
        query_status(query, &status, &err);
    web_query_give(web, query);
    uint64_t uptime_ns = clock_boot_ns() - web->settings.started_ns;
    buf_addf(&out, "{\"version\":\"%s\",\"uptime_s\":%llu,\"sqlite\":", FAULTLINE_VERSION,
             (unsigned long long)(uptime_ns / NS_PER_S));
    buf_add_json(&out, str_of(query_sqlite_version()));
    buf_add_char(&out, ',');
    web->settings.hooks.status(web->settings.hooks.ctx, &out);
    store_json(&status, &out);
    buf_add_c(&out, ",\"last_errors\":[");
    size_t n = log_last_errors(lines, N_ERRORS);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(&out, ',');
        buf_add_json(&out, str_of(lines[i]));
    }
    buf_add_char(&out, ']');
    web_slow_json(&out);
    buf_add_char(&out, '}');
    web_answer_json(request, &out);
    buf_fini(&out);
}

void api_openapi(struct web *web, struct http_request *request)
{
    struct buf out;
    (void)web;
    buf_init(&out, sizeof(openapi_json) + 1);
    buf_add(&out, openapi_json, sizeof(openapi_json));
    web_answer_json(request, &out);
    buf_fini(&out);
}

/* With follow=1 from the cursor on to what came later, oldest first. */
void api_tail(struct web *web, struct http_request *request)
{
    const struct web_hooks *hooks = &web->settings.hooks;
    struct str cursor = http_query(request, "cursor"), follow = http_query(request, "follow");
    uint64_t at = follow.len ? UINT64_MAX : 0;
    uint32_t limit = 0;
    struct err err = {0};
    struct buf out;
    buf_init(&out, 4u << 20);
    if (follow.len && !str_eq(follow, STR("1")))
        err_set(&err, ERR_INVALID, "follow is 1, or left out");
    else if (cursor.len && !str_to_u64(cursor, &at))
        err_set(&err, ERR_INVALID, "cursor is not one that an answer gave");
    else if (read_limit(request, &limit, &err))
        (follow.len ? hooks->tail_follow : hooks->tail)(hooks->ctx, at, limit, &out);
    web_answer_asked(web, request, NULL, &out, &err);
}
