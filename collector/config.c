/* config.c - default, file, environment, flag: the later wins, every mistake is said. */
#include "collector/config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/config_internal.h"

#define PREFIX "FAULTLINE_"
#define MAX_SETTINGS 128
#define MAX_SECRET 65536

struct config {
    struct settings settings;
    char *sources[MAX_SETTINGS]; /* NULL: default */
    char *texts[MAX_SETTINGS];   /* as it was written there */
    bool from_file[MAX_SETTINGS];
};

struct gathering {
    struct config *config;
    const char *file;
    struct buf *mistakes;
    size_t n_mistakes;
    bool from_environment[MAX_SETTINGS];
};

const struct setting *config_find(struct str name)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        if (str_eq(name, str_of(config_table[i].name)))
            return &config_table[i];
    }
    return NULL;
}

/* Levenshtein's distance, of names up to 63 bytes. */
static unsigned distance(struct str a, struct str b)
{
    unsigned row[64];
    if (a.len > 63 || b.len > 63)
        return UINT32_MAX;
    for (unsigned k = 0; k <= b.len; k++)
        row[k] = k;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned k = 1; k <= b.len; k++) {
            unsigned change = diagonal + (a.p[i - 1] != b.p[k - 1]);
            diagonal = row[k];
            unsigned least = row[k] < row[k - 1] ? row[k] + 1 : row[k - 1] + 1;
            row[k] = least < change ? least : change;
        }
    }
    return row[b.len];
}

const struct setting *config_nearest(struct str name)
{
    const struct setting *nearest = NULL;
    unsigned best = name.len < 14 ? (unsigned)name.len / 2 + 1 : 8; /* else it is no typing error */
    for (size_t i = 0; i < config_n_settings; i++) {
        unsigned d = distance(name, str_of(config_table[i].name));
        if (d < best) {
            best = d;
            nearest = &config_table[i];
        }
    }
    return nearest;
}

/* One line each, whatever bytes the names in it have. */
static __attribute__((format(printf, 2, 3))) void mistake(struct gathering *gathering,
                                                          const char *format, ...)
{
    struct buf *mistakes = gathering->mistakes;
    size_t begin = mistakes->len;
    va_list args;
    va_start(args, format);
    buf_addv(mistakes, format, args);
    va_end(args);
    for (size_t i = begin; i < mistakes->len; i++) {
        if ((unsigned char)mistakes->p[i] < ' ' || mistakes->p[i] == 0x7f)
            mistakes->p[i] = '?';
    }
    buf_add_char(mistakes, '\n');
    gathering->n_mistakes++;
}

static void unknown(struct gathering *gathering, const char *where, struct str name)
{
    const struct setting *near = config_nearest(name);
    mistake(gathering, "%s: %.*s: unknown setting%s%s%s", where, STR_ARG(name),
            near ? "; did you mean " : "", near ? near->name : "", near ? "?" : "");
}

static void set(struct gathering *gathering, const char *where, const struct setting *setting,
                struct str value, const char *source)
{
    struct err err = {0};
    size_t i = (size_t)(setting - config_table);
    value = str_trim(value);
    if (config_value_set(&gathering->config->settings, setting, value, &err)) {
        mistake(gathering, "%s: %s: %s", where, setting->name, err.text);
        return;
    }
    struct config *config = gathering->config;
    free(config->sources[i]);
    free(config->texts[i]);
    config->sources[i] = strdup(source);
    config->texts[i] = strndup(value.p ? value.p : "", value.len);
}

static void found_in_file(struct str name, struct str value, size_t line, void *ctx)
{
    struct gathering *gathering = ctx;
    char where[4200];
    const struct setting *setting = config_find(name);
    snprintf(where, sizeof(where), "%s:%zu", gathering->file, line);
    if (!setting) {
        unknown(gathering, where, name);
        return;
    }
    bool *seen = &gathering->config->from_file[setting - config_table];
    if (*seen) {
        mistake(gathering, "%s: %s: is set twice", where, setting->name);
    }
    *seen = true;
    set(gathering, where, setting, value, where);
}

/* FAULTLINE_STORE_PATH is store.path: names are compared with dots as underscores. */
static const struct setting *find_variable(struct str name)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const char *own = config_table[i].name;
        size_t n = 0;
        while (n < name.len && own[n] &&
               toupper((unsigned char)(own[n] == '.' ? '_' : own[n])) == name.p[n])
            n++;
        if (n == name.len && !own[n])
            return &config_table[i];
    }
    return NULL;
}

