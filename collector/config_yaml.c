/* config_yaml.c - the settings file: nested or dotted keys, scalars, lists and maps of scalars. The
 * only user of libyaml. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "collector/config_internal.h"

#define MAX_DEPTH 16
#define MAX_NAME 256
#define NO_VALUE "null is no value; without the line it has its default"

struct reading {
    yaml_parser_t parser;
    const char *path;
    struct buf *mistakes;
    size_t *n_mistakes;
    void (*found)(struct str name, struct str value, size_t line, void *ctx);
    void *ctx;
    char name[MAX_NAME]; /* of the mapping that is open, with a dot at its end */
    size_t lengths[MAX_DEPTH];
    unsigned depth;
    char key[MAX_NAME]; /* full name of the value that comes next; '' when a key comes next */
    size_t key_line;
    struct buf list;      /* of the setting that takes a list: items joined by commas, escaped */
    bool in_list, in_map; /* inside the value of a list setting */
    bool in_map_list;     /* inside a list that is a value of that map */
    char map_key[MAX_NAME];
    bool in_item; /* inside a map that is an item of a list: {topic, format} */
    char topic[MAX_NAME], format[MAX_NAME];
};

static bool mistake(struct reading *reading, size_t line, const char *text)
{
    buf_addf(reading->mistakes, "%s:%zu: %s\n", reading->path, line, text);
    ++*reading->n_mistakes;
    return false;
}

/* Of the setting that is read; what follows is read all the same. */
static void wrong_value(struct reading *reading, size_t line, const char *text)
{
    buf_addf(reading->mistakes, "%s:%zu: %s: %s\n", reading->path, line, reading->key, text);
    ++*reading->n_mistakes;
}

static void end_list(struct reading *reading)
{
    const struct setting *setting = config_find(str_of(reading->key));
    if (setting && !setting_is_list(setting->type))
        wrong_value(reading, reading->key_line, "takes one value, not a list");
    else
        reading->found(str_of(reading->key), buf_str(&reading->list), reading->key_line,
                       reading->ctx);
    buf_reset(&reading->list);
    reading->key[0] = '\0';
    reading->in_list = reading->in_map = false;
}

/* Key or value of an item. */
static bool take_item_scalar(struct reading *reading, const char *text, size_t line)
{
    if (!reading->map_key[0]) {
        snprintf(reading->map_key, sizeof(reading->map_key), "%.200s", text);
        return true;
    }
    bool topic = strcmp(reading->map_key, "topic") == 0;
    if (!topic && strcmp(reading->map_key, "format") != 0)
        return mistake(reading, line, "an item of this list takes topic and format");
    reading->map_key[0] = '\0';
    snprintf(topic ? reading->topic : reading->format, MAX_NAME, "%.250s", text);
    return true;
}

/* As the same would be written in one text: topic=format. */
static bool end_item(struct reading *reading, size_t line)
{
    reading->in_item = false;
    if (!reading->topic[0] || !reading->format[0])
        return mistake(reading, line, "an item of this list takes topic and format");
    buf_addf(&reading->list, "%s%s=%s", reading->list.len ? "," : "", reading->topic,
             reading->format);
    reading->topic[0] = reading->format[0] = '\0';
    return true;
}

static bool is_null(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 ||
            strcmp(text, "NULL") == 0);
}

/* A section whose lines are all comments: "store:" and nothing. */
static bool is_empty_section(const struct reading *reading, const yaml_event_t *event)
{
    bool nothing =
        !event->data.scalar.length && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!nothing && !is_null(event))
        return false;
    size_t len = strlen(reading->key);
    for (size_t i = 0; i < config_n_settings; i++) {
        const char *name = config_table[i].name;
        if (strncmp(name, reading->key, len) == 0 && name[len] == '.')
            return true;
    }
    return false;
}

static bool take_scalar(struct reading *reading, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length, line = event->start_mark.line + 1;
    if (memchr(text, '\0', len))
        return mistake(reading, line, "a text with a null byte");
    if (reading->in_item)
        return take_item_scalar(reading, text, line);
    if (reading->in_map && !reading->map_key[0]) {
        snprintf(reading->map_key, sizeof(reading->map_key), "%.*s", (int)(len < 200 ? len : 200),
                 text);
        return true;
    }
    if ((reading->in_list || reading->in_map) && is_null(event)) {
        wrong_value(reading, line, NO_VALUE);
        reading->map_key[0] = reading->in_map_list ? reading->map_key[0] : '\0';
        return true;
    }
    if (reading->in_list || reading->in_map) {
        if (reading->list.len)
            buf_add_char(&reading->list, ',');
        if (reading->in_map)
            buf_addf(&reading->list, "%s=", reading->map_key);
        if (!reading->in_map_list)
            reading->map_key[0] = '\0';
        config_item_escape(&reading->list, (struct str){text, len});
        return true;
    }
    if (!reading->depth)
        return mistake(reading, line, "the file must be a map of settings");
    if (!reading->key[0]) {
        if (snprintf(reading->key, sizeof(reading->key), "%s%s", reading->name, text) >=
            (int)sizeof(reading->key))
            return mistake(reading, line, "the name of a setting is too long");
        reading->key_line = line;
        return true;
    }
    bool section = is_empty_section(reading, event);
    if (!section && is_null(event))
        wrong_value(reading, line, NO_VALUE);
    else if (!section)
        reading->found(str_of(reading->key), (struct str){text, len}, reading->key_line,
                       reading->ctx);
    reading->key[0] = '\0';
    return true;
}

