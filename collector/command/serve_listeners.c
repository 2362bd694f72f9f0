/* serve_listeners.c - the listeners: what they ask of the stages, how they are started, and how
 * they take nothing more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/http_head.h"
#include "collector/base/tls.h"
#include "collector/command/compare.h"
#include "collector/command/diagnose.h"
#include "collector/command/limits.h"
#include "collector/command/serve_internal.h"
#include "collector/store/store.h"

/* Of a stop, for requests that are not whole: their senders were told nothing yet. */
#define HALF_NS (2 * NS_PER_S)

/* ---- what the web asks ---- */

static const char *not_ready(void *ctx)
{
    struct server *server = ctx;
    if (server->draining)
        return "draining";
    if (!server->ready)
        return "starting";
    const char *word = pipeline_not_ready(server->pipeline);
    uint64_t most = server->settings->max_in_flight; /* what would pass it is refused */
    bool full = httpd_budget_in_flight(server->budget) >= most - most / 8;
    return !word[0] && full ? "memory" : word;
}

/* For receivers: as soon as the stages run, bodies may come. */
static const char *cannot_take(void *ctx)
{
    struct server *server = ctx;
    return server->draining ? "draining" : pipeline_not_ready(server->pipeline);
}

static const char *unhealthy(void *ctx)
{
    return pipeline_unhealthy(((struct server *)ctx)->pipeline);
}

static int flush(void *ctx, uint64_t *n_cut, struct err *err)
{
    return pipeline_flush(((struct server *)ctx)->pipeline, n_cut, err);
}

static void metrics(void *ctx, struct str accept, struct buf *out, const char **content_type)
{
    pipeline_metrics(((struct server *)ctx)->pipeline, accept, out, content_type);
}

static void tail(void *ctx, uint64_t before, uint32_t limit, struct buf *out)
{
    tail_json(((struct server *)ctx)->tail, before, limit, out);
}

static void tail_follow(void *ctx, uint64_t after, uint32_t limit, struct buf *out)
{
    tail_follow_json(((struct server *)ctx)->tail, after, limit, out);
}

/* Spans that came to the page's port. */
static void misdirected(void *ctx, const char *path, const char *peer, const char *reason)
{
    bool zipkin = strncmp(path, "/api/v2/", 8) == 0;
    accept_refused(((struct server *)ctx)->acceptor, TRANSPORT_HTTP, 404,
                   zipkin ? "zipkin" : "otlp", 0, str_of(peer), reason);
}

const char *serve_address(struct receiver *receiver)
{
    return receiver ? receiver_address(receiver) : "off";
}

const char *serve_grpc_address(const struct server *server)
{
    return server->otlp_grpc ? grpc_receiver_address(server->otlp_grpc) : "off";
}

static void status(void *ctx, struct buf *out)
{
    struct server *server = ctx;
    struct limit_levels levels = {
        .n_connections = httpd_budget_connections(server->budget),
        .in_flight = httpd_budget_in_flight(server->budget),
        .disk_full = strcmp(pipeline_not_ready(server->pipeline), "disk_full") == 0};
    buf_addf(out,
             "\"listeners\":{\"otlp_grpc\":\"%s\",\"otlp_http\":\"%s\",\"zipkin\":\"%s\",\"web\":"
             "\"%s\"},",
             serve_grpc_address(server), serve_address(server->otlp_http),
             serve_address(server->zipkin), web_address(server->web, 0));
    pipeline_status(server->pipeline, out);
    buf_add_c(out, ",\"limits\":");
    limits_json(server->settings, &levels, out);
    buf_add_char(out, ',');
    tail_senders_json(server->tail, out);
}

static int vacuum(void *ctx, uint64_t bytes[2], struct err *err)
{
    return pipeline_vacuum(((struct server *)ctx)->pipeline, bytes, err);
}

/* ---- what Zipkin's port asks the web ---- */

static int begin_question(struct http_request *request, void *ctx)
{
    static const int results[] = {[WEB_NOT_ASKED] = -1, [WEB_MAY_ASK] = 0, [WEB_REFUSED] = 1};
    struct web *web = atomic_load(&((struct server *)ctx)->asked);
    return web ? results[web_zipkin_begin(web, request)] : -1;
}

