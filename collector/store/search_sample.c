/* search_sample.c - a heap that keeps the smallest keys. */
#include "collector/store/search_sample.h"

#include <stdlib.h>

#include "collector/base/hash.h"

uint64_t sample_key(const unsigned char id[16])
{
    uint64_t key = hash_stored(HASH_STORED, id, 16);
    /* MurmurHash3's last steps: FNV leaves the last bytes of an id to the middle of its bits. */
    key = (key ^ key >> 33) * UINT64_C(0xff51afd7ed558ccd);
    key = (key ^ key >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return key ^ key >> 33;
}

bool sample_init(struct sample *sample, size_t cap)
{
    *sample = (struct sample){.items = malloc(cap * sizeof(struct sampled)), .cap = cap};
    return sample->items != NULL;
}

void sample_fini(struct sample *sample)
{
    free(sample->items);
    sample->items = NULL;
}

static void swap(struct sampled *a, struct sampled *b)
{
    struct sampled kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_down(struct sample *sample)
{
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;
        if (child >= sample->n)
            return;
        if (child + 1 < sample->n && sample->items[child + 1].key > sample->items[child].key)
            child++;
        if (sample->items[child].key <= sample->items[at].key)
            return;
        swap(&sample->items[child], &sample->items[at]);
        at = child;
    }
}

void sample_add(struct sample *sample, const struct sampled *item)
{
    sample->n_seen++;
    if (sample->n == sample->cap) {
        if (!sample->cap || item->key >= sample->items[0].key)
            return;
        sample->items[0] = *item;
        sift_down(sample);
        return;
    }
    size_t at = sample->n++;
    sample->items[at] = *item;
    while (at && sample->items[(at - 1) / 2].key < sample->items[at].key) {
        swap(&sample->items[(at - 1) / 2], &sample->items[at]);
        at = (at - 1) / 2;
    }
}

static int by_number(const void *a, const void *b)
{
    const struct sampled *x = a, *y = b;
    return (x->trace_no > y->trace_no) - (x->trace_no < y->trace_no);
}

void sample_sort(struct sample *sample)
{
    qsort(sample->items, sample->n, sizeof(*sample->items), by_number);
}
