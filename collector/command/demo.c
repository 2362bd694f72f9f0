/* demo.c - the first minute: a collector in a folder that will not stay, ten minutes of a simulated
 * shop's past, then its traffic as it comes, over real sockets, and a fault after 20 s.
 *
 * Nothing is touched but that folder, and nothing listens but this machine. The terminal says where
 * the page is, what happens, and where to look. Ctrl-C ends it.
 *
 * The collector is a child: however it ends, its parent is there to remove the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/command/demo_incidents.h"
#include "collector/command/pipeline.h"
#include "collector/command/serve.h"
#include "collector/command/simulate.h"

#define PAST_NS (10 * NS_PER_MINUTE)
#define AFTER_NS (20 * NS_PER_S)
#define LASTS_NS (10 * NS_PER_MINUTE)
#define DAY_NS (24 * 60 * NS_PER_MINUTE)
#define NAP_NS (50 * NS_PER_MS)
#define CONNECTIONS 4
#define RATE 48 /* so that a light fault of one entry is beyond chance in half a minute */
#define PIECE_NS (2 * NS_PER_MINUTE) /* of the past, between two cuts: memory stays small */
#define PAST_FLUSH_NS (20 * NS_PER_S)

struct demo {
    const struct options *options;
    char folder[512], store[600];
    char sets[8][640];
    unsigned n_sets;
    char notes[512]; /* which ports were taken; said behind the page's address */
    uint64_t seed, rate;
    struct mesh *mesh;
    struct fault_plan fault;
    struct simulation *simulation;
    struct post *post;
    struct pipeline *pipeline;
    char web[300];
    struct demo_incidents *incidents;
    pthread_t thread;
    bool running;
    _Atomic bool stop;
    uint64_t begin_ns; /* of the live part, by the clock on the wall */
};

/* ---- what the terminal says ---- */

