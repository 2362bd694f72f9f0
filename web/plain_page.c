/* plain_page.c - the page without a script: edges, recent traces, one trace. Every text is escaped.
 *
 * It is what a browser without scripts shows, and the whole page of a program built with UI=0.
 */
#include <stdio.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "web/routes.h"

#define PAGE_WINDOW_NS (15 * NS_PER_MINUTE)

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1b1f24;--dim:#667085;--line:#e4e7ec;--paper:#fff;--red:#c4320a;--bar:#84adff}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#98a2b3;--line:#2b313b;--paper:#"
    "12151a;"
    "--red:#ff8a65;--bar:#3d63b8}}\n"
    "body{margin:0 auto;max-width:72rem;padding:1.5rem;font:15px/1.5 "
    "system-ui,sans-serif;color:var(--ink);"
    "background:var(--paper)}\n"
    "h1{font-size:1.25rem;margin:0 0 .25rem}h2{font-size:1rem;margin:2rem 0 "
    ".5rem}p{color:var(--dim);margin:.25rem 0}\n"
    "table{border-collapse:collapse;width:100%}th,td{padding:.35rem .6rem;border-bottom:1px solid "
    "var(--line);"
    "text-align:left;vertical-align:top}\n"
    "th{font-weight:600;color:var(--dim);font-size:.85rem}td.n,th.n{text-align:right;font-variant-"
    "numeric:tabular-nums}\n"
    "a{color:inherit}.bad{color:var(--red);font-weight:600}.scroll{overflow-x:auto}\n"
    "code{font:13px ui-monospace,monospace}\n"
    "";

void page_style(struct http_request *request)
{
    http_add_header(request, "Cache-Control", "max-age=3600");
    httpd_answer(request, 200, "text/css; charset=utf-8", STR(style), false);
}

void page_escape(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.p[i]) {
        case '<':
            buf_add_c(out, "&lt;");
            break;
        case '>':
            buf_add_c(out, "&gt;");
            break;
        case '&':
            buf_add_c(out, "&amp;");
            break;
        case '"':
            buf_add_c(out, "&quot;");
            break;
        default:
            buf_add_char(out, text.p[i]);
        }
    }
}

static void head(struct buf *out, const char *title)
{
    buf_addf(out,
             "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title>"
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
             "<link rel=\"stylesheet\" href=\"/style.css\"></head><body>",
             title);
}

static void answer_page(struct http_request *request, unsigned status, struct buf *out)
{
    buf_add_c(out, "</body></html>\n");
    page_answer(request, status, out);
}

/* One row of a query as table cells: text escaped, numbers to the right; ns columns are shown in
 * ms. */
struct table {
    struct buf *out;
    const char *kinds; /* one letter a column: t text, n number, d duration, e errors, i trace id */
    size_t n_rows;
};

static void cell(struct table *table, char kind, struct str text)
{
    struct buf *out = table->out;
    double ns;
    buf_add_c(out, kind == 't' || kind == 'i' ? "<td>" : "<td class=\"n\">");
    if (kind == 'i') {
        buf_add_c(out, "<a href=\"/trace/");
        page_escape(out, text);
        buf_add_c(out, "\"><code>");
        page_escape(out, (struct str){text.p, text.len < 8 ? text.len : 8});
        buf_add_c(out, "</code></a>");
    } else if (kind == 'd') {
        if (str_to_double(text, &ns))
            buf_addf(out, ns < 1e6 ? "%.2f ms" : ns < 1e9 ? "%.1f ms" : "%.0f ms", ns / 1e6);
    } else if (kind == 'e' && !str_eq(text, STR("0"))) {
        buf_add_c(out, "<span class=\"bad\">");
        page_escape(out, text);
        buf_add_c(out, "</span>");
    } else {
        page_escape(out, text);
    }
    buf_add_c(out, "</td>");
}

