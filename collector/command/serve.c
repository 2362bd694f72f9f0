/* serve.c - one process's life: start in the order data flows, say "ready", wait for signals, stop
 * the same way. A second SIGTERM or SIGINT leaves at once, and so does a stop that takes too long:
 * what was accepted is in the inbox, from where the next start takes it.
 */
#include "collector/command/serve.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/http_head.h"
#include "collector/base/log.h"
#include "collector/base/stats.h"
#include "collector/base/tls.h"
#include "collector/command/command.h"
#include "collector/command/compare.h"
#include "collector/command/diagnose.h"
#include "collector/command/limits.h"
#include "collector/command/pipeline.h"
#include "collector/receive/grpc.h"
#include "collector/receive/http.h"
#include "collector/receive/kafka.h"
#include "collector/store/store.h"
#include "collector/version.h"
#include "web/server.h"

#define EXIT_USAGE 2
#define EXIT_FAILED 3
#define OWN_DESCRIPTORS 256
/* Of a stop, for requests that are not whole: their senders were told nothing yet. */
#define HALF_NS (2 * NS_PER_S)
/* Of a stop in all. QUALITY §2 asks for 10 s, and leaving takes a moment. */
#define STOP_NS (9500 * NS_PER_MS)

static struct stat_family reload_family = STAT_GAUGE(
    "faultline_config_last_reload_successful", "1 when the last reload took the new settings.");

struct server {
    const struct config *config;
    const struct config_input *input;
    const struct settings *settings;
    struct httpd_budget *budget;
    struct auth *auth;
    struct tls *tls;
    struct pipeline *pipeline;
    struct acceptor *acceptor;
    struct tail *tail;
    struct receiver *otlp_http, *zipkin;
    struct grpc_receiver *otlp_grpc;
    struct kafka_receiver *kafka;
    char *set_aside; /* folder of messages that cannot be read */
    struct web *web;
    struct web *_Atomic asked; /* by questions on other ports: `web` while it runs */
    char **listen;             /* web.listen and web.extra_listen with their hosts */
    struct stat_series *reloaded;
    uint64_t started_ns;
    _Atomic bool ready, draining;
    _Atomic(const char *) waits_for; /* what the stop is about to end */
};

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

/* Spans that came to the page's port. */
static void misdirected(void *ctx, const char *path, const char *peer, const char *reason)
{
    bool zipkin = strncmp(path, "/api/v2/", 8) == 0;
    accept_refused(((struct server *)ctx)->acceptor, TRANSPORT_HTTP, 404,
                   zipkin ? "zipkin" : "otlp", 0, str_of(peer), reason);
}

static const char *address_or_off(struct receiver *receiver)
{
    return receiver ? receiver_address(receiver) : "off";
}

static const char *grpc_address_or_off(const struct server *server)
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
             grpc_address_or_off(server), address_or_off(server->otlp_http),
             address_or_off(server->zipkin), web_address(server->web, 0));
    pipeline_status(server->pipeline, out);
    buf_add_c(out, ",\"limits\":");
    limits_json(server->settings, &levels, out);
    buf_add_char(out, ',');
    tail_senders_json(server->tail, out);
}

static struct tls_files tls_files_of(const struct settings *settings)
{
    return (struct tls_files){settings->tls_cert_file, settings->tls_key_file,
                              settings->tls_client_ca_file};
}

bool serve_check_keys(const struct settings *settings)
{
    struct tls_files files = tls_files_of(settings);
    struct auth *auth = auth_new();
    struct err errs[2] = {{0}, {0}};
    tls_check(&files, &errs[0]);
    if (auth)
        auth_load(auth, settings->tokens_file, &errs[1]);
    else
        err_set(&errs[1], ERR_BUSY, "memory is short");
    for (int i = 0; i < 2; i++) {
        if (errs[i].code)
            fprintf(stderr, "faultline: %s\n", errs[i].text);
    }
    auth_free(auth);
    return !errs[0].code && !errs[1].code;
}

/* Who may come in, and what the listeners show of themselves. */
static int load_keys(struct server *server, const struct settings *settings, struct err *err)
{
    struct tls_files files = tls_files_of(settings);
    /* Both or neither: a certificate that cannot be read leaves the tokens as they are. */
    int code = tls_check(&files, err);
    code = code ? code : auth_load(server->auth, settings->tokens_file, err);
    return code ? code : tls_load(server->tls, &files, err);
}

static int vacuum(void *ctx, uint64_t bytes[2], struct err *err)
{
    return pipeline_vacuum(((struct server *)ctx)->pipeline, bytes, err);
}

