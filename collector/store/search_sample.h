/* search_sample.h - a fair sample of the traces that a scan shows, in bounded memory.
 *
 * Fair: the k traces with the smallest hash of their id, so that the same traces are drawn again
 * when the question is asked again. The same heap keeps the k slowest. Pure.
 */
#ifndef STORE_SEARCH_SAMPLE_H
#define STORE_SEARCH_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sampled {
    uint64_t key; /* the smaller, the rather it stays */
    int64_t trace_no;
    uint64_t start_ns, duration_ns;
    bool failed, boxed;
    unsigned char id[16];
};

struct sample {
    struct sampled *items; /* a heap, the largest key first */
    size_t n, cap;
    uint64_t n_seen;
};

/* The key of a trace: the same in every process, so that a question has one answer. Ids that count
 * up are spread like others. */
uint64_t sample_key(const unsigned char id[16]);
/* False when memory is short. */
bool sample_init(struct sample *sample, size_t cap);
void sample_fini(struct sample *sample);
void sample_add(struct sample *sample, const struct sampled *item);
/* By trace number, ascending; it is no heap from then on. */
void sample_sort(struct sample *sample);

#endif
