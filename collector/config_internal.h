/* config_internal.h - the table of settings, and how one value is read; shared by the config_*.c
 * files. */
#ifndef COLLECTOR_CONFIG_INTERNAL_H
#define COLLECTOR_CONFIG_INTERNAL_H

#include "collector/base/err.h"
#include "collector/config.h"

enum setting_type {
    SETTING_TEXT,
    SETTING_LISTEN, /* [host:]port, unix:/path, off */
    SETTING_LIST, /* items by comma (\, within one), also in the brackets that check-config prints;
                     a YAML sequence, or a map as key=value items */
    SETTING_DURATION,
    SETTING_SIZE,
    SETTING_COUNT,
    SETTING_BOOL,
    SETTING_WORD,  /* one of `words` */
    SETTING_SHARE, /* all, or 1% … 99% */
    SETTING_LINK,  /* http:// or https://, or empty */
    /* lists that say what an item is */
    SETTING_NETWORKS, /* 10.0.0.0/8 */
    SETTING_NODES,    /* service, namespace/service or cluster/namespace/service; * any */
    SETTING_ZONES,    /* name=network; a map */
    SETTING_PAIRS,    /* name=value; a map */
    SETTING_TOPICS,   /* topic=format */
    SETTING_RULES,    /* caller -> callee */
    SETTING_LISTENS,  /* as SETTING_LISTEN */
    SETTING_ORIGINS   /* scheme://host[:port], nothing behind */
};

static inline bool setting_is_list(enum setting_type type)
{
    return type == SETTING_LIST || type >= SETTING_NETWORKS;
}

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;     /* in struct settings */
    const char *value; /* default, as text */
    uint64_t least,
        most;          /* bounds of numbers; both 0: none. `least` 1 of a text: may not be empty */
    const char *words; /* of SETTING_WORD, by '|' */
    bool reloads;      /* SIGHUP takes a new value */
    const char *text;  /* one line of meaning */
};

extern const struct setting config_table[];
extern const size_t config_n_settings;

const struct setting *config_find(struct str name);
/* The known name with the smallest distance to this one; NULL when none is near. */
const struct setting *config_nearest(struct str name);
/* Reads a text into the setting's place. ERR_INVALID says what is wrong with it. */
int config_value_set(struct settings *settings, const struct setting *setting, struct str text,
                     struct err *err);
/* Writes the value as check-config prints it: a number with its unit as it was written (`given`).
 */
void config_value_print(const struct settings *settings, const struct setting *setting,
                        const char *given, struct buf *out);
/* ERR_INVALID says what is wrong with it. */
int config_item_check(enum setting_type type, struct str item, struct err *err);
int config_listen_check(struct str text, struct err *err);
void config_value_free(struct settings *settings, const struct setting *setting);

/* Adds an item of a list as it stands in its text: commas and backslashes behind a backslash. */
void config_item_escape(struct buf *out, struct str item);

/* Calls `found` for every scalar of the file: dotted name, value, line. Lists come joined by
 * commas. False when the file cannot be read or is no YAML; then a mistake was written. */
bool config_yaml_read(const char *path,
                      void (*found)(struct str name, struct str value, size_t line, void *ctx),
                      void *ctx, struct buf *mistakes, size_t *n_mistakes);

#endif
