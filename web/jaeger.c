/* jaeger.c - the query API of Jaeger (formats: query APIs §1), as its own page, Grafana and Kiali
 * ask it. Traces are as they were sent: no clock is moved, so `raw` changes nothing.
 */
#include "exporters/jaeger.h"

#include "collector/base/clock.h"
#include "collector/base/times.h"
#include "web/jaeger.h"

#define DEFAULT_WINDOW_NS (48 * 60 * NS_PER_MINUTE)
#define SERVICES "/api/services/"
#define OPERATIONS "/operations"
#define TRACES "/api/traces/"

static void open_data(struct others_ask *ask)
{
    buf_add_c(ask->out, "{\"data\":[");
}

/* With `errors` still open. */
static void close_data(struct others_ask *ask, uint64_t total)
{
    buf_addf(ask->out,
             "],\"total\":%llu,\"limit\":0,\"offset\":0,\"errors\":", (unsigned long long)total);
}

static void no_errors(struct others_ask *ask)
{
    buf_add_c(ask->out, "null}");
}

/* ---- names ---- */

static int services(struct others_ask *ask, struct err *err)
{
    struct others_list list = {.out = ask->out};
    struct name_filter all = {0};
    open_data(ask);
    query_span_services(ask->query, &all, others_add_name, &list, err);
    close_data(ask, list.n);
    no_errors(ask);
    return err->code;
}
OTHERS_ROUTE(jaeger_services, services)

bool jaeger_add_operation(const struct query_rows *rows, void *ctx)
{
    struct others_list *list = ctx;
    bool known = rows->lengths[1] && !str_eq(str_of(rows->values[1]), STR("unset"));
    buf_add_c(list->out, list->n++ ? ",{\"name\":" : "{\"name\":");
    buf_add_json(list->out, (struct str){rows->values[0], (size_t)rows->lengths[0]});
    buf_addf(list->out, ",\"spanKind\":\"%s\"}", known ? rows->values[1] : "");
    return !buf_failed(list->out);
}

bool jaeger_kind(const struct http_request *request, const char *name, struct str *kind,
                 struct err *err)
{
    *kind = http_query(request, name);
    return !kind->len || kind_from_word(*kind) >= 0 ||
           !err_set(err, ERR_INVALID, "%s is server, client, producer, consumer, internal or unset",
                    name);
}

static int operations(struct others_ask *ask, struct err *err)
{
    struct others_list list = {.out = ask->out};
    struct name_filter filter = {.service = http_query(ask->request, "service")};
    if (!filter.service.len)
        return err_set(err, ERR_INVALID, "parameter 'service' is required");
    if (!jaeger_kind(ask->request, "spanKind", &filter.kind, err))
        return err->code;
    open_data(ask);
    query_span_operations(ask->query, &filter, jaeger_add_operation, &list, err);
    close_data(ask, list.n);
    no_errors(ask);
    return err->code;
}
OTHERS_ROUTE(jaeger_operations, operations)

static int service_operations(struct others_ask *ask, struct err *err)
{
    struct others_list list = {.out = ask->out};
    struct str rest = str_skip(http_path(ask->request), sizeof(SERVICES) - 1);
    if (!str_ends(rest, STR(OPERATIONS)) || rest.len == sizeof(OPERATIONS) - 1)
        return err_set(err, ERR_NOT_FOUND, "a service has " OPERATIONS);
    struct name_filter filter = {.service = {rest.p, rest.len - (sizeof(OPERATIONS) - 1)}};
    open_data(ask);
    query_span_operations(ask->query, &filter, others_add_name, &list, err);
    close_data(ask, list.n);
    no_errors(ask);
    return err->code;
}
OTHERS_ROUTE_REST(jaeger_service_operations, service_operations)

/* ---- calls between services ---- */

static bool add_dependency(const struct query_rows *rows, void *ctx)
{
    struct others_list *list = ctx;
    others_begin_dependency(list, rows);
    buf_add_char(list->out, '}');
    return !buf_failed(list->out);
}

static int dependencies(struct others_ask *ask, struct err *err)
{
    struct others_list list = {.out = ask->out};
    struct name_filter filter = {.service = http_query(ask->request, "service")};
    struct window window;
    if (!others_window(ask->request, &window, err))
        return err->code;
    open_data(ask);
    query_dependencies(ask->query, window, &filter, add_dependency, &list, err);
    close_data(ask, list.n);
    no_errors(ask);
    return err->code;
}
OTHERS_ROUTE(jaeger_dependencies, dependencies)

/* ---- what is searched for ---- */

/* tag=key:value */
static bool read_tags(const struct http_request *request, struct jaeger_asked *asked,
                      struct err *err)
{
    struct str text, key, value;
    for (unsigned i = 0; (text = http_query_nth(request, "tag", i)).p; i++) {
        if (!text.len)
            continue;
        if (!str_cut(text, ':', &key, &value) || !key.len)
            return !err_set(err, ERR_INVALID, "tag is key:value");
        if (!jaeger_add_tag(asked, key, value, err))
            return false;
    }
    return true;
}

