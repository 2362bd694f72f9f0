/* server.c - the server on 4319: its routes as a table, and the manners all of them share. */
#include "web/server.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/http_head.h"
#include "web/routes.h"

#define JSON "application/json"
#define TEXT "text/plain; charset=utf-8"
#define N_THREADS 2
#define PACK_FROM 1024 /* bytes; below, packing saves no packet */

/* ---- connections to the database ---- */

struct query *web_query_take(struct web *web, struct err *err)
{
    struct query *query = NULL;
    pthread_mutex_lock(&web->mutex);
    if (web->n_idle)
        query = web->idle[--web->n_idle];
    pthread_mutex_unlock(&web->mutex);
    if (!query)
        query_open(web->db_path, &query, err);
    return query;
}

void web_query_give(struct web *web, struct query *query)
{
    if (!query)
        return;
    pthread_mutex_lock(&web->mutex);
    bool kept = web->n_idle < sizeof(web->idle) / sizeof(web->idle[0]);
    if (kept)
        web->idle[web->n_idle++] = query;
    pthread_mutex_unlock(&web->mutex);
    if (!kept)
        query_close(query);
}

/* ---- answers ---- */

/* Who asks again says what it has: the same bytes are not sent twice. Packed they are other bytes,
 * with a tag of their own. */
static void answer_tagged(struct http_request *request, const char *type, struct str body)
{
    char tag[24];
    struct buf packed;
    bool pack = body.len >= PACK_FROM && web_takes_gzip(request);
    snprintf(tag, sizeof(tag), "\"%016llx%s\"", (unsigned long long)hash_str(body),
             pack ? "z" : "");
    http_add_header(request, "Cache-Control", "no-store");
    if (body.len >= PACK_FROM)
        http_add_header(request, "Vary", "Accept-Encoding");
    if (str_contains(http_header(request, "If-None-Match"), str_of(tag))) {
        http_add_header(request, "ETag", tag);
        httpd_answer(request, 304, NULL, STR_NONE, false);
        return;
    }
    buf_init(&packed, ANSWER_BYTES + (ANSWER_BYTES >> 4));
    if (pack && web_gzip(body, &packed)) {
        http_add_header(request, "Content-Encoding", "gzip");
        body = buf_str(&packed);
    } else if (pack) { /* memory is short: as it is, under no tag */
        tag[0] = '\0';
    }
    if (tag[0])
        http_add_header(request, "ETag", tag);
    httpd_answer(request, 200, type, body, false);
    buf_fini(&packed);
}

void web_answer(struct http_request *request, const char *type, struct buf *body)
{
    struct err err;
    web_note_slow(request);
    if (buf_failed(body)) {
        err_set(&err, ERR_TOO_BIG, "the answer is too large; ask for less");
        web_answer_error(request, &err);
        return;
    }
    answer_tagged(request, type, buf_str(body));
}

void web_answer_json(struct http_request *request, struct buf *body)
{
    web_answer(request, JSON, body);
}

void web_answer_error(struct http_request *request, const struct err *err)
{
    static const struct {
        const char *word;
        unsigned status;
    } rows[] = {[ERR_NONE] = {"internal", 500},
                [ERR_INVALID] = {"invalid", 400},
                [ERR_UNSUPPORTED] = {"unsupported", 415},
                [ERR_TOO_BIG] = {"too_big", 413},
                [ERR_BUSY] = {"busy", 503},
                [ERR_IO] = {"internal", 500},
                [ERR_NOT_FOUND] = {"not_found", 404},
                [ERR_FORBIDDEN] = {"forbidden", 403},
                [ERR_TIMEOUT] = {"timeout", 408}};
    unsigned status = rows[err->code].status;
    struct buf body;
    web_note_slow(request);
    buf_init(&body, 4096);
    const char *type = others_word_error(http_path(request), status, rows[err->code].word,
                                         str_of(err->text), &body);
    http_add_header(request, "Cache-Control", "no-store");
    if (status == 503)
        http_add_header(request, "Retry-After", "1");
    httpd_answer(request, status, type, buf_str(&body), false);
    buf_fini(&body);
}

void web_answer_asked(struct web *web, struct http_request *request, struct query *query,
                      struct buf *out, const struct err *err)
{
    if (err->code)
        web_answer_error(request, err);
    else
        web_answer_json(request, out);
    web_query_give(web, query);
    buf_fini(out);
}