static void answer_question(struct http_request *request, void *ctx)
{
    struct web *web = atomic_load(&((struct server *)ctx)->asked);
    if (web)
        web_zipkin_answer(web, request);
    else
        httpd_answer(request, 503, "text/plain", STR("the collector stops\n"), true);
}

/* ---- starting ---- */

static bool is_off(const char *listen)
{
    return strcmp(listen, "off") == 0;
}

/* "4318" listens on listen.host; "host:port" and "unix:/path" are taken as they are. */
static char *full_address(const struct settings *settings, const char *listen)
{
    char *full = NULL;
    bool has_host = strchr(listen, ':') != NULL;
    bool v6 = strchr(settings->listen_host, ':') != NULL && settings->listen_host[0] != '[';
    if (asprintf(&full,
                 has_host ? "%s"
                 : v6     ? "[%s]:%s"
                          : "%s:%s",
                 has_host ? listen : settings->listen_host, listen) < 0)
        return NULL;
    return full;
}

static int start_receiver(struct server *server, const char *listen,
                          int (*start)(const struct receiver_settings *, struct receiver **,
                                       struct err *),
                          struct receiver **receiver, struct err *err)
{
    const struct settings *settings = server->settings;
    if (is_off(listen))
        return 0;
    char *address = full_address(settings, listen);
    char *web = full_address(settings, settings->web_listen);
    struct receiver_settings own = {
        .listen = address,
        .acceptor = server->acceptor,
        .budget = server->budget,
        .auth = server->auth,
        .tls = server->tls,
        .max_body = settings->max_body,
        .cors_origins = (const char *const *)settings->otlp_http_cors_origins.items,
        .questions = is_off(settings->web_listen)
                         ? (struct receiver_questions){0}
                         : (struct receiver_questions){begin_question, answer_question, server},
        .web_address = is_off(settings->web_listen) ? NULL : web,
        .not_ready = cannot_take,
        .unhealthy = unhealthy,
        .ctx = server,
    };
    int code = start(&own, receiver, err);
    free(address);
    free(web);
    return code;
}

static int start_grpc(struct server *server, struct err *err)
{
    const struct settings *settings = server->settings;
    if (is_off(settings->otlp_grpc_listen))
        return 0;
    char *address = full_address(settings, settings->otlp_grpc_listen);
    struct grpc_receiver_settings own = {
        .listen = address,
        .acceptor = server->acceptor,
        .budget = server->budget,
        .auth = server->auth,
        .tls = server->tls,
        .max_message = settings->max_grpc_message,
        .not_ready = cannot_take,
        .ctx = server,
    };
    int code = grpc_receiver_start(&own, &server->otlp_grpc, err);
    free(address);
    return code;
}

static bool settled(void *ctx)
{
    return pipeline_settled(((struct server *)ctx)->pipeline);
}

static int64_t kafka_next(void *ctx, uint64_t topic, int32_t partition)
{
    return pipeline_kafka_next(((struct server *)ctx)->pipeline, topic, partition);
}

static int start_kafka(struct server *server, struct err *err)
{
    const struct settings *settings = server->settings;
    if (!settings->kafka_brokers[0])
        return 0;
    if (asprintf(&server->set_aside, "%s-unreadable", settings->store_path) < 0)
        return err_set(err, ERR_BUSY, "memory is short");
    struct kafka_settings kafka = {
        .brokers = settings->kafka_brokers,
        .group = settings->kafka_group,
        .instance = settings->kafka_instance,
        .topics = (const char *const *)settings->kafka_topics.items,
        .options = (const char *const *)settings->kafka_options.items,
        .set_aside = server->set_aside,
        .max_body = settings->max_body,
        .acceptor = server->acceptor,
        .settled = settled,
        .next = kafka_next,
        .ctx = server,
    };
    return kafka_receiver_start(&kafka, &server->kafka, err);
}

