/* api_search.c - /api/v1/search…: what the page's Traces view and the head's search box ask. Any
 * client may; the shapes are in openapi.json.
 */
#include "collector/base/clock.h"
#include "collector/base/times.h"
#include "collector/store/query_search.h"
#include "web/routes.h"

#define DEFAULT_LIMIT 50
#define MAX_LIMIT 1000
#define WINDOW_NS (30 * NS_PER_MINUTE)

/* sel=T0,T1,D0,D1[,failed|good]: two times, two durations in ms. */
static bool read_box(struct str text, struct search_box *box, struct err *err)
{
    struct str parts[5] = {{0}};
    uint64_t now_ns = clock_wall_ns();
    double least_ms, most_ms;
    if (!text.len)
        return true;
    for (int i = 0; i < 5; i++)
        str_cut(text, ',', &parts[i], &text);
    if (!time_parse(parts[0], now_ns, &box->from_ns) ||
        !time_parse(parts[1], now_ns, &box->to_ns) || !str_to_double(parts[2], &least_ms) ||
        !str_to_double(parts[3], &most_ms) || least_ms < 0 || most_ms < least_ms ||
        most_ms > 1e12 || box->from_ns > box->to_ns)
        return !err_set(err, ERR_INVALID, "sel is T0,T1,D0,D1: two times, two durations in ms");
    box->drawn = true;
    box->least_ns = (uint64_t)(least_ms * NS_PER_MS);
    box->most_ns = (uint64_t)(most_ms * NS_PER_MS);
    box->failed = str_eq(parts[4], STR("failed"));
    box->good = str_eq(parts[4], STR("good"));
    return !parts[4].len || box->failed || box->good ||
           !err_set(err, ERR_INVALID, "sel ends with failed, good or nothing");
}

static bool read_request(const struct http_request *request, struct search_request *search,
                         struct err *err)
{
    struct str limit = http_query(request, "limit"), order = http_query(request, "order");
    uint64_t number = DEFAULT_LIMIT;
    *search = (struct search_request){.q = http_query(request, "q"),
                                      .cursor = http_query(request, "cursor"),
                                      .ids = http_query(request, "ids")};
    if (!web_window(request, WINDOW_NS, &search->window, err) ||
        !read_box(http_query(request, "sel"), &search->box, err))
        return false;
    if (limit.len && (!str_to_u64(limit, &number) || number < 1 || number > MAX_LIMIT))
        return !err_set(err, ERR_INVALID, "limit is 1 to %d", MAX_LIMIT);
    search->limit = (uint32_t)number;
    search->order = str_eq(order, STR("slow"))     ? ORDER_SLOW
                    : str_eq(order, STR("failed")) ? ORDER_FAILED
                                                   : ORDER_NEW;
    return !order.len || search->order != ORDER_NEW || str_eq(order, STR("new")) ||
           !err_set(err, ERR_INVALID, "order is new, slow or failed");
}

typedef int search_f(struct query *query, const struct search_request *request, struct buf *out,
                     struct err *err);

static void send(struct http_request *request, struct buf *out, bool csv)
{
    struct err err;
    if (!csv) {
        web_answer_json(request, out);
        return;
    }
    if (buf_failed(out)) {
        err_set(&err, ERR_TOO_BIG, "the answer is too large; ask for less");
        web_answer_error(request, &err);
        return;
    }
    http_add_header(request, "Cache-Control", "no-store");
    http_add_header(request, "Content-Disposition", "attachment; filename=\"traces.csv\"");
    httpd_answer(request, 200, "text/csv; charset=utf-8", buf_str(out), false);
}

static void run_search(struct web *web, struct http_request *request, search_f *ask, bool csv)
{
    struct search_request search;
    struct err err = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    struct query *query = read_request(request, &search, &err) ? web_query_take(web, &err) : NULL;
    if (query)
        ask(query, &search, &out, &err);
    web_query_give(web, query);
    web_apart_ends(web);
    if (err.code)
        web_answer_error(request, &err);
    else
        send(request, &out, csv);
    buf_fini(&out);
}

static int places(struct query *query, const struct search_request *request, struct buf *out,
                  struct err *err)
{
    return query_search_places_json(query, request->q, out, err);
}

/* An answer that is made apart, and the route that has it made. */
#define SEARCH(route, ask, csv)                                                                    \
    static void answer_##ask(struct web *web, struct http_request *request)                        \
    {                                                                                              \
        run_search(web, request, ask, csv);                                                        \
    }                                                                                              \
    void route(struct web *web, struct http_request *request)                                      \
    {                                                                                              \
        web_apart(web, request, answer_##ask);                                                     \
    }

SEARCH(api_search_traces, query_search_traces_json, false)
SEARCH(api_search_overview, query_search_overview_json, false)
SEARCH(api_search_different, query_search_different_json, false)
SEARCH(api_search_sql, query_search_sql_json, false)
SEARCH(api_search_csv, query_search_csv, true)
SEARCH(api_search, places, false)
