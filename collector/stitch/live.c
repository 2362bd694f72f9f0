/* live.c - the table of traces in memory. */
#include "collector/stitch/live.h"

#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/stitch/merge.h"

/* Records of one id in one trace that are compared; a sender that sends more under one id gets them
 * merged. */
#define MAX_SAME_ID 128u
#define SLAB_PIECES 256u

static void link_init(struct link *link)
{
    link->prev = link->next = link;
}

static void link_out(struct link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link_init(link);
}

static void link_last(struct link *list, struct link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

void live_table_init(struct live_table *table)
{
    *table = (struct live_table){0};
    map_init(&table->map);
    map_init(&table->by_low);
    link_init(&table->idle);
    link_init(&table->age);
}

/* Without entries every piece is free. */
static void free_slabs(struct live_table *table)
{
    for (struct big *slab = table->slabs; slab;) {
        struct big *next = slab->next;
        free(slab);
        slab = next;
    }
    table->slabs = NULL;
    table->free_pieces = NULL;
}

void live_table_fini(struct live_table *table)
{
    while (table->n)
        live_remove(table, table->entries[table->n - 1]);
    free_slabs(table);
    free(table->entries);
    map_fini(&table->map);
    map_fini(&table->by_low);
}

static uint64_t id_hash(struct trace_id id)
{
    return hash_u128(id.high, id.low);
}

/* ---- ids that were cut short ---- */

/* The first of those with this lower half; no more are kept, lest somebody sends a million. */
static struct live *find_by_low(const struct live_table *table, uint64_t low)
{
    for (struct map_iter it = map_find(&table->by_low, hash_u64(low));
         map_next(&table->by_low, &it);) {
        if (table->entries[it.value]->id.low == low)
            return table->entries[it.value];
    }
    return NULL;
}

/* Short memory leaves it out: then what is cut short is a trace of its own. */
static void keep_low(struct live_table *table, const struct live *live)
{
    if (table->cut_short && live->id.high && !find_by_low(table, live->id.low))
        map_add(&table->by_low, hash_u64(live->id.low), live->slot);
}

struct live *live_find_low(struct live_table *table, uint64_t low)
{
    if (!table->cut_short) {
        table->cut_short = true;
        for (uint32_t i = 0; i < table->n; i++)
            keep_low(table, table->entries[i]);
    }
    return find_by_low(table, low);
}

struct live *live_find_kin(struct live_table *table, struct trace_id id)
{
    if (id.high)
        return table->cut_short ? live_find(table, (struct trace_id){0, id.low}) : NULL;
    return live_find_low(table, id.low);
}

void live_complete_id(struct live_table *table, struct live *live, struct trace_id id)
{
    if (!map_add(&table->map, id_hash(id), live->slot))
        return;
    map_remove(&table->map, id_hash(live->id), live->slot);
    live->id = id;
    keep_low(table, live);
}

/* ---- entries ---- */

struct live *live_find(const struct live_table *table, struct trace_id id)
{
    for (struct map_iter it = map_find(&table->map, id_hash(id)); map_next(&table->map, &it);) {
        if (trace_id_eq(table->entries[it.value]->id, id))
            return table->entries[it.value];
    }
    return NULL;
}

void live_prefetch_slot(const struct live_table *table, struct trace_id id)
{
    map_prefetch(&table->map, id_hash(id));
}

void live_prefetch_entry(const struct live_table *table, struct trace_id id)
{
    struct map_iter it = map_find(&table->map, id_hash(id));
    if (!map_next(&table->map, &it))
        return;
    const char *live = (const char *)table->entries[it.value];
    for (size_t at = 0; at < sizeof(struct live); at += 64)
        __builtin_prefetch(live + at);
}

static uint8_t tag_of(uint64_t span_id)
{
    return (uint8_t)(hash_u64(span_id) >> 56);
}

/* Entries are dense: the last one moves into the gap that a removed one leaves. */
static bool entries_grow(struct live_table *table)
{
    if (table->n < table->cap)
        return true;
    uint32_t cap = table->cap ? 2 * table->cap : 1024;
    struct live **grown = realloc(table->entries, cap * sizeof(*grown));
    if (!grown)
        return false;
    memset(grown + table->cap, 0, (cap - table->cap) * sizeof(*grown));
    table->entries = grown;
    table->cap = cap;
    return true;
}

struct live *live_add(struct live_table *table, struct trace_id id)
{
    struct live *live = entries_grow(table) ? calloc(1, sizeof(*live)) : NULL;
    if (!live || !map_add(&table->map, id_hash(id), table->n)) {
        free(live);
        return NULL;
    }
    live->id = id;
    live->slot = table->n;
    table->entries[table->n++] = live;
    keep_low(table, live);
    map_init(&live->by_id);
    link_last(&table->idle, &live->idle);
    link_last(&table->age, &live->age);
    table->n_live++;
    return live;
}

static void pieces_free(struct live_table *table, struct live *live)
{
    while (live->pieces) {
        struct piece *piece = live->pieces;
        live->pieces = piece->next;
        piece->next = table->free_pieces;
        table->free_pieces = piece;
    }
    while (live->bigs) {
        struct big *big = live->bigs;
        live->bigs = big->next;
        free(big);
    }
    map_fini(&live->by_id);
    map_init(&live->by_id);
    free(live->index);
    live->index = NULL;
    live->cap_index = 0;
    live->first = live->last = NULL;
    table->bytes -= live->bytes;
    table->n_records -= live->n;
    live->bytes = 0;
    live->n = 0;
    live->piece_used = 0;
}

static void leave_lists(struct live_table *table, struct live *live)
{
    if (live->state == LIVE)
        table->n_live--;
    link_out(&live->idle);
    link_out(&live->age);
    pieces_free(table, live);
    free(live->was);
    live->was = NULL;
}

void live_remove(struct live_table *table, struct live *live)
{
    leave_lists(table, live);
    map_remove(&table->map, id_hash(live->id), live->slot);
    if (table->cut_short)
        map_remove(&table->by_low, hash_u64(live->id.low), live->slot);
    struct live *moved = table->entries[--table->n];
    table->entries[table->n] = NULL;
    if (moved != live) {
        map_replace(&table->map, id_hash(moved->id), moved->slot, live->slot);
        if (table->cut_short)
            map_replace(&table->by_low, hash_u64(moved->id.low), moved->slot, live->slot);
        moved->slot = live->slot;
        table->entries[moved->slot] = moved;
    }
    free(live);
    if (table->n == 0)
        free_slabs(table);
}

void live_settle(struct live_table *table, struct live *live, const struct turn *turn,
                 uint32_t cut_no)
{
    leave_lists(table, live);
    live->state = SETTLING;
    live->turn = turn;
    live->cut_no = cut_no;
    live->changed = false;
}

static bool new_slab(struct live_table *table)
{
    struct big *slab = malloc(sizeof(*slab) + SLAB_PIECES * sizeof(struct piece));
    if (!slab)
        return false;
    slab->next = table->slabs;
    table->slabs = slab;
    struct piece *pieces = (struct piece *)(void *)slab->bytes;
    for (unsigned i = 0; i < SLAB_PIECES; i++) {
        pieces[i].next = table->free_pieces;
        table->free_pieces = &pieces[i];
    }
    return true;
}

static void *take(struct live_table *table, struct live *live, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if (size > sizeof(((struct piece *)0)->bytes)) {
        struct big *big = malloc(sizeof(*big) + size);
        if (!big)
            return NULL;
        *big = (struct big){.next = live->bigs, .n = size};
        live->bigs = big;
        live->bytes += sizeof(*big) + size;
        table->bytes += sizeof(*big) + size;
        return big->bytes;
    }
    if (!live->pieces || live->piece_used + size > sizeof(live->pieces->bytes)) {
        if (!table->free_pieces && !new_slab(table))
            return NULL;
        struct piece *piece = table->free_pieces;
        table->free_pieces = piece->next;
        piece->next = live->pieces;
        live->pieces = piece;
        live->piece_used = 0;
        live->bytes += sizeof(*piece);
        table->bytes += sizeof(*piece);
    }
    void *at = live->pieces->bytes + live->piece_used;
    live->piece_used += size;
    return at;
}

const struct own *live_own(struct live_table *table, struct live *live, const struct own *own)
{
    if (!own)
        return NULL;
    struct own *copy = take(table, live, own_size(own));
    if (copy)
        memcpy(copy, own, own_size(own));
    return copy;
}

static bool index_add(struct live *live, struct live_record *item, uint32_t i)
{
    if (i >= live->cap_index) {
        uint32_t cap = live->cap_index ? 2 * live->cap_index : 4 * INDEX_FROM;
        struct live_record **grown = realloc(live->index, cap * sizeof(struct live_record *));
        if (!grown)
            return false;
        live->index = grown;
        live->cap_index = cap;
    }
    live->index[i] = item;
    return map_add(&live->by_id, hash_u64(item->record.span_id), i);
}

static bool index_build(struct live *live)
{
    uint32_t i = 0;
    for (struct live_record *item = live->first; item; item = item->next) {
        if (!index_add(live, item, i++))
            return false;
    }
    return true;
}

struct live_record *live_append(struct live_table *table, struct live *live,
                                const struct record *record)
{
    struct live_record *item = take(table, live, sizeof(*item));
    const struct own *own = item ? live_own(table, live, record->own) : NULL;
    if (!item || (record->own && !own))
        return NULL;
    *item = (struct live_record){.record = *record};
    item->record.own = own;
    if (live->last)
        live->last->next = item;
    else
        live->first = item;
    live->last = item;
    if (live->n < INDEX_FROM)
        live->tags[live->n] = tag_of(record->span_id);
    live->n++;
    table->n_records++;
    if (live->n == INDEX_FROM ? !index_build(live)
                              : live->n > INDEX_FROM && !index_add(live, item, live->n - 1))
        return NULL;
    return item;
}

static struct counted_trace *copy_counted(const struct counted_trace *from)
{
    uint32_t n = from->n_records, n_calls = from->graph.n_calls, n_hops = from->graph.n_hops;
    size_t records = n * sizeof(struct record), results = n * sizeof(struct span_result),
           calls = n_calls * sizeof(struct call);
    struct counted_trace *copy =
        malloc(sizeof(*copy) + records + results + calls + n_hops * sizeof(struct hop));
    if (!copy)
        return NULL;
    *copy = *from;
    struct record *to = (struct record *)(copy + 1);
    if (n) {
        memcpy(to, from->records, records);
        memcpy((char *)to + records, from->graph.spans, results);
    }
    for (uint32_t i = 0; i < n; i++)
        to[i].own = NULL; /* what is subtracted are numbers, not texts */
    copy->records = to;
    copy->graph.spans = (struct span_result *)(void *)((char *)to + records);
    copy->graph.calls = (struct call *)(void *)((char *)to + records + results);
    if (n_calls)
        memcpy(copy->graph.calls, from->graph.calls, calls);
    copy->graph.hops = (struct hop *)(void *)((char *)to + records + results + calls);
    if (n_hops)
        memcpy(copy->graph.hops, from->graph.hops, n_hops * sizeof(struct hop));
    return copy;
}

static void go_on(struct live_table *table, struct live *live, const struct cut_trace *held)
{
    if (live->state == SETTLING) {
        live->state = LIVE;
        link_last(&table->idle, &live->idle);
        link_last(&table->age, &live->age);
        table->n_live++;
    }
    live->trace_no = held->trace_no;
    live->reopened = held->reopened;
}

void live_continue(struct live_table *table, struct live *live, const struct cut_trace *held,
                   uint32_t base)
{
    go_on(table, live, held);
    live->base = base;
}

bool live_revive(struct live_table *table, struct live *live, const struct cut_trace *held)
{
    struct counted_trace *was = copy_counted(&held->now);
    if (!was)
        return false;
    go_on(table, live, held);
    live->was = was;
    live->late_piece = held->now.graph.trace.late_piece;
    for (uint32_t i = 0; i < held->now.n_records; i++) {
        struct live_record *item = live_append(table, live, &held->now.records[i]);
        if (!item)
            return false;
        item->stored = true;
    }
    return true;
}

void live_touch(struct live_table *table, struct live *live, uint64_t now_ns)
{
    live->last_mono_ns = now_ns;
    link_out(&live->idle);
    link_last(&table->idle, &live->idle);
}

/* The next record with this span id behind `item`, in order of arrival. */
static struct live_record *next_of_id(struct live_record *item, uint64_t span_id)
{
    while (item && item->record.span_id != span_id)
        item = item->next;
    return item;
}

static struct live_record *find_in_few(const struct live *live, const struct record *record)
{
    struct live_record *item = NULL;
    if (memchr(live->tags, tag_of(record->span_id), live->n))
        item = next_of_id(live->first, record->span_id);
    while (item && !merge_same_key(&item->record, record))
        item = next_of_id(item->next, record->span_id);
    return item;
}

struct live_record *live_find_same(const struct live *live, const struct record *record)
{
    unsigned n = 0;
    if (live->n < INDEX_FROM)
        return find_in_few(live, record);
    for (struct map_iter it = map_find(&live->by_id, hash_u64(record->span_id));
         map_next(&live->by_id, &it);) {
        struct live_record *item = live->index[it.value];
        if (item->record.span_id != record->span_id)
            continue;
        if (merge_same_key(&item->record, record) || ++n >= MAX_SAME_ID)
            return item;
    }
    return NULL;
}
