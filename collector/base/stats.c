/* stats.c - the registry of families. A lock is taken to find or make a series, never to count. */
#include "collector/base/stats.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct stat_family *families; /* in order of name */

static void register_family(struct stat_family *family)
{
    struct stat_family **at = &families;
    while (*at && strcmp((*at)->name, family->name) < 0)
        at = &(*at)->next;
    family->next = *at;
    *at = family;
    family->registered = true;
}

static bool same_labels(const struct stat_series *a, const struct stat_series *b)
{
    for (int i = 0; i < STAT_MAX_LABELS; i++) {
        if (!a->labels[i].name || !b->labels[i].name)
            return a->labels[i].name == b->labels[i].name;
        if (strcmp(a->labels[i].name, b->labels[i].name) != 0 ||
            strcmp(a->labels[i].value, b->labels[i].value) != 0)
            return false;
    }
    return true;
}

static void read_labels(struct stat_series *stat, va_list args)
{
    const char *name;
    for (int i = 0; i < STAT_MAX_LABELS && (name = va_arg(args, const char *)); i++) {
        stat->labels[i].name = name;
        snprintf(stat->labels[i].value, sizeof(stat->labels[i].value), "%s",
                 va_arg(args, const char *));
    }
}

struct stat_series *stat_get(struct stat_family *family, ...)
{
    struct stat_series *fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        abort();
    va_list args;
    va_start(args, family);
    read_labels(fresh, args);
    va_end(args);
    pthread_mutex_lock(&mutex);
    if (!family->registered)
        register_family(family);
    struct stat_series **at = &family->series;
    while (*at && !same_labels(*at, fresh))
        at = &(*at)->next;
    if (*at)
        free(fresh);
    else
        *at = fresh;
    struct stat_series *found = *at;
    pthread_mutex_unlock(&mutex);
    return found;
}

void stat_add(struct stat_series *stat, uint64_t n)
{
    atomic_fetch_add_explicit(&stat->value, n, memory_order_relaxed);
}

void stat_set(struct stat_series *stat, uint64_t value)
{
    atomic_store_explicit(&stat->value, value, memory_order_relaxed);
}

void stat_set_real(struct stat_series *stat, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    stat_set(stat, bits);
}

double stat_bucket_bound(int k)
{
    return 0.0005 * (double)(1u << k);
}

void stat_observe_ns(struct stat_series *stat, uint64_t duration_ns)
{
    int k = 0;
    while (k < STAT_N_BUCKETS && duration_ns > (UINT64_C(500000) << k))
        k++;
    atomic_fetch_add_explicit(&stat->buckets[k], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&stat->sum_ns, duration_ns, memory_order_relaxed);
}

uint64_t stat_value(const struct stat_series *stat)
{
    return atomic_load_explicit(&stat->value, memory_order_relaxed);
}

double stat_value_real(const struct stat_series *stat)
{
    uint64_t bits = stat_value(stat);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

void stats_visit(void (*visit)(const struct stat_family *family, void *ctx), void *ctx)
{
    pthread_mutex_lock(&mutex);
    for (const struct stat_family *family = families; family; family = family->next)
        visit(family, ctx);
    pthread_mutex_unlock(&mutex);
}
