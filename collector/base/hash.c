/* hash.c - SipHash-1-3 for bytes, keyed multiplication for numbers. */
#include "collector/base/hash.h"

#include <sys/random.h>

static uint64_t key[2];

void hash_seed(void)
{
    if (getrandom(key, sizeof(key), 0) != sizeof(key))
        key[0] = key[1] = (uint64_t)(uintptr_t)&key;
}

static inline uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

struct sip {
    uint64_t a, b, c, d;
};

static inline void round_once(struct sip *v)
{
    v->a += v->b;
    v->b = rotate(v->b, 13) ^ v->a;
    v->a = rotate(v->a, 32);
    v->c += v->d;
    v->d = rotate(v->d, 16) ^ v->c;
    v->a += v->d;
    v->d = rotate(v->d, 21) ^ v->a;
    v->c += v->b;
    v->b = rotate(v->b, 17) ^ v->c;
    v->c = rotate(v->c, 32);
}

uint64_t hash_bytes(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    struct sip v = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                    key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t word = 0;
    for (size_t left = len; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        v.d ^= word;
        round_once(&v);
        v.a ^= word;
    }
    word = 0;
    if (len & 7)
        memcpy(&word, at, len & 7);
    word |= (uint64_t)len << 56;
    v.d ^= word;
    round_once(&v);
    v.a ^= word;
    v.c ^= 0xff;
    round_once(&v);
    round_once(&v);
    round_once(&v);
    return v.a ^ v.b ^ v.c ^ v.d;
}

uint64_t hash_mix(uint64_t running, uint64_t more)
{
    __uint128_t product = (__uint128_t)(running ^ key[0] ^ UINT64_C(0x9e3779b97f4a7c15)) *
                          (more ^ key[1] ^ UINT64_C(0xd6e8feb86659fd93));
    uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    return folded ^ rotate(running, 29) ^ rotate(more, 41);
}

uint64_t hash_u64(uint64_t number)
{
    uint64_t once = hash_mix(number, UINT64_C(0xa0761d6478bd642f));
    return hash_mix(once, UINT64_C(0xe7037ed1a0b428db));
}

uint64_t hash_u128(uint64_t high, uint64_t low)
{
    return hash_mix(hash_mix(high, UINT64_C(0x8ebc6af09c88c6e3)), low ^ rotate(high, 17));
}

uint64_t hash_stored(uint64_t running, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        running = (running ^ at[i]) * UINT64_C(0x100000001b3);
    return running;
}