static bool add_row(const struct query_rows *rows, void *ctx)
{
    struct table *table = ctx;
    buf_add_c(table->out, "<tr>");
    for (int i = 0; i < rows->n_columns && table->kinds[i]; i++) {
        struct str text = {rows->values[i], rows->values[i] ? (size_t)rows->lengths[i] : 0};
        cell(table, table->kinds[i], text);
    }
    buf_add_c(table->out, "</tr>\n");
    table->n_rows++;
    return !buf_failed(table->out);
}

static void add_edges(struct query *query, struct buf *out, struct err *err)
{
    struct table table = {out, "tttnneedd", 0};
    buf_add_c(out, "<h2>Calls of the last 15 minutes</h2><div "
                   "class=\"scroll\"><table><thead><tr><th>caller</th><th>callee"
                   "</th><th>via</th><th class=\"n\">calls</th><th class=\"n\">retries</th><th "
                   "class=\"n\">failed</th>"
                   "<th class=\"n\">began here</th><th class=\"n\">mean</th><th "
                   "class=\"n\">p95</th></tr></thead><tbody>");
    query_plain_calls(query, clock_wall_ns() - PAGE_WINDOW_NS, add_row, &table, err);
    buf_add_c(out, "</tbody></table></div>");
    if (!table.n_rows)
        buf_add_c(out, "<p>No calls yet. Spans show here about ten seconds after they came.</p>");
}

static void add_traces(struct query *query, struct buf *out, struct err *err)
{
    struct table table = {out, "ittdnet", 0};
    buf_add_c(out, "<h2>Recent traces</h2><div "
                   "class=\"scroll\"><table><thead><tr><th>trace</th><th>start</th><th>entry</th>"
                   "<th class=\"n\">duration</th><th class=\"n\">spans</th><th class=\"n\">failed "
                   "spans</th><th>began at</th>"
                   "</tr></thead><tbody>");
    query_plain_traces(query, add_row, &table, err);
    buf_add_c(out, "</tbody></table></div>");
}

static void answer_failure(struct http_request *request, struct buf *out, const struct err *err)
{
    buf_reset(out);
    head(out, "faultline");
    buf_add_c(out, "<h1>faultline</h1><p class=\"bad\">");
    page_escape(out, str_of(err->text));
    buf_add_c(out, "</p>");
    answer_page(request,
                err->code == ERR_NOT_FOUND ? 404
                : err->code == ERR_INVALID ? 400
                                           : 503,
                out);
}

static bool add_incident(const struct query_rows *rows, void *ctx)
{
    struct buf *out = ctx;
    buf_add_c(out, "<p class=\"bad\">Incident ");
    page_escape(out, (struct str){rows->values[0], (size_t)rows->lengths[0]});
    buf_add_c(out, ", open since ");
    page_escape(out, (struct str){rows->values[1], (size_t)rows->lengths[1]});
    buf_add_c(out, " UTC: ");
    page_escape(out, (struct str){rows->values[2], (size_t)rows->lengths[2]});
    buf_add_c(out, "</p>");
    return true;
}

/* A file of before incidents has none: no reason to show nothing else. */
static void add_incidents(struct query *query, struct buf *out)
{
    struct err ignored = {0};
    query_plain_incidents(query, add_incident, out, &ignored);
}

void plain_traces(struct web *web, struct buf *out)
{
    struct err err = {0};
    struct query *query = web_query_take(web, &err);
    if (query) {
        add_incidents(query, out);
        add_traces(query, out, &err);
    }
    web_query_give(web, query);
}

void page_plain(struct web *web, struct http_request *request)
{
    struct err err = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    struct query *query = web_query_take(web, &err);
    head(&out, "faultline");
    buf_add_c(
        &out,
        "<h1>faultline</h1><p>Who called whom, and where failures began. Also: "
        "<a href=\"/metrics\">metrics</a>, <a href=\"/api/v1/graph\">graph</a>, "
        "<a href=\"/api/v1/status\">status</a>, <a href=\"/api/v1/tail\">last batches</a>.</p>");
    if (query) {
        add_incidents(query, &out);
        add_edges(query, &out, &err);
        add_traces(query, &out, &err);
    }
    if (err.code)
        answer_failure(request, &out, &err);
    else
        answer_page(request, 200, &out);
    web_query_give(web, query);
    buf_fini(&out);
}

