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

/* Items were looked at when they were read: they are what their setting takes. */
static void copy_networks(const struct text_list *list, struct cidr *cidrs)
{
    for (size_t i = 0; i < list->n; i++)
        cidr_parse(str_of(list->items[i]), &cidrs[i]);
}

static void copy_aliases(const struct str *items, size_t n, struct renaming *alias)
{
    for (size_t i = 0; i < n; i++)
        config_cut_pair(items[i], &alias[i].from, &alias[i].to);
}

static void copy_zones(const struct str *items, size_t n, struct zone *zones)
{
    struct str network;
    for (size_t i = 0; i < n; i++) {
        config_cut_pair(items[i], &zones[i].name, &network);
        cidr_parse(network, &zones[i].network);
    }
}

/* Takes `size` bytes of the arrays. */
static void *take_array(char **arrays, size_t size)
{
    void *array = *arrays;
    *arrays += (size + 7) & ~(size_t)7;
    return array;
}

struct knowledge *knowledge_new(const struct settings *settings)
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
        return NULL;
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
    copy_networks(inside, networks);
    copy_aliases(strs[2], settings->alias.n, alias);
    copy_zones(strs[3], settings->zones.n, zones);
    return knowledge;
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
    struct redaction *old = redactions->now;
    struct redaction *fresh = redaction_new((const char *const *)keys->items, keys->n);
    if (!fresh)
        return false;
    if (old && redaction_same(old, fresh)) {
        redaction_free(fresh);
        return true;
    }
    forget_old(redactions, now_mono_ns);
    if (redactions->n_old == sizeof(redactions->old) / sizeof(redactions->old[0])) {
        redaction_free(fresh);
        return false;
    }
    redactions->now = fresh;
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
