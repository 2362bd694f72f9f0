/* live.h - the traces in memory: a table by id, two lists by time, and memory in small pieces.
 *
 * LIVE entries hang in two lists: by their last span, the longest idle first, and by when they
 * became live, the oldest first. A round of the clock looks only at entries it will cut. Records
 * and their own texts lie in 512-byte pieces from a pool; a text too long for a piece has memory of
 * its own.
 */
#ifndef STITCH_LIVE_H
#define STITCH_LIVE_H

#include "collector/base/map.h"
#include "collector/model/turn.h"

#define PIECE_BYTES 512
/* From so many spans on, a trace has an index by span id. */
#define INDEX_FROM 24u

#define LOOK_AHEAD 6 /* spans between the steps of a prefetch */

struct piece {
    struct piece *next;
    char bytes[PIECE_BYTES - sizeof(struct piece *)];
};

struct big {
    struct big *next;
    size_t n;
    char bytes[];
};

struct live_record {
    struct live_record *next; /* in order of arrival */
    struct record record;
    bool stored; /* the tables hold it already (pending no more) */
};

struct link {
    struct link *prev, *next;
};

enum live_state { LIVE, SETTLING };

struct live {
    struct link idle; /* first: container_of is a cast */
    struct link age;
    struct trace_id id;
    struct trace_id whole; /* cut under the lower half alone, and in a turn as yet: what it is cut
                              under from now on; zero: `id` */
    uint32_t slot;         /* its place in the table */
    uint8_t state;         /* enum live_state */
    bool changed;          /* differs from what the tables hold */
    bool late_piece;       /* of a trace that cannot be opened again: one of its own */
    bool cut_short;        /* spans of it came under the lower half of its id */
    uint32_t n;            /* records */
    uint32_t base;         /* spans that are stored and not here: see struct cut_trace */
    uint8_t tags[INDEX_FROM]; /* of the first records' span ids: a byte each, so that looking for an
                                 id touches no record of another */
    uint32_t reopened;
    uint64_t trace_no;    /* 0: never cut */
    uint64_t first_seq;   /* of the body that made it LIVE */
    uint64_t first_bytes; /* bytes of bodies taken before that one */
    uint64_t first_mono_ns, last_mono_ns;
    uint64_t bytes; /* of pieces and big texts */
    struct live_record *first, *last;
    struct piece *pieces; /* newest first */
    size_t piece_used;    /* bytes taken of the newest */
    struct big *bigs;
    struct map by_id;           /* records by span id, once there are many; else empty */
    struct live_record **index; /* what by_id's values number */
    uint32_t cap_index;
    struct counted_trace
        *was;                /* LIVE again: what the tables hold; one malloc; NULL the first time */
    const struct turn *turn; /* not given back yet: where it was cut to, and its place there */
    uint32_t cut_no;
    uint64_t was_turn; /* the number of the turn that `was` stands in; 0: it came from the store */
};

struct live_table {
    struct map map; /* trace id -> slot */
    /* lower half of an id of 128 bits -> slot, one of each: kept once somebody cut an id short */
    struct map by_low;
    bool cut_short;
    struct live **entries;
    uint32_t n, cap;
    struct link idle, age; /* sentinels */
    struct piece *free_pieces;
    struct big *slabs;
    uint64_t bytes; /* of LIVE entries */
    uint64_t n_live, n_records;
};

void live_table_init(struct live_table *table);
void live_table_fini(struct live_table *table);
struct live *live_find(const struct live_table *table, struct trace_id id);
/* Where there is none with this id: the one with the same lower half, when either id is of 64 bits.
 * Some senders hand on only those. NULL when there is none. */
struct live *live_find_kin(struct live_table *table, struct trace_id id);
/* One whose id has 128 bits and this lower half; NULL when there is none. */
struct live *live_find_low(struct live_table *table, uint64_t low);
/* An entry of 64 bits is known by the whole id from now on. */
void live_complete_id(struct live_table *table, struct live *live, struct trace_id id);
/* Two steps that bring what live_find() and live_append() will touch into the cache; a few spans
 * lie between one step and the next, for memory answers later than a hundred instructions. */
void live_prefetch_slot(const struct live_table *table, struct trace_id id);
void live_prefetch_entry(const struct live_table *table, struct trace_id id);
/* A new LIVE entry; NULL when memory is short. */
struct live *live_add(struct live_table *table, struct trace_id id);
/* Takes it out and frees all of it. */
void live_remove(struct live_table *table, struct live *live);
/* Gives back records and lists, for an entry that was cut and waits for its commit. */
void live_settle(struct live_table *table, struct live *live, const struct turn *turn,
                 uint32_t cut_no);
/* Puts a SETTLING entry (or a new one with fetched content) back among the LIVE: its records and
 * `was` are copied from what the tables hold. False when memory is short. */
bool live_revive(struct live_table *table, struct live *live, const struct cut_trace *held);
/* The same for a trace of which `base` spans are stored and stay there: what comes is added. */
void live_continue(struct live_table *table, struct live *live, const struct cut_trace *held,
                   uint32_t base);
/* Appends a copy of the record and its own text. NULL when memory is short. */
struct live_record *live_append(struct live_table *table, struct live *live,
                                const struct record *record);
/* Copies an own text into the trace's memory; NULL when memory is short or `own` is NULL. */
const struct own *live_own(struct live_table *table, struct live *live, const struct own *own);
/* Moves it to the end of the idle list. */
void live_touch(struct live_table *table, struct live *live, uint64_t now_ns);
/* The record of the same key (STITCHING §1), or the last that is compared of too many under one id;
 * NULL when this one is new. */
struct live_record *live_find_same(const struct live *live, const struct record *record);

static inline struct trace_id live_name(const struct live *live)
{
    return live->whole.high ? live->whole : live->id;
}

static inline struct live *live_of_idle(struct link *link)
{
    return (struct live *)(void *)link;
}
static inline struct live *live_of_age(struct link *link)
{
    return (struct live *)(void *)((char *)link - offsetof(struct live, age));
}

#endif