static bool good_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (!memchr("0123456789abcdef", id.p[i], 16))
            return false;
    }
    return id.len == 32;
}

/* The fields of one span that the page shows, in order of its columns. */
static const char *const shown[] = {"start_time",  "service", "operation",
                                    "duration_ns", "self_ns", "fault",
                                    "role",        "kind",    "response_flags"};
enum { N_SHOWN = 9 };

static struct str scalar(struct json *json, struct arena *arena)
{
    struct json_text text;
    struct str raw = STR_NONE;
    if (json_peek(json) == JSON_STRING)
        return json_string(json, &text) ? json_unescape(arena, text) : STR_NONE;
    json_skip(json, &raw);
    return str_eq(raw, STR("null")) ? STR_NONE : raw;
}

static void add_span(struct json *json, struct arena *arena, struct table *table)
{
    struct str values[N_SHOWN] = {{0}};
    struct json_text key;
    if (!json_open_object(json))
        return;
    while (json_next_key(json, &key)) {
        struct str value = scalar(json, arena);
        for (int i = 0; i < N_SHOWN; i++) {
            if (str_eq(key.raw, str_of(shown[i])))
                values[i] = value;
        }
    }
    values[0] = str_skip(values[0], 11);
    buf_add_c(table->out, "<tr>");
    static const char kinds[N_SHOWN + 1] = "tttddtttt";
    for (int i = 0; i < N_SHOWN; i++) {
        bool bad =
            i == 5 && (str_eq(values[i], STR("origin")) || str_eq(values[i], STR("carried")));
        cell(table, bad ? 'e' : kinds[i], values[i]);
    }
    buf_add_c(table->out, "</tr>\n");
}

/* Walks {"trace":…,"spans":[…],"calls":…}. */
static void add_spans(struct str text, struct table *table)
{
    struct json json;
    struct json_text key;
    struct arena arena;
    arena_init(&arena, ANSWER_BYTES);
    json_init(&json, text);
    if (json_open_object(&json)) {
        while (json_next_key(&json, &key)) {
            if (!str_eq(key.raw, STR("spans"))) {
                json_skip(&json, NULL);
                continue;
            }
            if (json_open_array(&json)) {
                while (json_next_item(&json))
                    add_span(&json, &arena, table);
            }
        }
    }
    arena_fini(&arena);
}

void page_plain_trace(struct web *web, struct http_request *request, struct str id)
{
    struct err err = {0};
    struct buf out, json;
    struct table table = {&out, "", 0};
    buf_init(&out, ANSWER_BYTES);
    buf_init(&json, ANSWER_BYTES);
    struct query *query = good_id(id) ? web_query_take(web, &err) : NULL;
    if (!query && !err.code)
        err_set(&err, ERR_INVALID, "a trace id is 32 hexadecimal digits");
    if (query && query_trace_json(query, id, &json, &err) == 0) {
        head(&out, "trace");
        buf_addf(&out,
                 "<h1>Trace <code>%.*s</code></h1><p><a href=\"/\">all traces</a> · "
                 "<a href=\"/api/v1/traces/%.*s\">JSON</a></p><div "
                 "class=\"scroll\"><table><thead><tr><th>start</th>"
                 "<th>service</th><th>operation</th><th class=\"n\">duration</th><th "
                 "class=\"n\">self</th><th>fault</th>"
                 "<th>role</th><th>kind</th><th>flags</th></tr></thead><tbody>",
                 STR_ARG(id), STR_ARG(id));
        add_spans(buf_str(&json), &table);
        buf_add_c(&out, "</tbody></table></div>");
    }
    if (err.code)
        answer_failure(request, &out, &err);
    else
        answer_page(request, 200, &out);
    web_query_give(web, query);
    buf_fini(&json);
    buf_fini(&out);
}
