/* options.c - `--name value` and `--name=value`; all mistakes at once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/client.h"
#include "collector/base/log.h"
#include "collector/base/times.h"
#include "collector/command/command.h"

static const struct option_row *find_row(const struct command *command, struct str name,
                                         size_t *index)
{
    for (*index = 0; command->rows[*index].name; ++*index) {
        if (str_eq(name, str_of(command->rows[*index].name)))
            return &command->rows[*index];
    }
    return NULL;
}

/* What may be repeated: all of it holds, so nothing is left out in silence. */
static bool add_repeated(struct options *options, const struct option_row *row, const char *text)
{
    static const char *const names[] = {"set", "attr"};
    static const size_t most[] = {MAX_SETS, MAX_ATTRS};
    const char **const lists[] = {options->sets, options->attrs};
    for (int i = 0; i < 2; i++) {
        size_t n = 0;
        if (strcmp(row->name, names[i]) != 0)
            continue;
        while (lists[i][n])
            n++;
        if (n == most[i]) {
            fprintf(stderr, "faultline %s: --%s comes at most %zu times\n", options->command->name,
                    row->name, most[i]);
            return false;
        }
        lists[i][n] = text;
    }
    return true;
}

/* One option at argv[*at]; its value may be the next word. */
static bool read_option(struct options *options, int argc, char **argv, int *at)
{
    struct str name, value;
    size_t index;
    bool joined = str_cut(str_of(argv[*at] + 2), '=', &name, &value);
    const struct option_row *row = find_row(options->command, name, &index);
    if (!row) {
        fprintf(stderr, "faultline %s: --%.*s: unknown option; see 'faultline help %s'\n",
                options->command->name, STR_ARG(name), options->command->name);
        return false;
    }
    const char *text = "";
    if (row->value && !joined && *at + 1 >= argc) {
        fprintf(stderr, "faultline %s: --%s needs %s\n", options->command->name, row->name,
                row->value);
        return false;
    }
    if (row->value)
        text = joined ? value.p ? value.p : "" : argv[++*at];
    options->values[index] = text;
    return add_repeated(options, row, text);
}

/* --ca-file, --cert-file and --key-file, of commands that have them. */
static bool use_files(const struct options *options)
{
    static const char *const names[] = {"ca-file", "cert-file", "key-file"};
    struct client_files files = {option(options, names[0]), option(options, names[1]),
                                 option(options, names[2])};
    bool good = true;
    for (int i = 0; i < 3; i++) {
        const char *file = option(options, names[i]);
        if (!file || access(file, R_OK) == 0)
            continue;
        fprintf(stderr, "faultline %s: --%s: %s: %s\n", options->command->name, names[i], file,
                strerror(errno));
        good = false;
    }
    if (files.key && !files.cert) {
        fprintf(stderr, "faultline %s: --key-file needs --cert-file\n", options->command->name);
        good = false;
    }
    client_use_files(&files);
    return good;
}

bool options_read(const struct command *command, int argc, char **argv, struct options *options)
{
    static const char *rest[4096];
    bool good = true, only_rest = false;
    *options = (struct options){.command = command, .rest = rest};
    for (int i = 0; i < argc; i++) {
        bool is_option = !only_rest && argv[i][0] == '-' && argv[i][1] == '-';
        if (is_option && !argv[i][2]) {
            only_rest = true;
        } else if (is_option) {
            good = read_option(options, argc, argv, &i) && good;
        } else if (options->n_rest < sizeof(rest) / sizeof(rest[0])) {
            rest[options->n_rest++] = argv[i];
        }
    }
    if (good && options->n_rest && !command->usage[0]) {
        fprintf(stderr, "faultline %s: '%s' is no option of it; see 'faultline help %s'\n",
                command->name, rest[0], command->name);
        good = false;
    }
    return use_files(options) && good;
}

const char *option(const struct options *options, const char *name)
{
    size_t index;
    return find_row(options->command, str_of(name), &index) ? options->values[index] : NULL;
}

bool complain(const struct options *options, const char *what)
{
    fprintf(stderr, "faultline %s: %s\n", options->command->name, what);
    return false;
}

bool option_time(const struct options *options, const char *name, uint64_t now_ns, uint64_t *ns)
{
    const char *text = option(options, name);
    if (!text || time_parse(str_of(text), now_ns, ns))
        return true;
    fprintf(stderr, "faultline %s: --%s is a time (15m, 2026-11-23T10:00:00Z)\n",
            options->command->name, name);
    return false;
}

struct config_input options_input(const struct options *options)
{
    return (struct config_input){option(options, "config"), options->sets, environ};
}

struct config *options_config(const struct options *options, struct config_input *input)
{
    struct config *config;
    struct buf mistakes;
    *input = options_input(options);
    buf_init(&mistakes, 1u << 20);
    if (config_read(input, &config, &mistakes)) {
        fwrite(mistakes.p, 1, mistakes.len, stderr);
        config_free(config);
        config = NULL;
    }
    buf_fini(&mistakes);
    return config;
}

static enum log_level level_of(const char *word)
{
    static const char *const words[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(word, words[i]) == 0)
            return (enum log_level)i;
    }
    return LOG_INFO;
}

void settings_log(const struct settings *settings)
{
    log_setup(level_of(settings->log_level),
              strcmp(settings->log_format, "json") == 0 ? LOG_JSON : LOG_LOGFMT);
}

struct config *options_store(const struct options *options, struct settings *settings)
{
    static char file[CONFIG_PATH_BYTES];
    struct config_input input;
    const char *db = option(options, "db");
    struct config *config = options_config(options, &input);
    if (!config)
        return NULL;
    *settings = *config_settings(config);
    settings_log(settings);
    if (db)
        settings->store_path = (char *)(uintptr_t)config_store_file(db, file);
    return config;
}

bool options_one_source(const struct options *options)
{
    if (!option(options, "db") || !option(options, "url"))
        return true;
    fprintf(stderr, "faultline %s: --db or --url, not both\n", options->command->name);
    return false;
}
