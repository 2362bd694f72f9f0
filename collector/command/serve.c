/* serve.c - one process's life: start in the order data flows, say "ready", wait for signals, stop
 * the same way. A second SIGTERM or SIGINT leaves at once, and so does a stop that takes too long:
 * what was accepted is in the inbox, from where the next start takes it.
 */
#include "collector/command/serve_internal.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/stats.h"
#include "collector/base/tls.h"
#include "collector/command/command.h"
#include "collector/version.h"

#define EXIT_USAGE 2
#define EXIT_FAILED 3
#define OWN_DESCRIPTORS 256
/* Of a stop in all. QUALITY §2 asks for 10 s, and leaving takes a moment. */
#define STOP_NS (9500 * NS_PER_MS)

static struct stat_family reload_family = STAT_GAUGE(
    "faultline_config_last_reload_successful", "1 when the last reload took the new settings.");

/* ---- keys and settings ---- */

static struct tls_files tls_files_of(const struct settings *settings)
{
    return (struct tls_files){settings->tls_cert_file, settings->tls_key_file,
                              settings->tls_client_ca_file};
}

/* A mistake behind the setting that it is about: the one whose file it begins with, else the first
 * that is set of those which go together. */
static void add_mistake(const struct config *config, const struct err *err, struct buf *mistakes)
{
    const struct settings *settings = config_settings(config);
    const struct {
        const char *name, *file;
    } all[] = {{"auth.tokens_file", settings->tokens_file},
               {"tls.cert_file", settings->tls_cert_file},
               {"tls.key_file", settings->tls_key_file},
               {"tls.client_ca_file", settings->tls_client_ca_file}};
    size_t n = sizeof(all) / sizeof(all[0]), at = n;
    for (size_t i = 0; i < n && at == n; i++) {
        size_t len = strlen(all[i].file);
        if (len && strncmp(err->text, all[i].file, len) == 0 && err->text[len] == ':')
            at = i;
    }
    for (size_t i = 1; i < n && at == n; i++)
        at = all[i].file[0] ? i : n;
    if (at < n)
        buf_addf(mistakes, "%s: %s: ", config_source(config, all[at].name), all[at].name);
    buf_addf(mistakes, "%s\n", err->text);
}

size_t serve_check_keys(const struct config *config, struct buf *mistakes)
{
    const struct settings *settings = config_settings(config);
    struct tls_files files = tls_files_of(settings);
    struct auth *auth = auth_new();
    struct err errs[2] = {{0}, {0}};
    size_t n = 0;
    if (auth)
        auth_load(auth, settings->tokens_file, &errs[0]);
    else
        err_set(&errs[0], ERR_BUSY, "memory is short");
    tls_check(&files, &errs[1]);
    for (int i = 0; i < 2; i++) {
        if (errs[i].code)
            add_mistake(config, &errs[i], mistakes);
        n += errs[i].code != 0;
    }
    auth_free(auth);
    return n;
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

/* A line of the log each: who gathers logs would lose what is in no form of theirs. */
static void log_mistakes(struct str mistakes)
{
    struct str line;
    char space[256];
    while (mistakes.len) {
        str_cut(mistakes, '\n', &line, &mistakes);
        if (line.len)
            log_event(LOG_ERROR, "mistake", "text=%s", log_quote(line, space));
    }
}

/* Reads the settings again: with mistakes the old ones stay. */
int serve_reload(void *ctx, struct buf *mistakes)
{
    struct server *server = ctx;
    struct config *fresh;
    struct err err = {0};
    size_t n = config_read(server->input, &fresh, mistakes);
    n += serve_check_keys(fresh, mistakes);
    if (n == 0 && (load_keys(server, config_settings(fresh), &err) ||
                   pipeline_reload(server->pipeline, config_settings(fresh), &err))) {
        buf_addf(mistakes, "%s\n", err.text);
        n = 1;
    }
    if (n == 0) {
        settings_log(config_settings(fresh));
        say_stale(server, fresh);
        serve_tell_web(server);
    }
    config_free(fresh);
    stat_set(server->reloaded, n == 0);
    log_event(n ? LOG_ERROR : LOG_INFO, "reload", "mistakes=%zu", n);
    return n ? -1 : 0;
}

/* ---- starting ---- */

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
    return serve_listen(server, err);
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
           serve_grpc_address(server), serve_address(server->otlp_http),
           serve_address(server->zipkin));
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

static void stop(struct server *server)
{
    server->draining = true;
    server->waits_for = "requests";
    serve_take_no_more(server);
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
        serve_reload(server, &mistakes);
        log_mistakes(buf_str(&mistakes));
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
        hooks->ready(serve_address(server->otlp_http),
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
