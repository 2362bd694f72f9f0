/* steps.c - two rings of bags: steps, and minutes. A tally goes into both, so that what a reopened
 * trace takes back is taken from both.
 */
#include "collector/localise/steps.h"

#include <stdlib.h>

#define MAX_STEP_TALLIES 50000u
/* In all bags together: 156 MB (`bench.py build normal`), 310 bytes each with their histogram and
 * their place in the maps. */
#define MAX_TALLIES 500000u
#define MAX_HELD (1u << 20)
#define MAX_NAMES (1u << 20)
#define MAX_NAME_BYTES ((size_t)128 << 20)
#define MAX_NODES 200000u

struct bag {
    uint64_t time; /* step or minute of Unix time */
    bool spoilt;
    struct rollup rollup;
    struct rollup entries; /* of it requests, without versions: what every look asks for */
};

/* Numbers of the stitcher's tables to numbers here, plus 1; 0: not asked yet. */
struct numbers {
    uint32_t *own;
    uint32_t cap;
};

struct steps {
    struct names *names;
    struct nodes *nodes;
    struct numbers name_map, node_map;
    struct bag *steps, minutes[N_STEP_MINUTES];
    uint32_t step_s;
    unsigned n_steps;
    bool hold;
    uint32_t n_tallies;  /* in both rings */
    uint64_t n_left_out; /* that a bound kept out or took out */
    struct rollup held;  /* in order of time once the first was released */
    uint32_t n_released;
};

static void bag_init(struct bag *bag)
{
    rollup_init(&bag->rollup, MAX_STEP_TALLIES);
    rollup_init(&bag->entries, MAX_STEP_TALLIES);
}

static uint32_t bag_size(const struct bag *bag)
{
    return bag->rollup.n + bag->entries.n;
}

static void bag_fini(struct bag *bag)
{
    rollup_fini(&bag->rollup);
    rollup_fini(&bag->entries);
}

struct steps *steps_new(bool hold, uint32_t step_s, unsigned n_steps)
{
    struct steps *steps = calloc(1, sizeof(*steps));
    if (!steps)
        return NULL;
    steps->steps = calloc(n_steps, sizeof(*steps->steps));
    steps->hold = hold;
    steps->step_s = step_s;
    steps->n_steps = steps->steps ? n_steps : 0;
    rollup_init(&steps->held, UINT32_MAX);
    for (unsigned i = 0; i < steps->n_steps; i++)
        bag_init(&steps->steps[i]);
    for (unsigned i = 0; i < N_STEP_MINUTES; i++)
        bag_init(&steps->minutes[i]);
    steps->names = names_new(MAX_NAMES, MAX_NAME_BYTES);
    steps->nodes = nodes_new(MAX_NODES);
    if (steps->names && steps->nodes && steps->steps)
        return steps;
    steps_free(steps);
    return NULL;
}

void steps_free(struct steps *steps)
{
    if (!steps)
        return;
    for (unsigned i = 0; i < steps->n_steps; i++)
        bag_fini(&steps->steps[i]);
    free(steps->steps);
    for (unsigned i = 0; i < N_STEP_MINUTES; i++)
        bag_fini(&steps->minutes[i]);
    rollup_fini(&steps->held);
    free(steps->name_map.own);
    free(steps->node_map.own);
    nodes_free(steps->nodes);
    names_free(steps->names);
    free(steps);
}

struct names *steps_names(struct steps *steps)
{
    return steps->names;
}

struct nodes *steps_nodes(struct steps *steps)
{
    return steps->nodes;
}

/* ---- numbers ---- */

