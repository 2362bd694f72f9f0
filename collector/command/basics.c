/* basics.c - the small commands: serve's front, check-config, help, version. */
#include <stdio.h>
#include <zlib.h>

#include "collector/command/command.h"
#include "collector/command/serve.h"
#include "collector/store/store.h"
#include "collector/version.h"

/* The settings and the files that they name. NULL when there are mistakes: all are printed. */
static struct config *read_all(const struct config_input *input)
{
    struct config *config;
    struct buf mistakes;
    buf_init(&mistakes, 1u << 20);
    size_t n = config_read(input, &config, &mistakes);
    n += serve_check_keys(config, &mistakes);
    if (mistakes.len)
        fwrite(mistakes.p, 1, mistakes.len, stderr);
    buf_fini(&mistakes);
    if (!n)
        return config;
    config_free(config);
    return NULL;
}

int command_serve(const struct options *options)
{
    struct config_input input = options_input(options);
    struct config *config = read_all(&input);
    if (!config)
        return EXIT_USAGE;
    int code = serve(config, &input);
    config_free(config);
    return code;
}

int command_check_config(const struct options *options)
{
    struct config_input input = options_input(options);
    struct config *config = read_all(&input);
    struct buf out;
    if (!config)
        return EXIT_USAGE;
    buf_init(&out, 1u << 20);
    config_print(config, &out);
    fwrite(out.p, 1, out.len, stdout);
    buf_fini(&out);
    config_free(config);
    return EXIT_GOOD;
}

int command_version(const struct options *options)
{
    (void)options;
    printf("faultline %s (%s), sqlite %s, zlib %s\n", FAULTLINE_VERSION, FAULTLINE_REVISION,
           store_sqlite_version(), zlibVersion());
    return EXIT_GOOD;
}

static void print_overview(void)
{
    printf("faultline says where a fault began: it takes spans, stitches calls, keeps them in one "
           "SQLite file.\n\n");
    for (const struct command *command = commands; command->name; command++) {
        if (!command->hidden)
            printf("  faultline %-12s %-10s %s\n", command->name, command->usage, command->text);
    }
    printf("\n  faultline serve                          take OTLP on 4318 and Zipkin on 9411, "
           "show http://127.0.0.1:4319\n"
           "  faultline graph --from 15m               who called whom, and what failed\n"
           "  faultline traces --status error          where those failures began\n");
}

int command_help(const struct options *options)
{
    if (!options->n_rest) {
        print_overview();
        return EXIT_GOOD;
    }
    if (strcmp(options->rest[0], "settings") == 0) {
        struct buf out;
        buf_init(&out, 1u << 20);
        config_print_markdown(&out);
        fwrite(out.p, 1, out.len, stdout);
        buf_fini(&out);
        return EXIT_GOOD;
    }
    for (const struct command *command = commands; command->name; command++) {
        if (strcmp(command->name, options->rest[0]) != 0)
            continue;
        printf("faultline %s %s\n  %s\n\n", command->name, command->usage, command->text);
        for (const struct option_row *row = command->rows; row->name; row++)
            printf("  --%-14s %-16s %s\n", row->name, row->value ? row->value : "", row->text);
        return EXIT_GOOD;
    }
    fprintf(stderr, "faultline help: there is no command '%s'\n", options->rest[0]);
    return EXIT_USAGE;
}