/* Who copies the database asks for a flush there: where it listens, by the first name of web.hosts,
 * for by another it is not answered, and the certificate has that name rather than the address. */
static void tell_web(struct server *server)
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

/* Settings that changed in the file and that only a start reads: said, or they would seem taken. */
static void say_stale(const struct server *server, const struct config *fresh)
{
    struct buf names;
    buf_init(&names, 1u << 16);
    config_stale(server->config, fresh, &names);
    if (names.len)
        log_event(LOG_WARN, "needs_restart", "settings=%.*s", (int)names.len, names.p);
    buf_fini(&names);
}

/* Reads the settings again: with mistakes the old ones stay. */
static int reload(void *ctx, struct buf *mistakes)
{
    struct server *server = ctx;
    struct config *fresh;
    struct err err = {0};
    size_t n = config_read(server->input, &fresh, mistakes);
    if (n == 0 && (load_keys(server, config_settings(fresh), &err) ||
                   pipeline_reload(server->pipeline, config_settings(fresh), &err))) {
        buf_addf(mistakes, "%s\n", err.text);
        n = 1;
    }
    if (n == 0) {
        settings_log(config_settings(fresh));
        say_stale(server, fresh);
        tell_web(server);
    }
    config_free(fresh);
    stat_set(server->reloaded, n == 0);
    log_event(n ? LOG_ERROR : LOG_INFO, "reload", "mistakes=%zu", n);
    return n ? -1 : 0;
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
                  .reload = reload,
                  .metrics = metrics,
                  .tail = tail,
                  .misdirected = misdirected,
                  .status = status,
                  .diagnose = diagnose_json,
                  .compare = compare_json,
                  .ctx = server},
    };
    return is_off(settings->web_listen) ? 0 : web_start(&web, &server->web, err);
}

static int start(struct server *server, struct err *err)
{
    const struct settings *settings = server->settings;
    server->started_ns = clock_boot_ns();
    server->reloaded = stat_get(&reload_family, NULL);
    stat_set(server->reloaded, 1);
    server->budget = httpd_budget_new(settings->max_connections, settings->max_in_flight);
    if (!server->budget)
        return err_set(err, ERR_BUSY, "memory is short");
    if (pipeline_start(settings, NULL, &server->pipeline, err))
        return err->code;
    struct accept_settings accept = {
        .limits = *pipeline_limits(server->pipeline),
        .append = pipeline_append,
        .ctx = server->pipeline,
        .tail = server->tail = tail_new(),
    };
    server->acceptor = accept.tail ? accept_new(&accept) : NULL;
    if (!server->acceptor)
        return err_set(err, ERR_BUSY, "memory is short");
    if (start_grpc(server, err) ||
        start_receiver(server, settings->otlp_http_listen, receiver_otlp_http_start,
                       &server->otlp_http, err) ||
        start_receiver(server, settings->zipkin_listen, receiver_zipkin_start, &server->zipkin,
                       err) ||
        start_kafka(server, err))
        return err->code;
    if (start_web(server, err))
        return err->code;
    atomic_store(&server->asked, server->web);
    struct receiver *const receivers[] = {server->otlp_http, server->zipkin};
    for (int i = 0; i < 2; i++) {
        if (receivers[i] && server->web)
            receiver_tell_web(receivers[i], web_address(server->web, 0));
    }
    tell_web(server);
    return 0;
}

/* One datagram to the service manager, where there is one. */
static void notify_ready(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    if (sendto(fd, "READY=1", 7, 0, (const struct sockaddr *)&address, length) < 0)
        log_event(LOG_WARN, "notify_failed", "socket=NOTIFY_SOCKET");
    close(fd);
}

static void say_ready(struct server *server)
{
    char *absolute = realpath(server->settings->store_path, NULL);
    printf("faultline ready pid=%d otlp_grpc=%s otlp_http=%s zipkin=%s", (int)getpid(),
           grpc_address_or_off(server), address_or_off(server->otlp_http),
           address_or_off(server->zipkin));
    if (!server->web)
        printf(" web=off");
    for (size_t i = 0; server->web && web_address(server->web, i); i++)
        printf(" web=%s", web_address(server->web, i));
    printf(" db=%s\n", absolute ? absolute : server->settings->store_path);
    fflush(stdout);
    free(absolute);
    notify_ready();
}

/* ---- stopping ---- */

/* All at once take nothing new, and what they took is waited for until one moment. The web is the
 * last, for who asks it how things are. */
static void stop_taking(struct server *server)
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

