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

int knowledge_new(const struct settings *settings, struct knowledge **result, struct err *err)
{
    const struct text_list *gateways = &settings->gateways, *sidecars = &settings->sidecars,
                           *inside = &settings->inside;
    size_t arrays_bytes =
        (gateways->n + sidecars->n) * sizeof(struct str) + inside->n * sizeof(struct cidr);
    struct knowledge *knowledge =
        malloc(sizeof(*knowledge) + arrays_bytes + bytes_of(gateways) + bytes_of(sidecars) + 1);
    if (!knowledge)
        return err_set(err, ERR_BUSY, "memory is short");
    char *arrays = (char *)(knowledge + 1), *texts = arrays + arrays_bytes;
    *knowledge = (struct knowledge){
        .n_gateways = gateways->n, .n_sidecars = sidecars->n, .n_inside = inside->n};
    knowledge->gateways = copy_list(gateways, &arrays, &texts);
    knowledge->sidecars = copy_list(sidecars, &arrays, &texts);
    knowledge->inside = (struct cidr *)(void *)arrays;
    if (copy_networks(inside, (struct cidr *)(void *)arrays, err)) {
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
