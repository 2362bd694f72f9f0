/* requests.c - a ring of places, those of one id a chain, and a table of where each begins. As both
 * are in the order in which places came, who gives way is the first of its chain. */
#include "collector/stitch/requests.h"

#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/stitch/work.h"

#define PLACES (UINT32_C(1) << 17)
/* Of one id: a client that gives every request the same one gets no longer rows to walk. */
#define PLACES_OF_ONE 64
#define SOON 4 /* places on, which give way soon: what is asked for them is fetched by then */

struct requests {
    struct request_place *places;
    uint32_t next, n;
    struct map map; /* of the request id -> its first place */
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

/* NO_PLACE: none. */
static uint32_t first_of(const struct requests *requests, uint64_t request_id)
{
    struct map_iter it = map_find(&requests->map, hash_u64(request_id));
    while (map_next(&requests->map, &it)) {
        if (requests->places[it.value].request_id == request_id)
            return it.value;
    }
    return NO_PLACE;
}

static uint32_t seen_bit(const struct record *record)
{
    return UINT32_C(1) << (hash_u64(record->span_id) & 31);
}

/* A span that comes again has its place already, and an id that has enough gets no more. */
static bool wants_place(const struct requests *requests, uint32_t first,
                        const struct record *record)
{
    if (first == NO_PLACE)
        return true;
    const struct request_place *head = &requests->places[first];
    uint32_t at = head->seen & seen_bit(record) ? first : NO_PLACE;
    for (; at != NO_PLACE; at = requests->places[at].next) {
        const struct request_place *place = &requests->places[at];
        if (place->span_id == record->span_id && place->shape == record->shape)
            return false;
    }
    return head->n < PLACES_OF_ONE;
}

/* The oldest place goes; the next of its id is the first then. */
static void give_way(struct requests *requests, uint32_t oldest)
{
    const struct request_place *place = &requests->places[oldest];
    uint64_t hash = hash_u64(place->request_id);
    if (place->next == NO_PLACE) {
        map_remove(&requests->map, hash, oldest);
        return;
    }
    struct request_place *first = &requests->places[place->next];
    map_replace(&requests->map, hash, oldest, place->next);
    first->last = place->last;
    first->seen = place->seen;
    first->several = place->several;
    first->n = place->n - 1;
}

/* The place behind those of its id, of which `first` is the first; false when memory is short. */
static bool chain(struct requests *requests, uint32_t first, uint32_t added,
                  const struct record *record)
{
    struct request_place *place = &requests->places[added];
    struct request_place *head = &requests->places[first == NO_PLACE ? added : first];
    if (first == NO_PLACE && !map_add(&requests->map, hash_u64(place->request_id), added))
        return false;
    if (first != NO_PLACE)
        requests->places[head->last].next = added;
    head->last = added;
    head->seen |= seen_bit(record);
    head->several |= head->trace != place->trace;
    head->n++;
    return true;
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
    if (!requests->places)
        return NULL;
    uint32_t first = first_of(requests, record->request_id);
    if (!wants_place(requests, first, record))
        return NULL;
    struct request_place *place = &requests->places[requests->next];
    if (requests->n == PLACES) {
        first = first == requests->next ? place->next : first;
        give_way(requests, requests->next);
        const struct request_place *soon = &requests->places[(requests->next + SOON) % PLACES];
        map_prefetch(&requests->map, hash_u64(soon->request_id));
    }
    *place = (struct request_place){.request_id = record->request_id,
                                    .span_id = record->span_id,
                                    .start_ns = record->start_ns,
                                    .duration_ns = record->duration_ns,
                                    .shape = record->shape,
                                    .trace = trace,
                                    .client = log ? request_client(record) : 0,
                                    .next = NO_PLACE,
                                    .outcome = record_outcome(record),
                                    .root = !record->parent_id};
    if (!chain(requests, first, requests->next, record))
        return NULL;
    requests->n += requests->n < PLACES;
    requests->next = (requests->next + 1) % PLACES;
    return place;
}

struct requests_iter requests_find(const struct requests *requests, uint64_t request_id)
{
    return (struct requests_iter){first_of(requests, request_id)};
}

struct request_place *requests_next(const struct requests *requests, struct requests_iter *iter)
{
    if (iter->next == NO_PLACE)
        return NULL;
    struct request_place *place = &requests->places[iter->next];
    iter->next = place->next;
    return place;
}

bool requests_only_in(const struct requests *requests, uint64_t request_id, uint64_t trace)
{
    uint32_t first = first_of(requests, request_id);
    return first == NO_PLACE ||
           (!requests->places[first].several && requests->places[first].trace == trace);
}
