/* tail.c - a ring of batches, and a table of senders in which the longest silent makes room. */
#include "collector/receive/tail.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/model/words.h"

#define N_LISTED 20
/* For who follows and asks every second: 340 KB that bear a burst of a thousand batches. */
#define N_KEPT 1024
#define N_SENDERS 64

/* One address, by one transport, in one format. */
struct sender {
    uint64_t hash; /* 0: free */
    uint64_t last_ns, refused_ns, event_ns;
    uint64_t n_batches, n_records, n_rejected, n_refused;
    char sender[64], format[24], reason[200]; /* the last reason */
    uint8_t transport;
};

struct tail {
    pthread_mutex_t mutex; /* guards what follows */
    struct tail_entry entries[N_KEPT];
    uint64_t n; /* ever */
    struct sender senders[N_SENDERS];
};

struct tail *tail_new(void)
{
    struct tail *tail = calloc(1, sizeof(*tail));
    if (tail)
        pthread_mutex_init(&tail->mutex, NULL);
    return tail;
}

void tail_free(struct tail *tail)
{
    if (!tail)
        return;
    pthread_mutex_destroy(&tail->mutex);
    free(tail);
}

static struct sender *sender_of(struct tail *tail, const struct tail_entry *entry)
{
    struct sender *oldest = &tail->senders[0];
    uint64_t hash = hash_mix(hash_mix(hash_str(str_of(entry->sender)), entry->transport),
                             hash_str(str_of(entry->format))) |
                    1;
    for (size_t i = 0; i < N_SENDERS; i++) {
        struct sender *sender = &tail->senders[i];
        if (sender->hash == hash)
            return sender;
        if (sender->last_ns < oldest->last_ns)
            oldest = sender;
    }
    *oldest = (struct sender){.hash = hash, .transport = entry->transport};
    snprintf(oldest->sender, sizeof(oldest->sender), "%s", entry->sender);
    snprintf(oldest->format, sizeof(oldest->format), "%s", entry->format);
    return oldest;
}

static void count(struct sender *sender, const struct tail_entry *entry)
{
    sender->last_ns = entry->at_ns;
    sender->n_batches++;
    sender->n_records += entry->n_records;
    sender->n_rejected += entry->n_rejected;
    sender->n_refused += entry->refused;
    if (entry->event_ns)
        sender->event_ns = entry->event_ns;
    if (!entry->reason[0])
        return;
    sender->refused_ns = entry->at_ns;
    snprintf(sender->reason, sizeof(sender->reason), "%s", entry->reason);
}

void tail_add(struct tail *tail, const struct tail_entry *entry)
{
    pthread_mutex_lock(&tail->mutex);
    tail->entries[tail->n++ % N_KEPT] = *entry;
    count(sender_of(tail, entry), entry);
    pthread_mutex_unlock(&tail->mutex);
}

/* ---- telling ---- */

static void add_text(struct buf *out, const char *name, const char *text)
{
    buf_addf(out, ",\"%s\":", name);
    buf_add_json(out, str_of(text));
}

static void add_time(struct buf *out, const char *name, uint64_t ns)
{
    buf_addf(out, ",\"%s\":", name);
    buf_add_json_time(out, ns);
}

static void entry_json(const struct tail_entry *entry, struct buf *out)
{
    buf_add_c(out, "{\"at\":");
    buf_add_json_time(out, entry->at_ns);
    add_text(out, "sender", entry->sender);
    add_text(out, "transport", transport_word(entry->transport));
    add_text(out, "format", entry->format);
    buf_addf(out, ",\"bytes\":%llu,\"records\":%u,\"rejected\":%u",
             (unsigned long long)entry->n_bytes, entry->n_records, entry->n_rejected);
    add_text(out, "reason", entry->reason);
    buf_add_char(out, '}');
}

/* Batches are numbered from 1 since the start, so a cursor names the same place when more came. */
void tail_json(struct tail *tail, uint64_t before, uint32_t limit, struct buf *out)
{
    buf_add_c(out, "{\"items\":[");
    pthread_mutex_lock(&tail->mutex);
    uint64_t oldest = tail->n < N_LISTED ? 1 : tail->n - N_LISTED + 1;
    uint64_t no = before && before <= tail->n ? before - 1 : tail->n;
    for (uint32_t n = 0; n < limit && no >= oldest; n++, no--) {
        if (n)
            buf_add_char(out, ',');
        entry_json(&tail->entries[(no - 1) % N_KEPT], out);
    }
    pthread_mutex_unlock(&tail->mutex);
    if (no >= oldest)
        buf_addf(out, "],\"next\":\"%llu\"}", (unsigned long long)no + 1);
    else
        buf_add_c(out, "],\"next\":null}");
}

void tail_follow_json(struct tail *tail, uint64_t after, uint32_t limit, struct buf *out)
{
    buf_add_c(out, "{\"items\":[");
    pthread_mutex_lock(&tail->mutex);
    uint64_t forgotten = tail->n < N_KEPT ? 0 : tail->n - N_KEPT;
    uint64_t no = after <= tail->n ? after : 0;
    if (after == TAIL_LAST && tail->n > limit)
        no = tail->n - limit;
    if (no < forgotten)
        no = forgotten;
    for (uint32_t n = 0; n < limit && no < tail->n; n++, no++) {
        if (n)
            buf_add_char(out, ',');
        entry_json(&tail->entries[no % N_KEPT], out);
    }
    pthread_mutex_unlock(&tail->mutex);
    buf_addf(out, "],\"next\":\"%llu\"}", (unsigned long long)no);
}

static int by_last(const void *a, const void *b)
{
    const struct sender *x = *(const struct sender *const *)a,
                        *y = *(const struct sender *const *)b;
    return (x->last_ns < y->last_ns) - (x->last_ns > y->last_ns);
}

static void sender_json(const struct sender *sender, struct buf *out)
{
    buf_add_c(out, "{\"sender\":");
    buf_add_json(out, str_of(sender->sender));
    add_text(out, "transport", transport_word(sender->transport));
    add_text(out, "format", sender->format);
    buf_addf(out, ",\"batches\":%llu,\"records\":%llu,\"rejected\":%llu,\"refused\":%llu",
             (unsigned long long)sender->n_batches, (unsigned long long)sender->n_records,
             (unsigned long long)sender->n_rejected, (unsigned long long)sender->n_refused);
    add_time(out, "last", sender->last_ns);
    add_time(out, "last_event", sender->event_ns);
    add_time(out, "last_refusal", sender->refused_ns);
    add_text(out, "reason", sender->reason);
    buf_add_char(out, '}');
}

void tail_senders_json(struct tail *tail, struct buf *out)
{
    const struct sender *sorted[N_SENDERS];
    size_t n = 0;
    buf_add_c(out, "\"senders\":[");
    pthread_mutex_lock(&tail->mutex);
    for (size_t i = 0; i < N_SENDERS; i++) {
        if (tail->senders[i].hash)
            sorted[n++] = &tail->senders[i];
    }
    qsort(sorted, n, sizeof(sorted[0]), by_last);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(out, ',');
        sender_json(sorted[i], out);
    }
    pthread_mutex_unlock(&tail->mutex);
    buf_add_char(out, ']');
}