static void answer_text(struct http_request *request, unsigned status, const char *text)
{
    http_add_header(request, "Cache-Control", "no-store");
    httpd_answer(request, status, TEXT, str_of(text), false);
}

/* ---- operator endpoints ---- */

static void get_healthy(struct web *web, struct http_request *request)
{
    const char *stuck = web->settings.hooks.unhealthy(web->settings.hooks.ctx);
    answer_text(request, stuck[0] ? 503 : 200, stuck[0] ? stuck : "ok");
}

static void get_ready(struct web *web, struct http_request *request)
{
    const char *word = web->settings.hooks.not_ready(web->settings.hooks.ctx);
    answer_text(request, word[0] ? 503 : 200, word[0] ? word : "ready");
}

static void answer_flush(struct web *web, struct buf *out, struct err *err)
{
    uint64_t n_cut = 0;
    if (web->settings.hooks.flush(web->settings.hooks.ctx, &n_cut, err) == 0)
        buf_addf(out, "{\"cut\":%llu,\"committed\":true}", (unsigned long long)n_cut);
}

static void answer_vacuum(struct web *web, struct buf *out, struct err *err)
{
    uint64_t bytes[2];
    if (web->settings.hooks.vacuum(web->settings.hooks.ctx, bytes, err) == 0)
        buf_addf(out, "{\"before\":%llu,\"after\":%llu}", (unsigned long long)bytes[0],
                 (unsigned long long)bytes[1]);
}

struct deed {
    struct web *web;
    struct http_request *request;
    void (*answer)(struct web *web, struct buf *out, struct err *err);
};

static void *run_deed(void *arg)
{
    struct deed *deed = arg;
    struct err err = {0};
    struct buf out;
    buf_init(&out, 256);
    deed->answer(deed->web, &out, &err);
    if (err.code)
        web_answer_error(deed->request, &err);
    else
        web_answer_json(deed->request, &out);
    buf_fini(&out);
    free(deed);
    return NULL;
}

/* What waits for the disk does so on a thread of its own: others are served meanwhile. */
static void do_apart(struct web *web, struct http_request *request,
                     void (*answer)(struct web *web, struct buf *out, struct err *err))
{
    pthread_t thread;
    pthread_attr_t attr;
    struct deed *deed = malloc(sizeof(*deed));
    struct err err;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (deed)
        *deed = (struct deed){web, request, answer};
    if (!deed || pthread_create(&thread, &attr, run_deed, deed) != 0) {
        free(deed);
        err_set(&err, ERR_BUSY, "memory is short; try again");
        web_answer_error(request, &err);
    }
    pthread_attr_destroy(&attr);
}

static void post_flush(struct web *web, struct http_request *request)
{
    do_apart(web, request, answer_flush);
}

static void post_vacuum(struct web *web, struct http_request *request)
{
    do_apart(web, request, answer_vacuum);
}

static void post_reload(struct web *web, struct http_request *request)
{
    struct buf mistakes;
    struct err err;
    buf_init(&mistakes, 1u << 20);
    if (web->settings.hooks.reload(web->settings.hooks.ctx, &mistakes)) {
        err_set(&err, ERR_INVALID, "%.*s", (int)(mistakes.len < 380 ? mistakes.len : 380),
                mistakes.p);
        web_answer_error(request, &err);
    } else {
        answer_text(request, 200, "reloaded");
    }
    buf_fini(&mistakes);
}

static void get_metrics(struct web *web, struct http_request *request)
{
    struct buf out, packed;
    const char *content_type = TEXT;
    buf_init(&out, (size_t)256 << 20);
    buf_init(&packed, (size_t)256 << 20);
    web->settings.hooks.metrics(web->settings.hooks.ctx, http_header(request, "Accept"), &out,
                                &content_type);
    http_add_header(request, "Vary", "Accept, Accept-Encoding");
    if (web_takes_gzip(request) && web_gzip(buf_str(&out), &packed)) {
        http_add_header(request, "Content-Encoding", "gzip");
        httpd_answer(request, 200, content_type, buf_str(&packed), false);
    } else {
        httpd_answer(request, 200, content_type, buf_str(&out), false);
    }
    buf_fini(&out);
    buf_fini(&packed);
}

static void get_style(struct web *web, struct http_request *request)
{
    (void)web;
    page_style(request);
}

/* ---- routes ---- */

struct route {
    const char *method; /* GET stands for HEAD too */
    const char *path;
    void (*answer)(struct web *web, struct http_request *request);
    void (*answer_rest)(struct web *web, struct http_request *request,
                        struct str rest); /* for paths that end in '/' */
};