static void stop(struct server *server)
{
    server->draining = true;
    server->waits_for = "requests";
    stop_taking(server);
    server->waits_for = "commit";
    pipeline_stop(server->pipeline);
    if (server->otlp_grpc)
        grpc_receiver_stop(server->otlp_grpc);
    if (server->otlp_http)
        receiver_stop(server->otlp_http);
    if (server->zipkin)
        receiver_stop(server->zipkin);
    accept_free(server->acceptor);
    tail_free(server->tail);
    httpd_budget_free(server->budget);
    auth_free(server->auth);
    tls_free(server->tls);
    for (size_t i = 0; server->listen && server->listen[i]; i++)
        free(server->listen[i]);
    free(server->listen);
    free(server->set_aside);
}

/* A stop with somebody beside it who looks at the time. */
struct stop {
    struct server *server;
    sem_t done;
};

/* Whoever holds the file, or a disk without room, may do so for ever. */
static void *leave_in_time(void *arg)
{
    struct stop *stop = arg;
    struct timespec until;
    int code;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + STOP_NS;
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    do
        code = sem_clockwait(&stop->done, CLOCK_MONOTONIC, &until);
    while (code != 0 && errno == EINTR);
    if (code == 0)
        return NULL;
    log_event(
        LOG_ERROR, "stopped_early",
        "waited_for=%s reason=\"it took too long; what was accepted is in the inbox, the next "
        "start brings it in\"",
        atomic_load(&stop->server->waits_for));
    _exit(EXIT_FAILED);
}

static void stop_in_time(struct server *server)
{
    struct stop beside = {.server = server};
    pthread_t thread;
    sem_init(&beside.done, 0, 0);
    server->waits_for = "requests";
    bool looks = pthread_create(&thread, NULL, leave_in_time, &beside) == 0;
    stop(server);
    sem_post(&beside.done);
    if (looks)
        pthread_join(thread, NULL);
    sem_destroy(&beside.done);
}

static void leave_at_once(int signal_number)
{
    (void)signal_number;
    _exit(EXIT_FAILED);
}

static void wait_for_end(struct server *server, const sigset_t *signals)
{
    for (;;) {
        int signal_number = 0;
        if (sigwait(signals, &signal_number) != 0)
            continue;
        if (signal_number != SIGHUP) {
            log_event(LOG_INFO, "stopping", "signal=%d", signal_number);
            return;
        }
        struct buf mistakes;
        buf_init(&mistakes, 1u << 20);
        reload(server, &mistakes);
        buf_add_char(&mistakes, '\0');
        if (mistakes.len > 1)
            fputs(mistakes.p, stderr);
        buf_fini(&mistakes);
    }
}

/* The second signal of its kind finds the default of leaving at once. */
static void second_signal_leaves(const sigset_t *signals)
{
    signal(SIGTERM, leave_at_once);
    signal(SIGINT, leave_at_once);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

/* Connections, and what the stages hold open: shells give 1,024 descriptors. */
static void raise_descriptors(const struct settings *settings)
{
    struct rlimit limit;
    rlim_t wanted = settings->max_connections + OWN_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_event(LOG_WARN, "few_descriptors", "may_open=%llu wanted=%llu",
                  (unsigned long long)limit.rlim_cur, (unsigned long long)wanted);
}

static void say_ready_to(struct server *server, const struct serve_hooks *hooks)
{
    if (hooks && hooks->ready)
        hooks->ready(address_or_off(server->otlp_http),
                     server->web ? web_address(server->web, 0) : "off", server->pipeline,
                     hooks->ctx);
    else
        say_ready(server);
}

int serve(const struct config *config, const struct config_input *input)
{
    return serve_with(config, input, NULL);
}

int serve_with(const struct config *config, const struct config_input *input,
               const struct serve_hooks *hooks)
{
    struct server server = {.config = config, .input = input, .settings = config_settings(config)};
    struct err err = {0};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    settings_log(server.settings);
    raise_descriptors(server.settings);
    server.auth = auth_new();
    server.tls = tls_new();
    if (!server.auth || !server.tls)
        err_set(&err, ERR_BUSY, "memory is short");
    if (err.code || load_keys(&server, server.settings, &err) || start(&server, &err)) {
        fprintf(stderr, "faultline: %s\n", err.text);
        stop(&server);
        return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    server.ready = true;
    say_ready_to(&server, hooks);
    wait_for_end(&server, &signals);
    second_signal_leaves(&signals);
    if (hooks && hooks->stopping)
        hooks->stopping(hooks->ctx);
    stop_in_time(&server);
    return 0;
}
