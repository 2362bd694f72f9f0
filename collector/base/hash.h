/* hash.h - hashes for tables in memory, keyed once per process with random bytes.
 *
 * Whatever a client can choose (ids, names, attribute values) is hashed with these, so that nobody
 * outside can make keys collide. SipHash-1-3 for text; for 128-bit ids two rounds of keyed
 * multiplication.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "collector/base/str.h"

/* Draws the process's key; called once by main before any thread starts. Without it the key is 0.
 */
void hash_seed(void);
uint64_t hash_bytes(const void *bytes, size_t len);
static inline uint64_t hash_str(struct str s)
{
    return hash_bytes(s.p, s.len);
}
uint64_t hash_u64(uint64_t number);
uint64_t hash_u128(uint64_t high, uint64_t low);
/* Folds one more value into a running hash. */
uint64_t hash_mix(uint64_t running, uint64_t more);

/* FNV-1a, which has no key: the same in every process, for what is stored. Whoever chooses the
 * bytes can make two of them collide. `running` is HASH_STORED at the beginning. */
#define HASH_STORED UINT64_C(0xcbf29ce484222325)
uint64_t hash_stored(uint64_t running, const void *bytes, size_t len);

#endif
