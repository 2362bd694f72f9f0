/* inbox.h - where "accepted" begins: an append-only folder of segment files, one sync for all who
 * wait.
 *
 * Segments of 64 MiB are preallocated (a full disk is met before a body is taken), one spare is
 * kept as ballast. One thread takes whatever waits, writes, syncs, answers all, takes what came
 * meanwhile. A record: magic, sequence number, receipt, format, transport, encoding, Kafka
 * position, length, CRC-32C of head and body. A record that does not check, with whole ones behind
 * it, is damage: reading goes on behind it, and the segment is set aside. With none behind it, it
 * is a torn tail.
 *
 *   segment file name: %016llx.seg, the sequence number of its first record, hexadecimal
 */
#ifndef STORE_INBOX_H
#define STORE_INBOX_H

#include "collector/base/err.h"
#include "collector/model/body.h"

enum durability { DURABILITY_POWER, DURABILITY_CRASH, DURABILITY_QUEUE };

struct inbox_settings {
    const char *folder;     /* store.path + "-inbox" */
    uint64_t segment_bytes; /* 64 MiB; tests use less */
    uint64_t max_bytes;     /* store.inbox_max */
    uint64_t min_free;      /* store.min_free, bytes */
    size_t group_max;       /* store.group_max */
    enum durability durability;
    bool gave_room; /* inbox_drop_ballast() did */
    /* Gets every body after its sync, in order of seq, from the inbox's thread. Takes it. Must not
     * block. */
    void (*synced)(struct body *body, void *ctx);
    /* A sync failed: nothing may be acknowledged any more. Called once; ends the process. */
    void (*failed)(const struct err *err, void *ctx);
    void *ctx;
};

struct inbox;

/* Scans the folder (made when missing), ends torn tails, finds the last sequence number.
 * `first_seq`: the next number when the folder is empty. Starts no thread. */
int inbox_open(const struct inbox_settings *settings, uint64_t first_seq, struct inbox **inbox,
               struct err *err);
int inbox_start(struct inbox *inbox, struct err *err);
/* Takes `body` when it returns 0: body->answered is called later, from the inbox's thread.
 * ERR_BUSY: too much is waiting (`queue_bytes` over 2 × group_max); ERR_IO: disk full (min_free,
 * max_bytes), failed or stopping. */
int inbox_append(struct inbox *inbox, struct body *body, struct err *err);
/* Writes what waits, answers it, ends the thread. Appends fail from now on. */
void inbox_join(struct inbox *inbox);
/* Frees; with `remove`, deletes the folder when nothing in it is needed any more. */
void inbox_close(struct inbox *inbox, bool remove);

/* The database has no room: the spare and reserves go, and no new file takes their place before
 * it was written and the disk has room above store.min_free. Any thread. */
void inbox_give_room(struct inbox *inbox);
/* The same for an inbox that is not open; false when it had none. */
bool inbox_drop_ballast(const char *folder);

/* Deletes segments whose records are all below `needed_from`. Any thread. */
void inbox_release(struct inbox *inbox, uint64_t needed_from);
/* One step when no thread runs (tests): writes and syncs what waits; how many bodies. */
size_t inbox_step(struct inbox *inbox);

/* Words for /-/ready: "" when it takes writes, else "disk_full" or "store_failed". */
const char *inbox_state(struct inbox *inbox);
uint64_t inbox_last_seq(struct inbox *inbox); /* greatest number on disk */
uint64_t inbox_bytes(struct inbox *inbox);    /* of bodies not released yet */
uint64_t inbox_records(struct inbox *inbox);
uint64_t
inbox_oldest_ns(struct inbox *inbox); /* receipt of the oldest not released; 0 when empty */
uint64_t inbox_progress_ns(struct inbox *inbox); /* monotonic time of the thread's last turn */

/* Reads records again, in order, up to the last that was synced when the call was made. */
struct inbox_reader;
int inbox_read_open(struct inbox *inbox, uint64_t from_seq, struct inbox_reader **reader,
                    struct err *err);
/* Gives one body (answered = NULL, batch = NULL), or NULL at the end so far (call again later). */
int inbox_read_next(struct inbox_reader *reader, struct body **body, struct err *err);
void inbox_read_close(struct inbox_reader *reader);

#endif