static const struct route routes[] = {
    {"GET", "/", page_shell, NULL},
    {"GET", "/incident/", NULL, page_shell_rest},
    {"GET", "/graph", page_shell, NULL},
    {"GET", "/traces", page_shell, NULL},
    {"GET", "/trace/", NULL, page_trace},
    {"GET", "/services", page_shell, NULL},
    {"GET", "/service/", NULL, page_shell_rest},
    {"GET", "/network", page_shell, NULL},
    {"GET", "/sql", page_shell, NULL},
    {"GET", "/status", page_shell, NULL},
    {"GET", "/assets/", NULL, page_file},
    {"GET", "/plain", page_plain, NULL},
    {"GET", "/plain/trace/", NULL, page_plain_trace},
    {"GET", "/style.css", get_style, NULL},
    {"GET", "/metrics", get_metrics, NULL},
    {"GET", "/-/healthy", get_healthy, NULL},
    {"GET", "/healthz", get_healthy, NULL},
    {"GET", "/livez", get_healthy, NULL},
    {"GET", "/-/ready", get_ready, NULL},
    {"GET", "/readyz", get_ready, NULL},
    {"POST", "/-/flush", post_flush, NULL},
    {"POST", "/-/reload", post_reload, NULL},
    {"POST", "/-/vacuum", post_vacuum, NULL},
    {"GET", "/api/v1/graph", api_graph, NULL},
    {"GET", "/api/v1/graph/diff", api_graph_diff, NULL},
    {"GET", "/api/v1/series", api_series, NULL},
    {"GET", "/api/v1/now", api_now, NULL},
    {"GET", "/api/v1/edge", api_edge, NULL},
    {"GET", "/api/v1/red", api_red, NULL},
    {"GET", "/api/v1/service/", NULL, api_service},
    {"GET", "/api/v1/crossings", api_crossings, NULL},
    {"GET", "/api/v1/security", api_security, NULL},
    {"GET", "/api/v1/hairpins", api_hairpins, NULL},
    {"GET", "/api/v1/zones", api_zones, NULL},
    {"GET", "/api/v1/services", api_services, NULL},
    {"GET", "/api/v1/operations", api_operations, NULL},
    {"GET", "/api/v1/traces", api_traces, NULL},
    {"GET", "/api/v1/traces/", NULL, api_trace},
    {"GET", "/api/v1/search", api_search, NULL},
    {"GET", "/api/v1/search/traces", api_search_traces, NULL},
    {"GET", "/api/v1/search/overview", api_search_overview, NULL},
    {"GET", "/api/v1/search/different", api_search_different, NULL},
    {"GET", "/api/v1/search/sql", api_search_sql, NULL},
    {"GET", "/api/v1/search/traces.csv", api_search_csv, NULL},
    {"POST", "/api/v1/sql", api_sql, NULL},
    {"GET", "/api/v1/sql/examples", api_sql_examples, NULL},
    {"GET", "/api/v1/export", api_export, NULL},
    {"GET", "/api/v1/backup", api_backup, NULL},
    {"GET", "/api/v1/status", api_status, NULL},
    {"GET", "/api/v1/tail", api_tail, NULL},
    {"GET", "/api/v1/diagnose", api_diagnose, NULL},
    {"GET", "/api/v1/compare", api_compare, NULL},
    {"GET", "/api/v1/incidents", api_incidents, NULL},
    {"GET", "/api/v1/incidents/", NULL, api_incident},
    {"GET", "/api/v1/openapi.json", api_openapi, NULL},
    {"GET", "/api/services", jaeger_services, NULL},
    {"GET", "/api/services/", NULL, jaeger_service_operations},
    {"GET", "/api/operations", jaeger_operations, NULL},
    {"GET", "/api/traces", jaeger_traces, NULL},
    {"GET", "/api/traces/", NULL, jaeger_trace},
    {"GET", "/api/dependencies", jaeger_dependencies, NULL},
    {"GET", "/api/v3/services", jaeger_v3_services, NULL},
    {"GET", "/api/v3/operations", jaeger_v3_operations, NULL},
    {"GET", "/api/v3/traces", jaeger_v3_traces, NULL},
    {"GET", "/api/v3/traces/", NULL, jaeger_v3_trace},
    {"GET", "/api/v3/trace-summaries", jaeger_v3_summaries, NULL},
    {"GET", "/api/echo", tempo_echo, NULL},
    {"GET", "/api/status/buildinfo", tempo_buildinfo, NULL},
    {"GET", "/api/v2/traces/", NULL, tempo_trace},
};