/* start and end in µs, both in. Without a start, `lookback` (1h, 2d) says how long before the end;
 * Grafana sends the word custom beside a start. */
static bool read_window(const struct http_request *request, struct window *window, struct err *err)
{
    uint64_t back_ns;
    if (!others_time(request, "end", NS_PER_US, clock_wall_ns(), &window->to_ns, err))
        return false;
    if (!duration_parse(http_query(request, "lookback"), &back_ns))
        back_ns = DEFAULT_WINDOW_NS;
    uint64_t from_ns = window->to_ns > back_ns ? window->to_ns - back_ns : 0;
    if (!others_time(request, "start", NS_PER_US, from_ns, &window->from_ns, err))
        return false;
    if (window->from_ns > window->to_ns)
        return !err_set(err, ERR_INVALID, "start is after end");
    window->to_ns += NS_PER_US;
    return true;
}

static bool read_search(const struct http_request *request, struct jaeger_asked *asked,
                        struct err *err)
{
    struct span_wanted *wanted = &asked->wanted;
    *wanted = (struct span_wanted){.service = http_query(request, "service"),
                                   .operation = http_query(request, "operation"),
                                   .tags = asked->tags};
    if (!wanted->service.len)
        return !err_set(err, ERR_INVALID, "parameter 'service' is required");
    if (!read_window(request, &wanted->window, err) ||
        !jaeger_duration(request, "minDuration", &wanted->least_ns, err) ||
        !jaeger_duration(request, "maxDuration", &wanted->most_ns, err) ||
        !others_limit(request, JAEGER_DEFAULT_TRACES, &wanted->limit, err) ||
        !read_tags(request, asked, err) || !jaeger_tags(request, "tags", asked, err))
        return false;
    return !wanted->most_ns || wanted->least_ns <= wanted->most_ns ||
           !err_set(err, ERR_INVALID, "minDuration is more than maxDuration");
}

/* ---- traces ---- */

static void write_trace(struct buf *out, const struct batch *batch)
{
    jaeger_traces_write(out, batch);
}

static void say_stopped(struct others_ask *ask, const struct span_found *found)
{
    buf_add_c(ask->out, "[{\"code\":408,\"msg\":\"the search took too long: traces that began "
                        "before ");
    buf_add_time(ask->out, found->stopped_at_ns);
    buf_add_c(ask->out, " were not looked at; ask for a shorter time\"}]}");
}

static int search(struct others_ask *ask, struct err *err)
{
    struct span_found found;
    struct jaeger_asked asked;
    uint32_t n;
    arena_init(&asked.arena, 1u << 20);
    if (read_search(ask->request, &asked, err) &&
        query_span_search(ask->query, &asked.wanted, &found, err) == 0) {
        open_data(ask);
        others_write_traces(ask, &found, write_trace, &n, err);
        close_data(ask, n);
        if (found.stopped)
            say_stopped(ask, &found);
        else
            no_errors(ask);
    }
    arena_fini(&asked.arena);
    return err->code;
}

static void add_missing(struct buf *missing, struct str id)
{
    buf_add_c(missing, missing->len ? "," : "[");
    buf_add_c(missing, "{\"code\":404,\"msg\":\"trace not found\",\"traceID\":");
    buf_add_json(missing, id);
    buf_add_char(missing, '}');
}

/* ?traceID=…&traceID=…: those, whenever they were; what is not there is said beside them. */
static int named(struct others_ask *ask, struct err *err)
{
    struct buf missing;
    struct str id;
    uint32_t n = 0;
    buf_init(&missing, 1u << 16);
    open_data(ask);
    for (unsigned i = 0; !err->code && (id = http_query_nth(ask->request, "traceID", i)).p; i++) {
        size_t before = ask->out->len;
        if (n)
            buf_add_char(ask->out, ',');
        others_write_trace(ask, id, write_trace, err);
        n += !err->code;
        if (err->code == ERR_NOT_FOUND) {
            ask->out->len = before;
            add_missing(&missing, id);
            *err = (struct err){0};
        }
    }
    close_data(ask, n);
    if (missing.len) {
        buf_add_str(ask->out, buf_str(&missing));
        buf_add_c(ask->out, "]}");
    } else {
        no_errors(ask);
    }
    buf_fini(&missing);
    return err->code;
}

static int traces(struct others_ask *ask, struct err *err)
{
    return http_query(ask->request, "traceID").len ? named(ask, err) : search(ask, err);
}
OTHERS_ROUTE(jaeger_traces, traces)

static int trace(struct others_ask *ask, struct err *err)
{
    open_data(ask);
    others_write_trace(ask, str_skip(http_path(ask->request), sizeof(TRACES) - 1), write_trace,
                       err);
    close_data(ask, 1);
    no_errors(ask);
    return err->code;
}

static void trace_apart(struct web *web, struct http_request *request)
{
    others_answer(web, request, trace);
}

void jaeger_trace(struct web *web, struct http_request *request, struct str id)
{
    (void)id;
    if (tempo_is_asked(request))
        tempo_trace_v1(web, request);
    else
        web_apart(web, request, trace_apart);
}
