/* requests.c - a ring of places and a table over it. */
#include "collector/stitch/requests.h"

#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/stitch/work.h"

#define PLACES (UINT32_C(1) << 17)
/* Of one id: a client that gives every request the same one gets no longer rows to walk. */
#define PLACES_OF_ONE 64

struct requests {
    struct request_place *places;
    uint32_t next, n;
    struct map map; /* of the request id -> place */
};

struct requests *requests_new(void)
{
    struct requests *requests = calloc(1, sizeof(*requests));
    if (requests)
        map_init(&requests->map);
    return requests;
}

void requests_free(struct requests *requests)
{
    if (!requests)
        return;
    map_fini(&requests->map);
    free(requests->places);
    free(requests);
}

/* A span that comes again has its place already, and an id that has enough gets no more. */
static bool wants_place(const struct requests *requests, const struct record *record)
{
    struct requests_iter iter = requests_find(requests, record->request_id);
    const struct request_place *place;
    unsigned n = 0;
    while (n < PLACES_OF_ONE && (place = requests_next(requests, &iter))) {
        if (place->span_id == record->span_id && place->shape == record->shape)
            return false;
        n++;
    }
    return n < PLACES_OF_ONE;
}

uint32_t request_client(const struct record *record)
{
    struct str text = record->attr_set ? span_text(record, STR("peer.address")) : STR_NONE;
    uint32_t client = (uint32_t)hash_str(text);
    return !text.len ? 0 : client ? client : 1;
}

struct request_place *requests_add(struct requests *requests, uint64_t trace,
                                   const struct record *record)
{
    bool log = record->shape->log != LOG_NONE;
    if (!requests->places)
        requests->places = malloc(PLACES * sizeof(*requests->places));
    if (!requests->places || !wants_place(requests, record))
        return NULL;
    struct request_place *place = &requests->places[requests->next];
    if (requests->n == PLACES)
        map_remove(&requests->map, hash_u64(place->request_id), requests->next);
    *place = (struct request_place){.request_id = record->request_id,
                                    .span_id = record->span_id,
                                    .start_ns = record->start_ns,
                                    .duration_ns = record->duration_ns,
                                    .shape = record->shape,
                                    .trace = trace,
                                    .client = log ? request_client(record) : 0,
                                    .outcome = record_outcome(record),
                                    .root = !record->parent_id};
    if (!map_add(&requests->map, hash_u64(record->request_id), requests->next))
        return NULL;
    requests->n += requests->n < PLACES;
    requests->next = (requests->next + 1) % PLACES;
    return place;
}

struct requests_iter requests_find(const struct requests *requests, uint64_t request_id)
{
    return (struct requests_iter){map_find(&requests->map, hash_u64(request_id)), request_id};
}

struct request_place *requests_next(const struct requests *requests, struct requests_iter *iter)
{
    while (map_next(&requests->map, &iter->it)) {
        struct request_place *place = &requests->places[iter->it.value];
        if (place->request_id == iter->request_id)
            return place;
    }
    return NULL;
}