static const struct route *find_route(struct str path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct str own = str_of(routes[i].path);
        bool fits =
            routes[i].answer_rest ? str_starts(path, own) && path.len > own.len : str_eq(path, own);
        if (fits)
            return &routes[i];
    }
    return NULL;
}

static const char *code_of(unsigned status)
{
    return status == 404   ? "not_found"
           : status == 403 ? "forbidden"
           : status == 401 ? "unauthorized"
           : status == 503 ? "busy"
           : status == 413 ? "too_big"
           : status == 408 ? "timeout"
                           : "invalid";
}

void web_refuse(struct http_request *request, unsigned status, const char *text)
{
    struct buf body;
    buf_init(&body, 1024);
    const char *type =
        others_word_error(http_path(request), status, code_of(status), str_of(text), &body);
    http_add_header(request, "Cache-Control", "no-store");
    httpd_answer(request, status, type, buf_str(&body), false);
    buf_fini(&body);
}

/* False when it was answered. */
static bool has_role(const struct web *web, struct http_request *request, bool admin)
{
    switch (auth_check(web->settings.auth, http_header(request, "Authorization"),
                       admin ? AUTH_ADMIN : AUTH_READ)) {
    case AUTH_GOOD:
        return true;
    case AUTH_FORBIDDEN:
        web_refuse(request, 403,
                   admin ? "this needs a token of the role admin" : "this token may not read");
        return false;
    default:
        http_add_header(request, "WWW-Authenticate", "Basic realm=\"faultline\"");
        web_refuse(request, 401, "a token is needed: as Bearer, or as the password");
        return false;
    }
}

bool web_may_read(const struct web *web, struct http_request *request)
{
    return has_role(web, request, false);
}

/* Health is everybody's; what changes something is the administrator's. False when it was answered.
 */
static bool may_ask(const struct web *web, struct http_request *request, const struct route *route)
{
    bool admin = str_starts(str_of(route->path), STR("/-/")) && route->method[0] == 'P';
    if (route->answer == get_healthy || route->answer == get_ready)
        return true;
    return has_role(web, request, admin);
}

/* Spans go to other ports. */
static void refuse_unknown(const struct web *web, struct http_request *request)
{
    static const struct {
        struct str path;
        const char *reason;
    } ports[] = {
        {STR("/v1/traces"),
         "this is the page's port; OTLP goes to receive.otlp_http.listen (4318)"},
        {STR("/v1/metrics"),
         "this is the page's port; OTLP goes to receive.otlp_http.listen (4318)"},
        {STR("/v1/logs"), "this is the page's port; OTLP goes to receive.otlp_http.listen (4318)"},
        {STR("/api/v1/write"),
         "this is the page's port; remote write goes to receive.otlp_http.listen (4318)"},
        {STR("/api/v2/spans"),
         "this is the page's port; Zipkin spans go to receive.zipkin.listen (9411)"},
    };
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        if (!str_eq(http_path(request), ports[i].path) ||
            !str_eq(http_method(request), STR("POST")))
            continue;
        char peer[64];
        struct str from = http_peer(request);
        snprintf(peer, sizeof(peer), "%.*s", STR_ARG(from));
        web->settings.hooks.misdirected(web->settings.hooks.ctx, ports[i].path.p, peer,
                                        ports[i].reason);
        web_refuse(request, 404, ports[i].reason);
        return;
    }
    web_refuse(request, 404, "there is no such page");
}

/* Somebody's browser that was sent where no page is: the page says so, and leads on. */
static bool wants_page(struct http_request *request)
{
    static const struct str machines[] = {STR("/api/"), STR("/v1/"), STR("/-/"), STR("/assets/")};
    struct str accept = http_header(request, "Accept"), path = http_path(request);
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        if (str_starts(path, machines[i]))
            return false;
    }
    return accept.len && memmem(accept.p, accept.len, "text/html", 9) &&
           !str_eq(http_method(request), STR("POST"));
}

/* Was a page of somebody else's the one to ask? Old browsers do not say it, nor does any to an
 * address in clear text that is not its own machine's: there the page's origin tells ("null" for
 * those that hide it). Programs send neither. */