static void say(const struct demo *demo, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line with its time since the live part began. */
static void say(const struct demo *demo, const char *format, ...)
{
    va_list args;
    char at[16] = "";
    if (demo->begin_ns) {
        uint64_t seconds = (clock_wall_ns() - demo->begin_ns + NS_PER_S / 2) / NS_PER_S;
        snprintf(at, sizeof(at), "%2llu:%02llu", (unsigned long long)seconds / 60,
                 (unsigned long long)seconds % 60);
    }
    printf("%6s  ", at);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

/* ---- the folder ---- */

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

static bool make_folder(struct demo *demo)
{
    const char *parent = getenv("TMPDIR");
    snprintf(demo->folder, sizeof(demo->folder), "%s/faultline-demo-XXXXXX",
             parent && parent[0] ? parent : "/tmp");
    if (mkdtemp(demo->folder))
        return true;
    fprintf(stderr, "faultline demo: %s: %s; set TMPDIR to a folder that can be written\n",
            demo->folder, strerror(errno));
    demo->folder[0] = '\0';
    return false;
}

static void remove_folder(const struct demo *demo)
{
    if (demo->folder[0] && nftw(demo->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0)
        printf("        Stopped; %s is removed.\n", demo->folder);
}

/* ---- settings ---- */

static void add_set(struct demo *demo, const char *name, const char *value)
{
    snprintf(demo->sets[demo->n_sets], sizeof(demo->sets[0]), "%s=%s", name, value);
    demo->n_sets++;
}

/* Does somebody listen there already? */
static bool is_taken(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    int on = 1, fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool taken = false;
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        taken = bind(fd, found->ai_addr, found->ai_addrlen) != 0 && errno == EADDRINUSE;
        close(fd);
    }
    freeaddrinfo(found);
    return taken;
}

static void free_port(struct demo *demo, const struct settings *settings, const char *name,
                      const char *listen)
{
    uint64_t port;
    if (!str_to_u64(str_of(listen), &port) || port == 0 || !is_taken(settings->listen_host, listen))
        return;
    add_set(demo, name, "0");
    size_t n = strlen(demo->notes);
    snprintf(demo->notes + n, sizeof(demo->notes) - n,
             "        Port %s is taken: %s takes a free one.\n", listen, name);
}

/* Reads the settings twice: first to see which ports are wanted. */
static struct config *make_config(struct demo *demo, struct options *options,
                                  struct config_input *input)
{
    size_t n = 0;
    while (demo->options->sets[n])
        n++;
    if (n + 8 > MAX_SETS) {
        fprintf(stderr, "faultline demo: too many --set\n");
        return NULL;
    }
    *options = *demo->options;
    struct config *config = options_config(options, input);
    if (!config)
        return NULL;
    const struct settings *settings = config_settings(config);
    snprintf(demo->store, sizeof(demo->store), "%s/demo.db", demo->folder);
    add_set(demo, "store.path", demo->store);
    add_set(demo, "store.durability", "queue"); /* nothing here is to be kept */
    if (strcmp(settings->log_level, "info") == 0)
        add_set(demo, "log.level", "warn");
    free_port(demo, settings, "receive.otlp_http.listen", settings->otlp_http_listen);
    free_port(demo, settings, "receive.otlp_grpc.listen", settings->otlp_grpc_listen);
    free_port(demo, settings, "receive.zipkin.listen", settings->zipkin_listen);
    free_port(demo, settings, "web.listen", settings->web_listen);
    config_free(config);
    for (unsigned i = 0; i < demo->n_sets; i++)
        options->sets[n + i] = demo->sets[i];
    return options_config(options, input);
}

/* ---- traffic ---- */

/* At its end all senders flush: a trace that is cut while half of it waits at one of them looks
 * like another mesh, of nodes and clear text that there are not, until the rest has come. */
static bool feed_piece(struct demo *demo, uint64_t to_ns)
{
    if (!simulate_post(demo->simulation, to_ns - NS_PER_S, demo->post))
        return false;
    simulation_flush_every(demo->simulation, 0);
    bool sent = simulate_post(demo->simulation, to_ns, demo->post) && post_settle(demo->post);
    simulation_flush_every(demo->simulation, PAST_FLUSH_NS);
    return sent;
}

static bool feed_past(struct demo *demo, uint64_t now_ns)
{
    uint64_t begin_ns = clock_mono_ns(), n_cut;
    struct err err = {0};
    for (uint64_t at_ns = now_ns - PAST_NS; at_ns < now_ns;) {
        at_ns = at_ns + PIECE_NS < now_ns ? at_ns + PIECE_NS : now_ns;
        if (demo->stop || !feed_piece(demo, at_ns))
            return false;
        if (pipeline_flush(demo->pipeline, &n_cut, &err)) {
            say(demo, "%s", err.text);
            return false;
        }
    }
    say(demo, "Ten minutes of past are there: %llu requests, %llu spans, %.1f s.",
        (unsigned long long)simulation_requests(demo->simulation),
        (unsigned long long)simulation_spans(demo->simulation),
        (double)(clock_mono_ns() - begin_ns) / 1e9);
    return true;
}

/* What happens, when it happens. Gives the next thing's number. */
static unsigned tell(const struct demo *demo, unsigned next, uint64_t now_ns)
{
    const struct fault_plan *fault = &demo->fault;
    if (next == 0 && now_ns >= fault->from_ns) {
        say(demo, "The fault: %s.", fault->told);
        say(demo, "Look at: %s.", fault->look);
        say(demo, "http://%s", demo->web);
        return 1;
    }
    if (next == 1 && now_ns >= fault->to_ns) {
        say(demo, "The fault is over; traffic goes on as before.");
        return 2;
    }
    return next;
}

static void incident_opened(void *ctx, const char *id, const char *summary)
{
    const struct demo *demo = ctx;
    say(demo, "Incident %s: %s", id, summary);
    say(demo, "http://%s/incident/%s", demo->web, id);
}

static void incident_ended(void *ctx, const char *id)
{
    say(ctx, "Incident %s is over.", id);
}

static void *run_traffic(void *arg)
{
    struct demo *demo = arg;
    unsigned next = 0;
    uint64_t past_end_ns = demo->fault.from_ns - AFTER_NS;
    if (feed_past(demo, past_end_ns)) {
        demo->begin_ns = clock_wall_ns();
        /* The past took a moment: its end is made up for at once, the fault waits as long. */
        demo->fault.from_ns = demo->begin_ns + AFTER_NS;
        demo->fault.to_ns = demo->fault.from_ns + LASTS_NS;
        simulation_flush_every(demo->simulation, NS_PER_S);
        say(demo, "Live: about %llu requests a second from here on. The fault comes in 20 s.",
            (unsigned long long)demo->rate);
        while (!demo->stop) {
            uint64_t now_ns = clock_wall_ns();
            if (!simulate_post(demo->simulation, now_ns, demo->post))
                break;
            next = tell(demo, next, now_ns);
            if (demo->incidents)
                demo_incidents_look(demo->incidents, clock_mono_ns(), incident_opened,
                                    incident_ended, demo);
            nanosleep(&(struct timespec){.tv_nsec = (long)NAP_NS}, NULL);
        }
    }
    if (!demo->stop)
        say(demo, "Traffic ended: %s", post_reason(demo->post));
    return NULL;
}

static bool make_traffic(struct demo *demo, const char *otlp_http)
{
    char url[320];
    uint64_t now_ns = clock_wall_ns();
    struct simulation_settings settings = {
        .mesh = demo->mesh,
        .fault = &demo->fault,
        .seed = demo->seed,
        .begin_ns = now_ns - PAST_NS,
        .rate = (double)demo->rate,
        .day_ns = DAY_NS,
        .wave = 0.2,
        .sampling = 1,
        .flush_ns = PAST_FLUSH_NS,
        .body_spans = 500,
    };
    demo->fault.from_ns = now_ns + AFTER_NS;
    snprintf(url, sizeof(url), "http://%s", otlp_http);
    struct post_settings post = {.to = url, .n_connections = CONNECTIONS};
    demo->simulation = simulation_new(&settings);
    demo->post = demo->simulation ? post_start(&post) : NULL;
    return demo->post != NULL;
}

static void ready(const char *otlp_http, const char *web, struct pipeline *pipeline, void *ctx)
{
    struct demo *demo = ctx;
    snprintf(demo->web, sizeof(demo->web), "%s", web);
    demo->pipeline = pipeline;
    printf("faultline demo: http://%s\n%s", web, demo->notes);
    say(demo, "A simulated shop of 14 services; its data is in %s. Ctrl-C ends it.", demo->folder);
    demo->incidents = demo_incidents_new(web);
    demo->running = make_traffic(demo, otlp_http) &&
                    pthread_create(&demo->thread, NULL, run_traffic, demo) == 0;
    if (!demo->running)
        say(demo, "Memory is short: there will be no traffic.");
}

static void stopping(void *ctx)
{
    struct demo *demo = ctx;
    demo->stop = true;
    if (demo->post)
        post_abandon(demo->post);
    if (demo->running)
        pthread_join(demo->thread, NULL);
    demo_incidents_free(demo->incidents);
    if (demo->post)
        post_join(demo->post);
}

/* ---- the command ---- */

static bool read_options(struct demo *demo)
{
    const char *name = option(demo->options, "fault");
    struct err err = {0};
    if (!simulate_number(demo->options, "seed", (struct bounds){1, 0, UINT64_MAX}, &demo->seed) ||
        !simulate_number(demo->options, "rate", (struct bounds){RATE, 1, 2000}, &demo->rate))
        return false;
    if (mesh_open("shop", &demo->mesh, &err) == 0 &&
        fault_open(name ? name : "pool-overflow", demo->mesh, demo->seed, &demo->fault, &err) == 0)
        return true;
    fprintf(stderr, "faultline demo: %s\n", err.text);
    return false;
}

/* The collector's life. Signals of the terminal go to the parent alone, which hands them on. */
static int run_collector(struct demo *demo)
{
    struct options options;
    struct config_input input;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    struct config *config = make_config(demo, &options, &input);
    if (!config)
        return EXIT_USAGE;
    struct serve_hooks hooks = {ready, stopping, demo};
    int code = serve_with(config, &input, &hooks);
    simulation_free(demo->simulation);
    post_free(demo->post);
    config_free(config);
    return code;
}

/* Hands signals on until the child has ended; gives its code. */
static int wait_for(pid_t child, const sigset_t *signals)
{
    for (;;) {
        int number = 0, status;
        if (sigwait(signals, &number) != 0)
            continue;
        if (number != SIGCHLD) {
            kill(child, number == SIGHUP ? SIGTERM : number); /* a terminal that closed */
            continue;
        }
        if (waitpid(child, &status, WNOHANG) != child)
            continue;
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        fprintf(stderr, "faultline demo: the collector was ended by signal %d\n", WTERMSIG(status));
        return EXIT_NOT_DONE;
    }
}

static int run_in_folder(struct demo *demo)
{
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    pid_t child = fork();
    if (child == 0) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        exit(run_collector(demo));
    }
    if (child < 0) {
        fprintf(stderr, "faultline demo: cannot start a process: %s\n", strerror(errno));
        return EXIT_NOT_DONE;
    }
    return wait_for(child, &signals);
}

int command_demo(const struct options *options)
{
    static struct demo demo;
    const char *fault = option(options, "fault");
    int code = EXIT_USAGE;
    if (fault && strcmp(fault, "list") == 0) {
        simulate_list_faults();
        return EXIT_GOOD;
    }
    demo.options = options;
    if (read_options(&demo)) {
        code = make_folder(&demo) ? run_in_folder(&demo) : EXIT_NOT_DONE;
        remove_folder(&demo);
    }
    mesh_close(demo.mesh);
    return code;
}
