/* demo_incidents.c - see demo_incidents.h. Nobody is told twice: incidents keep their ids. */
#include "collector/command/demo_incidents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/client.h"
#include "collector/base/clock.h"
#include "collector/command/ask.h"

#define LOOK_EVERY_NS (2 * NS_PER_S)
#define DEADLINE_NS (2 * NS_PER_S)
#define ANSWER_BYTES ((size_t)4 << 20)
#define MOST_TOLD 32

struct demo_incidents {
    char url[320];
    struct client *client;
    uint64_t looked_ns;
    struct told {
        char id[24];
        bool ended;
    } told[MOST_TOLD];
    unsigned n_told;
};

struct demo_incidents *demo_incidents_new(const char *web)
{
    struct demo_incidents *incidents = calloc(1, sizeof(*incidents));
    if (!incidents)
        return NULL;
    incidents->client = client_new(DEADLINE_NS);
    snprintf(incidents->url, sizeof(incidents->url), "http://%s/api/v1/incidents?state=all", web);
    if (incidents->client)
        return incidents;
    free(incidents);
    return NULL;
}

void demo_incidents_free(struct demo_incidents *incidents)
{
    if (!incidents)
        return;
    client_free(incidents->client);
    free(incidents);
}

static struct told *told_of(struct demo_incidents *incidents, struct str id, bool *fresh)
{
    *fresh = false;
    for (unsigned i = 0; i < incidents->n_told; i++) {
        if (str_eq(id, str_of(incidents->told[i].id)))
            return &incidents->told[i];
    }
    if (incidents->n_told == MOST_TOLD)
        return NULL;
    struct told *told = &incidents->told[incidents->n_told++];
    snprintf(told->id, sizeof(told->id), "%.*s", (int)(id.len < 23 ? id.len : 23), id.p);
    *fresh = true;
    return told;
}

static struct tree *ask_for_all(struct demo_incidents *incidents, struct arena *arena)
{
    struct client_request request = {.method = "GET", .url = incidents->url};
    struct buf answer;
    struct err err = {0};
    unsigned status = 0;
    buf_init(&answer, ANSWER_BYTES);
    bool good =
        client_send(incidents->client, &request, &status, &answer, &err) == 0 && status == 200;
    struct str text = good ? arena_dup(arena, buf_str(&answer)) : STR_NONE;
    buf_fini(&answer);
    return text.p ? tree_read(arena, text) : NULL;
}

void demo_incidents_look(struct demo_incidents *incidents, uint64_t mono_ns,
                         void (*opened)(void *ctx, const char *id, const char *summary),
                         void (*ended)(void *ctx, const char *id), void *ctx)
{
    struct arena arena;
    if (mono_ns < incidents->looked_ns + LOOK_EVERY_NS)
        return;
    incidents->looked_ns = mono_ns;
    arena_init(&arena, ANSWER_BYTES);
    const struct tree *answer = ask_for_all(incidents, &arena);
    const struct tree *items = answer ? tree_get(answer, "items") : NULL;
    for (const struct tree *item = items ? items->first : NULL; item; item = item->next) {
        bool fresh;
        struct told *told = told_of(incidents, tree_get(item, "id")->text, &fresh);
        char summary[400];
        struct str text = tree_get(item, "summary")->text;
        snprintf(summary, sizeof(summary), "%.*s", (int)(text.len < 399 ? text.len : 399), text.p);
        if (told && fresh)
            opened(ctx, told->id, summary);
        bool closed = str_eq(tree_get(item, "state")->text, STR("closed"));
        if (told && closed && !told->ended)
            ended(ctx, told->id);
        if (told)
            told->ended = closed;
    }
    arena_fini(&arena);
}