static bool is_of_another_site(const struct web *web, struct http_request *request)
{
    struct str site = http_header(request, "Sec-Fetch-Site");
    struct str origin = http_header(request, "Origin"), scheme, host;
    if (str_eq(site, STR("same-origin")) || str_eq(site, STR("none")))
        return false;
    if (str_eq(site, STR("cross-site")))
        return true;
    return origin.len && !(str_cut(origin, ':', &scheme, &host) && str_starts(host, STR("//")) &&
                           http_host_is(str_skip(host, 2), web->settings.hosts));
}

/* What the head decides: other sites' forms, whatever they are sent to, unknown paths, wrong
 * methods. */
static int begin(struct http_request *request, void *ctx)
{
    const struct route *route = find_route(http_path(request));
    struct str method = http_method(request);
    bool head = str_eq(method, STR("HEAD"));
    /* Making a file takes the disk: no picture on another site may ask for one. */
    bool costly = route && (route->answer == api_export || route->answer == api_backup);
    if ((costly || str_eq(method, STR("POST"))) && is_of_another_site(ctx, request)) {
        web_refuse(request, 403, "not from a page of another site (web.hosts)");
        return 1;
    }
    if (!route) {
        if (!wants_page(request))
            refuse_unknown(ctx, request);
        else if (web_may_read(ctx, request))
            page_unknown(ctx, request);
        return 1;
    }
    if (!str_eq(head ? STR("GET") : method, str_of(route->method))) {
        http_add_header(request, "Allow", route->method[0] == 'G' ? "GET, HEAD" : route->method);
        web_refuse(request, 405, "this path takes another method");
        return 1;
    }
    return may_ask(ctx, request, route) ? 0 : 1;
}

static void finish(struct http_request *request, void *ctx)
{
    struct web *web = ctx;
    struct str path = http_path(request);
    const struct route *route = find_route(path);
    if (route->answer_rest)
        route->answer_rest(web, request, str_skip(path, strlen(route->path)));
    else
        route->answer(web, request);
}

static void word_refusal(struct http_request *request, unsigned status, const char *reason,
                         struct buf *body, const char **content_type, void *ctx)
{
    (void)ctx;
    *content_type =
        others_word_error(http_path(request), status, code_of(status), str_of(reason), body);
    http_add_header(request, "Cache-Control", "no-store");
}

/* ---- life ---- */

int web_start(const struct web_settings *settings, struct web **result, struct err *err)
{
    struct web *web = calloc(1, sizeof(*web));
    if (!web)
        return err_set(err, ERR_BUSY, "memory is short");
    web->settings = *settings;
    web->db_path = strdup(settings->db_path);
    pthread_mutex_init(&web->mutex, NULL);
    web_apart_init(web);
    web->memory = graph_memory_new();
    *result = web; /* before the first request can ask for it */
    for (size_t i = 0; settings->listen[i] && i < MAX_SERVERS; i++) {
        struct httpd_settings httpd = {
            .listen = settings->listen[i],
            .hosts = settings->hosts,
            .budget = settings->budget,
            .tls = settings->tls,
            .max_body = 1u << 20,
            .head_deadline_ns = 10 * NS_PER_S,
            .body_deadline_ns = 30 * NS_PER_S,
            .body_deadline_ns_per_mib = NS_PER_S,
            .idle_deadline_ns = 60 * NS_PER_S,
            .threads = N_THREADS,
            .begin = begin,
            .finish = finish,
            .refuse = word_refusal,
            .ctx = web,
        };
        if (httpd_start(&httpd, &web->servers[i], err)) {
            *result = NULL;
            web_stop(web, 0);
            return err->code;
        }
        atomic_store(&web->n_servers, i + 1);
    }
    return 0;
}

const char *web_address(const struct web *web, size_t i)
{
    if (!web || i >= web->n_servers)
        return i ? NULL : "off";
    return httpd_address(web->servers[i]);
}

void web_stop(struct web *web, uint64_t until_ns)
{
    if (!web)
        return;
    atomic_store(&web->stopping, true);
    for (size_t i = 0; i < web->n_servers; i++)
        httpd_take_no_more(web->servers[i]);
    for (size_t i = 0; i < web->n_servers; i++) {
        httpd_drain(web->servers[i], until_ns);
        httpd_stop(web->servers[i]);
    }
    web_apart_drain(web);
    for (size_t i = 0; i < web->n_idle; i++)
        query_close(web->idle[i]);
    pthread_mutex_destroy(&web->mutex);
    web_apart_fini(web);
    graph_memory_free(web->memory);
    free(web->db_path);
    free(web);
}