static bool takes_list(const struct reading *reading)
{
    const struct setting *setting = config_find(str_of(reading->key));
    return setting && setting_is_list(setting->type);
}

static bool begin_map(struct reading *reading, size_t line)
{
    if (reading->in_map || reading->in_item)
        return mistake(reading, line, "a map where a text belongs");
    if (reading->in_list && !reading->in_item &&
        strcmp(reading->key, "receive.kafka.topics") == 0) {
        reading->in_item = true;
        return true;
    }
    if (reading->key[0] && takes_list(reading) && !reading->in_list) {
        reading->in_map = true;
        return true;
    }
    if (reading->in_list || reading->depth == MAX_DEPTH)
        return mistake(reading, line, "nested too deep, or a map where a text belongs");
    reading->lengths[reading->depth++] = strlen(reading->name);
    if (reading->key[0] && strlen(reading->key) + 2 < sizeof(reading->name))
        snprintf(reading->name, sizeof(reading->name), "%.254s.", reading->key);
    reading->key[0] = '\0';
    return true;
}

static bool end_map(struct reading *reading, size_t line)
{
    if (reading->in_item)
        return end_item(reading, line);
    if (reading->in_map)
        end_list(reading);
    else
        reading->name[reading->lengths[--reading->depth]] = '\0';
    return true;
}

/* A list, or within a map a list of values for one of its keys. */
static bool begin_list(struct reading *reading, size_t line)
{
    bool of_map = reading->in_map && reading->map_key[0] && !reading->in_map_list;
    if (reading->in_item)
        return mistake(reading, line, "a list where none belongs");
    if (!of_map && (!reading->key[0] || reading->in_list || reading->in_map))
        return mistake(reading, line, "a list where none belongs");
    if (of_map)
        reading->in_map_list = true;
    else
        reading->in_list = true;
    return true;
}

static bool take_event(struct reading *reading, const yaml_event_t *event)
{
    size_t line = event->start_mark.line + 1;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(reading, event);
    case YAML_MAPPING_START_EVENT:
        return begin_map(reading, line);
    case YAML_MAPPING_END_EVENT:
        return end_map(reading, line);
    case YAML_SEQUENCE_START_EVENT:
        return begin_list(reading, line);
    case YAML_SEQUENCE_END_EVENT:
        if (reading->in_map_list) {
            reading->in_map_list = false;
            reading->map_key[0] = '\0';
            return true;
        }
        end_list(reading);
        return true;
    case YAML_ALIAS_EVENT:
        return mistake(reading, line, "aliases are not taken");
    default:
        return true;
    }
}

static bool read_events(struct reading *reading)
{
    yaml_event_t event;
    bool end = false, good = true;
    while (!end && good) {
        if (!yaml_parser_parse(&reading->parser, &event))
            return mistake(reading, reading->parser.problem_mark.line + 1,
                           reading->parser.problem ? reading->parser.problem : "this is no YAML");
        end = event.type == YAML_STREAM_END_EVENT;
        good = take_event(reading, &event);
        yaml_event_delete(&event);
    }
    return good;
}

bool config_yaml_read(const char *path,
                      void (*found)(struct str name, struct str value, size_t line, void *ctx),
                      void *ctx, struct buf *mistakes, size_t *n_mistakes)
{
    struct reading reading = {
        .path = path, .found = found, .ctx = ctx, .mistakes = mistakes, .n_mistakes = n_mistakes};
    FILE *file = fopen(path, "rb");
    if (!file) {
        buf_addf(mistakes, "%s: cannot be read\n", path);
        ++*n_mistakes;
        return false;
    }
    buf_init(&reading.list, 1u << 20);
    bool good = yaml_parser_initialize(&reading.parser);
    if (good) {
        yaml_parser_set_input_file(&reading.parser, file);
        good = read_events(&reading);
        yaml_parser_delete(&reading.parser);
    }
    buf_fini(&reading.list);
    fclose(file);
    return good;
}