static void set_from_secret(struct gathering *gathering, const char *where,
                            const struct setting *setting, struct str path)
{
    char name[4096], value[MAX_SECRET];
    snprintf(name, sizeof(name), "%.*s", STR_ARG(path));
    FILE *file = fopen(name, "rb");
    size_t n = file ? fread(value, 1, sizeof(value), file) : 0;
    if (file)
        fclose(file);
    else {
        mistake(gathering, "%s: %s: cannot be read", where, name);
        return;
    }
    set(gathering, where, setting, (struct str){value, n}, "environment");
}

/* Kubernetes tells every pod of a namespace where its services are: of one named faultline by
 * FAULTLINE_SERVICE_HOST, FAULTLINE_SERVICE_PORT_WEB, FAULTLINE_PORT=tcp://…,
 * FAULTLINE_PORT_4318_TCP_ADDR and the like. */
static bool is_service_link(struct str rest, struct str value)
{
    struct str all = {rest.p - 1, rest.len + 1}; /* with the underscore before it */
    const char *port = memmem(all.p, all.len, "_PORT_", 6);
    bool numbered = port && port + 6 < all.p + all.len && isdigit((unsigned char)port[6]);
    bool address = str_starts(value, STR("tcp://")) || str_starts(value, STR("udp://")) ||
                   str_starts(value, STR("sctp://"));
    return numbered || str_ends(all, STR("_SERVICE_HOST")) ||
           str_contains(all, STR("_SERVICE_PORT")) || (str_ends(all, STR("_PORT")) && address);
}

/* FAULTLINE_STORE_PATHH: the nearest, as a variable. */
static void unknown_variable(struct gathering *gathering, const char *where, struct str rest)
{
    char text[64] = "";
    for (size_t i = 0; i < rest.len && i + 1 < sizeof(text); i++)
        text[i] = (char)tolower((unsigned char)rest.p[i]);
    const struct setting *near = config_nearest(str_of(text));
    for (size_t i = 0; near && i + 1 < sizeof(text); i++) {
        text[i] = near->name[i] == '.' ? '_' : (char)toupper((unsigned char)near->name[i]);
        if (!near->name[i])
            break;
    }
    mistake(gathering, "%s: unknown setting%s%s%s", where, near ? "; did you mean " PREFIX : "",
            near ? text : "", near ? "?" : "");
}

static void read_environment(struct gathering *gathering, char *const *environment)
{
    struct str name, value;
    for (; environment && *environment; environment++) {
        str_cut(str_of(*environment), '=', &name, &value);
        if (!str_starts(name, STR(PREFIX)) || str_eq(name, STR("FAULTLINE_CONFIG")))
            continue;
        char where[300];
        snprintf(where, sizeof(where), "environment %.*s", (int)(name.len < 250 ? name.len : 250),
                 name.p);
        struct str rest = str_skip(name, sizeof(PREFIX) - 1);
        const struct setting *setting = find_variable(rest);
        bool by_file = !setting && str_ends(rest, STR("_FILE"));
        if (by_file)
            setting = find_variable((struct str){rest.p, rest.len - 5});
        if (!setting) {
            if (!is_service_link(rest, value))
                unknown_variable(gathering, where, rest);
            continue;
        }
        bool *seen = &gathering->from_environment[setting - config_table];
        if (*seen)
            mistake(gathering, "%s: %s: is set twice, by itself and by a file", where,
                    setting->name);
        *seen = true;
        if (by_file)
            set_from_secret(gathering, where, setting, value);
        else
            set(gathering, where, setting, value, "environment");
    }
}

static void read_flags(struct gathering *gathering, const char *const *sets)
{
    struct str name, value;
    for (; sets && *sets; sets++) {
        if (!str_cut(str_of(*sets), '=', &name, &value)) {
            mistake(gathering, "--set %s: must be name=value", *sets);
            continue;
        }
        const struct setting *setting = config_find(str_trim(name));
        if (setting)
            set(gathering, "--set", setting, value, "flag");
        else
            unknown(gathering, "--set", name);
    }
}

#define MAX_LINKS 40 /* as the system's */

