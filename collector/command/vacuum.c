/* vacuum.c - gives free disk back now: by the collector that has the database open, else by opening
 * it as one would. */
#include <stdio.h>
#include <sys/stat.h>

#include "collector/base/json.h"
#include "collector/command/ask.h"
#include "collector/command/pipeline.h"
#include "collector/store/store.h"

/* What a start brought in may be more than what was given back. */
static void say(double before, double after)
{
    double back = before > after ? before - after : 0;
    printf("%.0f MiB given back: %.0f MiB before, %.0f MiB now\n", back / (1 << 20),
           before / (1 << 20), after / (1 << 20));
}

static int ask_running(const char *url, const char *at, struct err *err)
{
    struct buf answer;
    struct arena arena;
    buf_init(&answer, 1u << 16);
    arena_init(&arena, 1u << 16);
    if (ask_deed(url, at, "vacuum", &answer, err) == 0) {
        const struct tree *tree = tree_read(&arena, buf_str(&answer));
        say(tree_number(tree_get(tree, "before")), tree_number(tree_get(tree, "after")));
    }
    arena_fini(&arena);
    buf_fini(&answer);
    return err->code;
}

/* The collector of the database that was named. */
static int ask_its_own(const struct store_web *web, struct err *err)
{
    struct err own = {0};
    if (ask_running(web->url, web->at, &own))
        err_set(err, ERR_IO,
                "the collector of this database could not be asked (%.160s); give --url (with "
                "tokens http://any:TOKEN@host:4319)",
                own.text);
    return err->code;
}

/* As a start and a clean stop: what a killed collector left is brought in too. */
static int open_and_do(const struct settings *settings, struct err *err)
{
    struct pipeline *pipeline = NULL;
    struct stat info;
    uint64_t bytes[2];
    if (stat(settings->store_path, &info) != 0)
        return err_set(err, ERR_NOT_FOUND, "%s: there is no such database", settings->store_path);
    if (pipeline_start(settings, NULL, &pipeline, err) == 0 &&
        pipeline_vacuum(pipeline, bytes, err) == 0)
        say((double)bytes[0], (double)bytes[1]);
    pipeline_stop(pipeline);
    return err->code;
}

int command_vacuum(const struct options *options)
{
    const char *url = option(options, "url");
    struct store_web web;
    struct settings settings;
    struct err err = {0};
    if (!options_one_source(options))
        return EXIT_USAGE;
    struct config *config = options_store(options, &settings);
    if (!config)
        return EXIT_USAGE;
    if (url)
        ask_running(url, NULL, &err);
    else if (store_is_running(settings.store_path, &web))
        ask_its_own(&web, &err);
    else
        open_and_do(&settings, &err);
    config_free(config);
    if (!err.code)
        return EXIT_GOOD;
    fprintf(stderr, "faultline vacuum: %s\n", err.text);
    return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_NOT_DONE;
}
