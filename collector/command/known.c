/* known.c - one piece of memory: the struct, its arrays, its texts, one behind the other. */
#include "collector/command/known.h"

#include <stdlib.h>

#include "collector/base/clock.h"

#define KEEP_NS (60 * NS_PER_S)

static size_t bytes_of(const struct text_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += strlen(list->items[i]) + 1;
    return n;
}

static const struct str *copy_list(const struct text_list *list, char **arrays, char **texts)
{
    struct str *strs = (struct str *)(void *)*arrays;
    *arrays += list->n * sizeof(*strs);
    for (size_t i = 0; i < list->n; i++) {
        size_t n = strlen(list->items[i]);
        memcpy(*texts, list->items[i], n + 1);
        strs[i] = (struct str){*texts, n};
        *texts += n + 1;
    }
    return strs;
}

static int copy_networks(const struct text_list *list, struct cidr *cidrs, struct err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        if (!cidr_parse(str_of(list->items[i]), &cidrs[i]))
            return err_set(err, ERR_INVALID, "stitch.inside: '%s' is no network (10.0.0.0/8)",
                           list->items[i]);
    }
    return 0;
}

/* "a=b" cut into its two parts, without blanks around them. */
static int cut_pair(const char *setting, const char *form, struct str item, struct str *one,
                    struct str *other, struct err *err)
{
    bool two = str_cut(item, '=', one, other);
    *one = str_trim(*one);
    *other = str_trim(*other);
    if (two && one->len && other->len)
        return 0;
    return err_set(err, ERR_INVALID, "%s: '%.*s' is not %s", setting, STR_ARG(item), form);
}

static int copy_aliases(const struct str *items, size_t n, struct renaming *alias, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (cut_pair("stitch.alias", "name=name", items[i], &alias[i].from, &alias[i].to, err))
            return err->code;
    }
    return 0;
}

static int copy_zones(const struct str *items, size_t n, struct zone *zones, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct str network;
        if (cut_pair("stitch.zones", "zone=network", items[i], &zones[i].name, &network, err))
            return err->code;
        if (!cidr_parse(network, &zones[i].network))
            return err_set(err, ERR_INVALID, "stitch.zones: '%.*s' is no network (10.0.0.0/8)",
                           STR_ARG(network));
    }
    return 0;
}

/* Takes `size` bytes of the arrays. */
static void *take_array(char **arrays, size_t size)
{
    void *array = *arrays;
    *arrays += (size + 7) & ~(size_t)7;
    return array;
}

int knowledge_new(const struct settings *settings, struct knowledge **result, struct err *err)
{
    const struct text_list *lists[] = {&settings->gateways, &settings->sidecars, &settings->alias,
                                       &settings->zones};
    const struct text_list *inside = &settings->inside;
    size_t n_texts = 0, n_strs = 0;
    for (int i = 0; i < 4; i++) {
        n_texts += bytes_of(lists[i]);
        n_strs += lists[i]->n;
    }
    size_t array_bytes = n_strs * sizeof(struct str) + inside->n * sizeof(struct cidr) +
                         settings->alias.n * sizeof(struct renaming) +
                         settings->zones.n * sizeof(struct zone) + 64;
    struct knowledge *knowledge = malloc(sizeof(*knowledge) + array_bytes + n_texts + 1);
    if (!knowledge)
        return err_set(err, ERR_BUSY, "memory is short");
    char *arrays = (char *)(knowledge + 1), *texts = arrays + array_bytes;
    const struct str *strs[4];
    for (int i = 0; i < 4; i++)
        strs[i] = copy_list(lists[i], &arrays, &texts);
    struct cidr *networks = take_array(&arrays, inside->n * sizeof(*networks));
    struct renaming *alias = take_array(&arrays, settings->alias.n * sizeof(*alias));
    struct zone *zones = take_array(&arrays, settings->zones.n * sizeof(*zones));
    *knowledge = (struct knowledge){.gateways = strs[0],
                                    .n_gateways = lists[0]->n,
                                    .sidecars = strs[1],
                                    .n_sidecars = lists[1]->n,
                                    .inside = networks,
                                    .n_inside = inside->n,
                                    .alias = alias,
                                    .n_alias = settings->alias.n,
                                    .zones = zones,
                                    .n_zones = settings->zones.n};
    if (copy_networks(inside, networks, err) ||
        copy_aliases(strs[2], settings->alias.n, alias, err) ||
        copy_zones(strs[3], settings->zones.n, zones, err)) {
        free(knowledge);
        return err->code;
    }
    *result = knowledge;
    return 0;
}

static void forget_old(struct redactions *redactions, uint64_t now_mono_ns)
{
    size_t kept = 0;
    for (size_t i = 0; i < redactions->n_old; i++) {
        if (redactions->old[i].since_ns + KEEP_NS < now_mono_ns)
            redaction_free(redactions->old[i].redaction);
        else
            redactions->old[kept++] = redactions->old[i];
    }
    redactions->n_old = kept;
}

bool redactions_set(struct redactions *redactions, const struct settings *settings,
                    uint64_t now_mono_ns)
{
    const struct text_list *keys = &settings->redact_keys;
    forget_old(redactions, now_mono_ns);
    if (redactions->n_old == sizeof(redactions->old) / sizeof(redactions->old[0]))
        return false;
    struct redaction *fresh = redaction_new((const char *const *)keys->items, keys->n);
    if (!fresh)
        return false;
    struct redaction *old = atomic_exchange(&redactions->now, fresh);
    if (old) {
        redactions->old[redactions->n_old].redaction = old;
        redactions->old[redactions->n_old++].since_ns = now_mono_ns;
    }
    return true;
}

void redactions_fini(struct redactions *redactions)
{
    forget_old(redactions, UINT64_MAX);
    redaction_free(atomic_exchange(&redactions->now, NULL));
}
