/* zipkin.c - Zipkin's query API (formats: query APIs §5). It is asked on Zipkin's port, which the
 * receiver of its spans has open: the receiver hands questions over (server.h).
 */
#include "exporters/zipkin.h"

#include "collector/base/clock.h"
#include "collector/base/http_head.h"
#include "collector/store/spans.h"
#include "web/others.h"

#define DEFAULT_TRACES 10
#define MOST_NAMED 100
#define TRACE "/api/v2/trace/"

/* ---- names ---- */

static int services(struct others_ask *ask, struct err *err)
{
    struct others_list list = {.out = ask->out};
    struct name_filter all = {.fold_case = true};
    buf_add_char(ask->out, '[');
    query_span_services(ask->query, &all, others_add_name, &list, err);
    buf_add_char(ask->out, ']');
    return err->code;
}

typedef int names_f(struct query *query, const struct name_filter *filter,
                    bool (*row)(const struct query_rows *rows, void *ctx), void *ctx,
                    struct err *err);

static int names_of_service(struct others_ask *ask, names_f *names, struct err *err)
{
    struct others_list list = {.out = ask->out};
    struct name_filter filter = {.service = http_query(ask->request, "serviceName"),
                                 .fold_case = true};
    if (!filter.service.len)
        return err_set(err, ERR_INVALID, "serviceName is required");
    buf_add_char(ask->out, '[');
    names(ask->query, &filter, others_add_name, &list, err);
    buf_add_char(ask->out, ']');
    return err->code;
}

static int span_names(struct others_ask *ask, struct err *err)
{
    return names_of_service(ask, query_span_operations, err);
}

static int remote_services(struct others_ask *ask, struct err *err)
{
    return names_of_service(ask, query_span_peers, err);
}

/* Which tags to offer is a setting of Zipkin's that there is no need of here. */
static int autocomplete_keys(struct others_ask *ask, struct err *err)
{
    buf_add_c(ask->out, "[]");
    return err->code;
}

static int autocomplete_values(struct others_ask *ask, struct err *err)
{
    if (!http_query(ask->request, "key").len)
        return err_set(err, ERR_INVALID, "key is required");
    return autocomplete_keys(ask, err);
}

/* ---- calls between services ---- */

static bool add_dependency(const struct query_rows *rows, void *ctx)
{
    struct others_list *list = ctx;
    others_begin_dependency(list, rows);
    if (!str_eq(str_of(rows->values[3]), STR("0")))
        buf_addf(list->out, ",\"errorCount\":%s", rows->values[3]);
    buf_add_char(list->out, '}');
    return !buf_failed(list->out);
}

static int dependencies(struct others_ask *ask, struct err *err)
{
    struct others_list list = {.out = ask->out};
    struct name_filter all = {.fold_case = true};
    struct window window;
    if (!http_query(ask->request, "endTs").len)
        return err_set(err, ERR_INVALID, "endTs is required");
    if (!others_window(ask->request, &window, err))
        return err->code;
    buf_add_char(ask->out, '[');
    query_dependencies(ask->query, window, &all, add_dependency, &list, err);
    buf_add_char(ask->out, ']');
    return err->code;
}

/* ---- what is searched for ---- */

/* `error and http.method=GET`: a term without = is a tag that is there, or an annotation. */
static bool read_annotations(struct str text, struct span_wanted *wanted, struct span_tag *tags,
                             struct err *err)
{
    static const struct str and = STR(" and ");
    while (text.len) {
        size_t n = 0;
        while (n < text.len && !str_starts(str_skip(text, n), and))
            n++;
        struct str term = str_trim((struct str){text.p, n});
        text = str_skip(text, n + and.len);
        if (!term.len)
            continue;
        if (wanted->n_tags == MOST_SPAN_TAGS)
            return !err_set(err, ERR_INVALID, "annotationQuery has at most %d terms",
                            MOST_SPAN_TAGS);
        struct span_tag *tag = &tags[wanted->n_tags++];
        *tag = (struct span_tag){0};
        tag->any_value = !str_cut(term, '=', &tag->key, &tag->value);
        if (!tag->key.len)
            return !err_set(err, ERR_INVALID, "annotationQuery is key=value and key and …");
    }
    return true;
}

static bool read_duration(const struct http_request *request, const char *name, uint64_t *ns,
                          struct err *err)
{
    return others_time(request, name, NS_PER_US, 0, ns, err);
}

static bool read_search(const struct http_request *request, struct span_wanted *wanted,
                        struct span_tag *tags, struct err *err)
{
    struct str name = http_query(request, "spanName");
    *wanted = (struct span_wanted){.service = http_query(request, "serviceName"),
                                   .operation = str_eq(name, STR("all")) ? STR_NONE : name,
                                   .peer = http_query(request, "remoteServiceName"),
                                   .tags = tags,
                                   .fold_case = true,
                                   .apart = true};
    if (!others_window(request, &wanted->window, err) ||
        !read_duration(request, "minDuration", &wanted->least_ns, err) ||
        !read_duration(request, "maxDuration", &wanted->most_ns, err) ||
        !others_limit(request, DEFAULT_TRACES, &wanted->limit, err) ||
        !read_annotations(http_query(request, "annotationQuery"), wanted, tags, err))
        return false;
    if (wanted->most_ns && !wanted->least_ns)
        return !err_set(err, ERR_INVALID, "maxDuration needs minDuration");
    return !wanted->most_ns || wanted->least_ns <= wanted->most_ns ||
           !err_set(err, ERR_INVALID, "minDuration is more than maxDuration");
}

