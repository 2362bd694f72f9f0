/* export.c - `export` and `backup`: a new database from another, of a running collector or of a
 * file. What was accepted before is in it: the collector is asked to flush, or, when none runs,
 * what a killed one left in its inbox is brought in first. Without that there is no copy, unless
 * --without-flush asks for one. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/client.h"
#include "collector/base/clock.h"
#include "collector/base/new_file.h"
#include "collector/base/times.h"
#include "collector/command/ask.h"
#include "collector/command/pipeline.h"
#include "collector/store/copy.h"
#include "collector/store/store.h"

#define DOWNLOAD_LIMIT_NS (6 * 60 * NS_PER_MINUTE)
#define DEFAULT_NS (60 * NS_PER_MINUTE)

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static bool go_on(void *ctx)
{
    (void)ctx;
    return !interrupted;
}

/* ---- flushing first ---- */

/* A copy that may lack what was accepted is made only for who asks for it. */
static int flush_running(const struct store_web *web, struct err *err)
{
    struct err own = {0};
    struct buf answer;
    buf_init(&answer, 1u << 16);
    if (ask_deed(web->url, web->at, "flush", &answer, &own))
        err_set(err, ERR_IO,
                "the collector of this database could not be asked to flush (%.160s); give --url "
                "(with tokens http://any:TOKEN@host:4319), or --without-flush for what is in the "
                "file now",
                own.text);
    buf_fini(&answer);
    return err->code;
}

/* What a killed collector accepted is brought into the database, as its next start would. */
static int bring_in(const struct settings *settings, struct err *err)
{
    struct pipeline *pipeline = NULL;
    uint64_t n_cut;
    char inbox[4200];
    struct stat info;
    snprintf(inbox, sizeof(inbox), "%s-inbox", settings->store_path);
    if (stat(inbox, &info) != 0)
        return 0;
    if (pipeline_start(settings, NULL, &pipeline, err) == 0)
        pipeline_flush(pipeline, &n_cut, err);
    pipeline_stop(pipeline);
    return err->code;
}

static int flush_first(const struct settings *settings, struct err *err)
{
    struct store_web web;
    return store_is_running(settings->store_path, &web) ? flush_running(&web, err)
                                                        : bring_in(settings, err);
}

/* ---- from a file, or from a collector ---- */

/* `what` NULL: all of it. */
static int copy_file(const struct options *options, const struct export_request *what,
                     struct err *err)
{
    struct settings settings;
    struct config *config = options_store(options, &settings);
    if (!config)
        return err_set(err, ERR_INVALID, "the settings have mistakes");
    struct copy_settings copy = {.from = settings.store_path,
                                 .to = options->rest[0],
                                 .min_free = settings.min_free,
                                 .go_on = go_on};
    if (option(options, "without-flush") || flush_first(&settings, err) == 0) {
        if (what)
            store_export(&copy, what, err);
        else
            store_backup(&copy, err);
    }
    config_free(config);
    return err->code;
}

static int download_to(const char *path, const char *url, struct err *err)
{
    struct buf refusal;
    unsigned status = 0;
    struct client *client = client_new(DOWNLOAD_LIMIT_NS);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    buf_init(&refusal, 1u << 20);
    if (!client || fd < 0)
        err_set(err, ERR_IO, "%s: %s", path, client ? strerror(errno) : "memory is short");
    else if (client_download(client, url, fd, &status, &refusal, err) == 0 && status != 200)
        ask_refusal(status, &refusal, err);
    if (fd >= 0)
        close(fd);
    buf_fini(&refusal);
    client_free(client);
    return err->code;
}

static int download(const struct options *options, struct str path, struct err *err)
{
    struct new_file file;
    struct buf url;
    if (new_file_begin(&file, options->rest[0], err) == 0) {
        if (ask_url(&url, option(options, "url"), API, path))
            download_to(file.partial, url.p, err);
        else
            err_set(err, ERR_BUSY, "memory is short");
        buf_fini(&url);
    }
    return new_file_end(&file, err);
}

static int run(const struct options *options, const struct export_request *what, struct str path)
{
    struct err err = {0};
    if (options->n_rest != 1 || (option(options, "db") && option(options, "url"))) {
        fprintf(stderr, "faultline %s: one name for the new file, and --db or --url, not both\n",
                options->command->name);
        return EXIT_USAGE;
    }
    if (option(options, "url") && option(options, "without-flush")) {
        fprintf(stderr, "faultline %s: --without-flush goes with --db\n", options->command->name);
        return EXIT_USAGE;
    }
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    signal(SIGPIPE, SIG_IGN);
    if (option(options, "url"))
        download(options, path, &err);
    else
        copy_file(options, what, &err);
    if (!err.code)
        return EXIT_GOOD;
    fprintf(stderr, "faultline %s: %s\n", options->command->name, err.text);
    return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_NOT_DONE;
}

int command_backup(const struct options *options)
{
    return run(options, NULL, STR("backup"));
}

/* False (said) when something cannot be read. */
static bool read_request(const struct options *options, struct export_request *what)
{
    uint64_t now_ns = clock_wall_ns();
    const char *from = option(options, "from"), *to = option(options, "to");
    const char *service = option(options, "service"), *incident = option(options, "incident");
    struct window *window = &what->window;
    bool good;
    if (from || to || !incident)
        window->to_ns = now_ns;
    good = option_time(options, "to", now_ns, &window->to_ns);
    window->from_ns = window->to_ns > DEFAULT_NS ? window->to_ns - DEFAULT_NS : 0;
    good = option_time(options, "from", now_ns, &window->from_ns) && good;
    if (good && window->from_ns > window->to_ns) {
        fprintf(stderr, "faultline export: --from is after --to\n");
        good = false;
    }
    if (service && !export_of_service(str_of(service), what)) {
        fprintf(stderr, "faultline export: --service is service, namespace/service or "
                        "cluster/namespace/service\n");
        good = false;
    }
    if (incident && (!str_to_u64(str_of(incident), &what->incident) || !what->incident ||
                     what->incident > INT64_MAX)) {
        fprintf(stderr, "faultline export: --incident is the number of one, from 1\n");
        good = false;
    }
    return good;
}

int command_export(const struct options *options)
{
    static const char *const names[] = {"from", "to", "service", "incident"};
    struct export_request what = {0};
    struct buf path;
    if (!read_request(options, &what))
        return EXIT_USAGE;
    ask_path(&path, "export");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ask_parameter(&path, names[i], option(options, names[i]));
    int code = run(options, &what, buf_str(&path));
    buf_fini(&path);
    return code;
}