const char *config_store_file(const char *path, char space[CONFIG_PATH_BYTES])
{
    char target[CONFIG_PATH_BYTES];
    snprintf(space, CONFIG_PATH_BYTES, "%s", path);
    for (int i = 0; i < MAX_LINKS; i++) {
        ssize_t n = readlink(space, target, sizeof(target) - 1);
        if (n < 0)
            break;
        target[n] = '\0';
        char *folder_end = target[0] == '/' ? NULL : strrchr(space, '/');
        char *at = folder_end ? folder_end + 1 : space;
        snprintf(at, CONFIG_PATH_BYTES - (size_t)(at - space), "%s", target);
    }
    return space;
}

static void follow_store_path(struct settings *settings)
{
    char file[CONFIG_PATH_BYTES];
    char *followed = strdup(config_store_file(settings->store_path, file));
    if (!followed)
        abort();
    free(settings->store_path);
    settings->store_path = followed;
}

size_t config_read(const struct config_input *input, struct config **result, struct buf *mistakes)
{
    struct config *config = calloc(1, sizeof(*config));
    if (!config)
        abort();
    struct gathering gathering = {.config = config, .mistakes = mistakes, .file = input->file};
    for (size_t i = 0; i < config_n_settings; i++) {
        struct err err;
        config_value_set(&config->settings, &config_table[i], str_of(config_table[i].value), &err);
    }
    for (char *const *at = input->environment; !gathering.file && at && *at; at++) {
        const char *file = *at + sizeof("FAULTLINE_CONFIG=") - 1;
        if (str_starts(str_of(*at), STR("FAULTLINE_CONFIG=")) && *file)
            gathering.file = file;
    }
    if (gathering.file)
        config_yaml_read(gathering.file, found_in_file, &gathering, mistakes,
                         &gathering.n_mistakes);
    read_environment(&gathering, input->environment);
    read_flags(&gathering, input->sets);
    follow_store_path(&config->settings);
    *result = config;
    return gathering.n_mistakes;
}

const struct settings *config_settings(const struct config *config)
{
    return &config->settings;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config_n_settings; i++) {
        config_value_free(&config->settings, &config_table[i]);
        free(config->sources[i]);
        free(config->texts[i]);
    }
    free(config);
}

/* Do both hold the same value, however it was spelt? */
static bool is_same(const struct config *a, const struct config *b, const struct setting *setting)
{
    enum setting_type type = setting->type;
    if (type == SETTING_DURATION || type == SETTING_SIZE || type == SETTING_COUNT)
        return memcmp((const char *)&a->settings + setting->offset,
                      (const char *)&b->settings + setting->offset, sizeof(uint64_t)) == 0;
    struct buf one, other;
    buf_init(&one, SIZE_MAX);
    buf_init(&other, SIZE_MAX);
    config_value_print(&a->settings, setting, "", &one);
    config_value_print(&b->settings, setting, "", &other);
    bool same = str_eq(buf_str(&one), buf_str(&other));
    buf_fini(&one);
    buf_fini(&other);
    return same;
}

void config_stale(const struct config *config, const struct config *fresh, struct buf *names)
{
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *setting = &config_table[i];
        if (!setting->reloads && !is_same(config, fresh, setting))
            buf_addf(names, "%s%s", names->len ? "," : "", setting->name);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(config_table[*(const size_t *)a].name, config_table[*(const size_t *)b].name);
}

static const char *source_of(const struct config *config, size_t setting)
{
    return config->sources[setting] ? config->sources[setting] : "default";
}

const char *config_source(const struct config *config, const char *name)
{
    return source_of(config, (size_t)(config_find(str_of(name)) - config_table));
}

void config_print(const struct config *config, struct buf *out)
{
    size_t order[MAX_SETTINGS];
    for (size_t i = 0; i < config_n_settings; i++)
        order[i] = i;
    qsort(order, config_n_settings, sizeof(order[0]), by_name);
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *setting = &config_table[order[i]];
        const char *given = config->texts[order[i]];
        buf_addf(out, "%s = ", setting->name);
        config_value_print(&config->settings, setting, given ? given : setting->value, out);
        buf_addf(out, "  # %s\n", source_of(config, order[i]));
    }
}

void config_print_markdown(struct buf *out)
{
    buf_add_c(out, "| setting | default | reloads | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < config_n_settings; i++) {
        const struct setting *setting = &config_table[i];
        buf_addf(out, "| `%s` | `%s` | %s | %s", setting->name,
                 setting->value[0] ? setting->value : "''", setting->reloads ? "yes" : "",
                 setting->text);
        for (const char *word = setting->words; word && *word; word++)
            buf_addf(out, *word == '|' ? ", " : word == setting->words ? ": %c" : "%c", *word);
        buf_add_c(out, " |\n");
    }
}