static int start_web(struct server *server, struct err *err)
{
    const struct settings *settings = server->settings;
    size_t n = settings->web_extra_listen.n;
    server->listen = calloc(n + 2, sizeof(char *));
    if (!server->listen)
        return err_set(err, ERR_BUSY, "memory is short");
    server->listen[0] = full_address(settings, settings->web_listen);
    for (size_t i = 0; i < n; i++)
        server->listen[i + 1] = full_address(settings, settings->web_extra_listen.items[i]);
    struct web_settings web = {
        .listen = (const char *const *)server->listen,
        .hosts = (const char *const *)settings->web_hosts.items,
        .budget = server->budget,
        .auth = server->auth,
        .tls = server->tls,
        .db_path = settings->store_path,
        .min_free = settings->min_free,
        .log_link = settings->web_log_link,
        .started_ns = server->started_ns,
        .min_requests = (uint32_t)settings->localise_min_requests,
        .sql = settings->web_sql,
        .sql_timeout_ns = settings->web_sql_timeout_ns,
        .sql_rows = settings->web_sql_rows,
        .hooks = {.unhealthy = unhealthy,
                  .not_ready = not_ready,
                  .flush = flush,
                  .vacuum = vacuum,
                  .reload = serve_reload,
                  .metrics = metrics,
                  .tail = tail,
                  .tail_follow = tail_follow,
                  .misdirected = misdirected,
                  .status = status,
                  .diagnose = diagnose_json,
                  .compare = compare_json,
                  .ctx = server},
    };
    return is_off(settings->web_listen) ? 0 : web_start(&web, &server->web, err);
}

/* Who copies the database asks for a flush there: where it listens, by the first name of web.hosts,
 * for by another it is not answered, and the certificate has that name rather than the address. */
void serve_tell_web(struct server *server)
{
    struct store_web web;
    const char *address = web_address(server->web, 0), *port = strrchr(address, ':');
    const char *scheme = tls_is_on(server->tls) ? "https" : "http";
    const struct text_list *hosts = &server->settings->web_hosts;
    struct str name = http_bare_host(str_of(hosts->n ? hosts->items[0] : "localhost"));
    bool v6 = str_find(name, ':') >= 0;
    if (!server->web)
        return;
    if (!port || strncmp(address, "unix:", 5) == 0)
        port = "";
    snprintf(web.url, sizeof(web.url), v6 ? "%s://[%.*s]%s" : "%s://%.*s%s", scheme, STR_ARG(name),
             port);
    snprintf(web.at, sizeof(web.at), "%s", address);
    pipeline_tell_web(server->pipeline, &web);
}

int serve_listen(struct server *server, struct err *err)
{
    const struct settings *settings = server->settings;
    if (start_grpc(server, err) ||
        start_receiver(server, settings->otlp_http_listen, receiver_otlp_http_start,
                       &server->otlp_http, err) ||
        start_receiver(server, settings->zipkin_listen, receiver_zipkin_start, &server->zipkin,
                       err) ||
        start_kafka(server, err) || start_web(server, err))
        return err->code;
    atomic_store(&server->asked, server->web);
    struct receiver *const receivers[] = {server->otlp_http, server->zipkin};
    for (int i = 0; i < 2; i++) {
        if (receivers[i] && server->web)
            receiver_tell_web(receivers[i], web_address(server->web, 0));
    }
    serve_tell_web(server);
    return 0;
}

/* ---- the last requests ---- */

/* All at once take nothing new, and what they took is waited for until one moment. The web is the
 * last, for who asks it how things are. */
void serve_take_no_more(struct server *server)
{
    uint64_t until_ns = clock_mono_ns() + HALF_NS;
    struct receiver *const receivers[] = {server->otlp_http, server->zipkin};
    if (server->otlp_grpc)
        grpc_receiver_take_no_more(server->otlp_grpc);
    for (int i = 0; i < 2; i++) {
        if (receivers[i])
            receiver_take_no_more(receivers[i]);
    }
    kafka_receiver_stop(server->kafka);
    if (server->otlp_grpc)
        grpc_receiver_drain(server->otlp_grpc, until_ns);
    for (int i = 0; i < 2; i++) {
        if (receivers[i])
            receiver_drain(receivers[i], until_ns);
    }
    atomic_store(&server->asked, NULL);
    if (server->web)
        web_stop(server->web, until_ns);
}