/* ---- traces ---- */

static int traces(struct others_ask *ask, struct err *err)
{
    struct span_found found;
    struct span_tag tags[MOST_SPAN_TAGS];
    struct span_wanted wanted;
    uint32_t n;
    if (!read_search(ask->request, &wanted, tags, err) ||
        query_span_search(ask->query, &wanted, &found, err))
        return err->code;
    others_warn_stopped(ask, &found);
    buf_add_char(ask->out, '[');
    others_write_traces(ask, &found, zipkin_json_write, &n, err);
    buf_add_char(ask->out, ']');
    return err->code;
}

static int trace(struct others_ask *ask, struct err *err)
{
    struct str id = str_skip(http_path(ask->request), sizeof(TRACE) - 1);
    bool exists;
    if (query_trace_exists(ask->query, id, &exists, err))
        return err->code;
    if (!exists)
        return err_set(err, ERR_NOT_FOUND, "%.*s not found", STR_ARG(id));
    return others_write_trace(ask, id, zipkin_json_write, err);
}

/* The ids between commas, each once: how many, 0 (err set) when there are too many. */
static unsigned read_ids(struct str text, struct str *ids, struct err *err)
{
    unsigned n = 0;
    struct str id;
    while (text.len) {
        unsigned i = 0;
        str_cut(text, ',', &id, &text);
        id = str_trim(id);
        while (i < n && !str_eq(ids[i], id))
            i++;
        if (i < n || !id.len)
            continue;
        if (n == MOST_NAMED) {
            err_set(err, ERR_INVALID, "traceIds names at most %d traces", MOST_NAMED);
            return 0;
        }
        ids[n++] = id;
    }
    return n;
}

static int trace_many(struct others_ask *ask, struct err *err)
{
    struct str ids[MOST_NAMED];
    unsigned n = read_ids(http_query(ask->request, "traceIds"), ids, err);
    bool any = false, exists = false;
    if (!err->code && n < 2)
        err_set(err, ERR_INVALID, "traceIds names at least two different traces");
    buf_add_char(ask->out, '[');
    for (unsigned i = 0; i < n && !err->code; i++) {
        if (query_trace_exists(ask->query, ids[i], &exists, err) || !exists)
            continue;
        size_t before = ask->out->len;
        if (any)
            buf_add_char(ask->out, ',');
        others_write_trace(ask, ids[i], zipkin_json_write, err);
        any |= !err->code;
        if (err->code == ERR_NOT_FOUND) { /* its spans were not kept */
            ask->out->len = before;
            *err = (struct err){0};
        }
    }
    buf_add_char(ask->out, ']');
    return err->code;
}

/* ---- routes ---- */

static const struct row {
    const char *path; /* one that ends in '/' has something behind it */
    others_ask_f *answer;
} rows[] = {
    {"/api/v2/services", services},
    {"/api/v2/spans", span_names},
    {"/api/v2/remoteServices", remote_services},
    {"/api/v2/traces", traces},
    {TRACE, trace},
    {"/api/v2/traceMany", trace_many},
    {"/api/v2/dependencies", dependencies},
    {"/api/v2/autocompleteKeys", autocomplete_keys},
    {"/api/v2/autocompleteValues", autocomplete_values},
};

static const struct row *find(struct str path)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str own = str_of(rows[i].path);
        if (str_ends(own, STR("/")) ? str_starts(path, own) && path.len > own.len
                                    : str_eq(path, own))
            return &rows[i];
    }
    return NULL;
}

enum web_asked web_zipkin_begin(struct web *web, struct http_request *request)
{
    const struct row *row = find(http_path(request));
    struct str method = http_method(request);
    bool get = str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
    if (!row || (!get && row->answer == span_names)) /* spans are sent there */
        return WEB_NOT_ASKED;
    if (!get) {
        http_add_header(request, "Allow", "GET, HEAD");
        web_refuse(request, 405, "this path takes another method");
    } else if (!http_host_is(http_header(request, "Host"), web->settings.hosts)) {
        web_refuse(request, 421, "this Host is not one of web.hosts");
    } else if (web_may_read(web, request)) {
        return WEB_MAY_ASK;
    }
    return WEB_REFUSED;
}

static void answer_apart(struct web *web, struct http_request *request)
{
    others_answer(web, request, find(http_path(request))->answer);
}

void web_zipkin_answer(struct web *web, struct http_request *request)
{
    web_apart(web, request, answer_apart);
}