static uint32_t *number_place(struct numbers *numbers, uint32_t theirs)
{
    if (theirs >= numbers->cap) {
        uint32_t cap = numbers->cap ? numbers->cap : 1024;
        while (cap <= theirs)
            cap *= 2;
        uint32_t *grown = realloc(numbers->own, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        memset(grown + numbers->cap, 0, (cap - numbers->cap) * sizeof(*grown));
        numbers->own = grown;
        numbers->cap = cap;
    }
    return &numbers->own[theirs];
}

static bool take_name(struct steps *steps, const struct turn *turn, name_no *name)
{
    uint32_t *place = number_place(&steps->name_map, *name);
    if (!place)
        return false;
    if (!*place)
        *place = 1 + names_add(steps->names, names_text(turn->names, *name));
    *name = *place - 1;
    return true;
}

static bool take_node(struct steps *steps, const struct turn *turn, node_no *node)
{
    uint32_t *place = number_place(&steps->node_map, *node);
    if (!place)
        return false;
    if (!*place) {
        struct node own = *nodes_get(turn->nodes, *node);
        if (!take_name(steps, turn, &own.cluster) || !take_name(steps, turn, &own.namespace) ||
            !take_name(steps, turn, &own.service) || !take_name(steps, turn, &own.version))
            return false;
        *place = 1 + (*node == NODE_NONE ? NODE_NONE : nodes_add(steps->nodes, &own));
    }
    *node = *place - 1;
    return true;
}

/* ---- adding ---- */

static void empty(struct steps *steps, struct bag *bag)
{
    steps->n_tallies -= bag_size(bag);
    rollup_clear(&bag->rollup);
    rollup_clear(&bag->entries);
}

/* A ring's place belongs to the newest time that came; NULL for what is older. */
static struct bag *bag_of(struct steps *steps, struct bag *ring, unsigned n, uint64_t time)
{
    struct bag *bag = &ring[time % n];
    if (time < bag->time)
        return NULL;
    if (time > bag->time) {
        empty(steps, bag);
        bag->time = time;
        bag->spoilt = false;
    }
    return bag;
}

/* The oldest minute goes, with its memory: a baseline that is shorter serves better than one
 * without what is new. */
static void make_room(struct steps *steps, const struct bag *needed)
{
    struct bag *oldest = NULL;
    for (unsigned i = 0; i < N_STEP_MINUTES; i++) {
        struct bag *bag = &steps->minutes[i];
        if (bag->rollup.n && bag != needed && (!oldest || bag->time < oldest->time))
            oldest = bag;
    }
    if (!oldest)
        return;
    steps->n_left_out += bag_size(oldest);
    steps->n_tallies -= bag_size(oldest);
    bag_fini(oldest);
}

/* An entry is the same whatever its version. */
static bool add_entry(struct steps *steps, const struct tally_key *request,
                      const struct tally *more, struct rollup *entries)
{
    struct tally_key key = *request;
    struct node node = *nodes_get(steps->nodes, key.node);
    node.version = NAME_NONE;
    key.node = nodes_add(steps->nodes, &node);
    struct tally *tally = rollup_tally(entries, &key, 0);
    return tally && tally_merge(tally, more);
}

static bool add(struct steps *steps, struct bag *bag, const struct tally_key *key,
                const struct tally *more)
{
    if (!bag)
        return true;
    if (steps->n_tallies >= MAX_TALLIES)
        make_room(steps, bag);
    uint32_t before = bag_size(bag);
    struct tally *tally = rollup_tally(&bag->rollup, key, 0);
    bool good =
        !tally || key->channel != TALLY_REQUEST || add_entry(steps, key, more, &bag->entries);
    steps->n_tallies += bag_size(bag) - before;
    if (tally)
        return tally_merge(tally, more) && good;
    bool full = bag->rollup.n >= bag->rollup.max;
    steps->n_left_out += full;
    return full;
}

/* Into the step's bag and its minute's. */
static bool count(struct steps *steps, const struct tally_key *key, const struct tally *tally)
{
    uint64_t step = tally->step / steps->step_s, minute = tally->step / ROLLUP_MINUTE_S;
    return add(steps, bag_of(steps, steps->steps, steps->n_steps, step), key, tally) &&
           add(steps, bag_of(steps, steps->minutes, N_STEP_MINUTES, minute), key, tally);
}

static bool hold(struct steps *steps, const struct tally_key *key, const struct tally *more)
{
    struct tally *tally = rollup_tally(&steps->held, key, more->step);
    return tally && tally_merge(tally, more);
}

bool steps_take(struct steps *steps, const struct turn *turn)
{
    bool good = true;
    for (uint32_t i = 0; turn->rollup && i < turn->rollup->n && good; i++) {
        const struct tally *tally = &turn->rollup->items[i];
        struct tally_key key = tally->key;
        good = take_node(steps, turn, &key.node) && take_node(steps, turn, &key.peer) &&
               take_name(steps, turn, &key.name) && take_name(steps, turn, &key.detail) &&
               (steps->hold ? hold(steps, &key, tally) : count(steps, &key, tally));
    }
    return good;
}

/* ---- what waits ---- */

static int by_step(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    return (x->step > y->step) - (x->step < y->step);
}

/* From here on the bag's map is wrong: it is only read in order, then cleared. */
bool steps_next_held(struct steps *steps, uint64_t *step)
{
    struct rollup *held = &steps->held;
    if (held->n && !steps->n_released)
        qsort(held->items, held->n, sizeof(*held->items), by_step);
    if (steps->n_released == held->n)
        return false;
    *step = held->items[steps->n_released].step / steps->step_s;
    return true;
}

bool steps_release(struct steps *steps)
{
    struct rollup *held = &steps->held;
    uint64_t step;
    bool good = true, some = steps_next_held(steps, &step);
    for (; some && steps->n_released < held->n &&
           held->items[steps->n_released].step / steps->step_s == step;
         steps->n_released++) {
        const struct tally *tally = &held->items[steps->n_released];
        good = count(steps, &tally->key, tally) && good;
    }
    if (steps->n_released == held->n) {
        rollup_clear(held);
        steps->n_released = 0;
    }
    return good;
}

bool steps_are_full(const struct steps *steps)
{
    return steps->held.n >= MAX_HELD;
}

struct rollup *steps_minute(struct steps *steps, uint64_t minute)
{
    struct bag *bag = bag_of(steps, steps->minutes, N_STEP_MINUTES, minute);
    return bag ? &bag->rollup : NULL;
}

bool steps_recount(struct steps *steps)
{
    bool good = true;
    steps->n_tallies = 0;
    for (unsigned i = 0; i < steps->n_steps; i++)
        steps->n_tallies += bag_size(&steps->steps[i]);
    for (unsigned i = 0; i < N_STEP_MINUTES; i++) {
        struct bag *bag = &steps->minutes[i];
        rollup_clear(&bag->entries);
        good = steps_entries(steps, &bag->rollup, &bag->entries) && good;
        steps->n_tallies += bag_size(bag);
    }
    while (steps->n_tallies > MAX_TALLIES)
        make_room(steps, NULL);
    return good;
}

uint64_t steps_left_out(const struct steps *steps)
{
    return steps->n_left_out;
}

void steps_spoil(struct steps *steps, uint64_t from_minute, uint64_t to_minute)
{
    for (unsigned i = 0; i < N_STEP_MINUTES; i++) {
        struct bag *bag = &steps->minutes[i];
        bag->spoilt = bag->spoilt || (bag->time >= from_minute && bag->time <= to_minute);
    }
}

/* ---- sums ---- */

static bool add_all(const struct rollup *from, struct rollup *sum)
{
    for (uint32_t i = 0; i < from->n; i++) {
        struct tally *into = rollup_tally(sum, &from->items[i].key, 0);
        if (!into || !tally_merge(into, &from->items[i]))
            return false;
    }
    return true;
}

bool steps_sum(struct steps *steps, uint64_t from_step, uint64_t to_step, bool entries,
               struct rollup *sum)
{
    bool good = true;
    for (unsigned i = 0; i < steps->n_steps && good; i++) {
        const struct bag *bag = &steps->steps[i];
        if (bag->time >= from_step && bag->time < to_step)
            good = add_all(entries ? &bag->entries : &bag->rollup, sum);
    }
    return good;
}

static bool is_normal(const struct bag *bag, uint64_t from_minute, uint64_t to_minute)
{
    return !bag->spoilt && bag->time >= from_minute && bag->time < to_minute && bag->rollup.n;
}

bool steps_sum_minutes(struct steps *steps, uint64_t from_minute, uint64_t to_minute, bool entries,
                       struct rollup *sum, unsigned *n_minutes)
{
    bool good = true;
    *n_minutes = 0;
    for (unsigned i = 0; i < N_STEP_MINUTES && good; i++) {
        const struct bag *bag = &steps->minutes[i];
        if (!is_normal(bag, from_minute, to_minute))
            continue;
        ++*n_minutes;
        good = add_all(entries ? &bag->entries : &bag->rollup, sum);
    }
    return good;
}

unsigned steps_minutes_apart(const struct steps *steps, uint64_t from_minute, uint64_t to_minute,
                             const struct rollup *parts[STEPS_MOST_PARTS])
{
    unsigned n = 0;
    for (unsigned i = 0; i < N_STEP_MINUTES; i++) {
        const struct bag *bag = &steps->minutes[i];
        if (is_normal(bag, from_minute, to_minute) && bag->entries.n)
            parts[n++] = &bag->entries;
    }
    return n;
}

unsigned steps_apart(const struct steps *steps, uint64_t from_step, uint64_t to_step,
                     const struct rollup *parts[STEPS_MOST_PARTS])
{
    unsigned n = 0;
    for (uint64_t step = to_step; step > from_step && n < STEPS_MOST_PARTS && steps->n_steps;
         step--) {
        const struct bag *bag = &steps->steps[(step - 1) % steps->n_steps];
        if (bag->time == step - 1 && bag->entries.n)
            parts[n++] = &bag->entries;
    }
    return n;
}

bool steps_entries(struct steps *steps, const struct rollup *sum, struct rollup *entries)
{
    bool good = true;
    for (uint32_t i = 0; i < sum->n && good; i++) {
        const struct tally *tally = &sum->items[i];
        good = tally->key.channel != TALLY_REQUEST || add_entry(steps, &tally->key, tally, entries);
    }
    return good;
}
