/* proto.c - lengths are known before the bytes, so nothing is written twice. */
#include "collector/simulate/proto.h"

static size_t varint_size(uint64_t number)
{
    size_t n = 1;
    while (number >= 0x80) {
        number >>= 7;
        n++;
    }
    return n;
}

static char *put_varint(char *at, uint64_t number)
{
    while (number >= 0x80) {
        *at++ = (char)(number | 0x80);
        number >>= 7;
    }
    *at++ = (char)number;
    return at;
}

static char *put_head(char *at, unsigned field, size_t len)
{
    return put_varint(put_varint(at, field << 3 | 2), len);
}

static char *put(char *at, const char *bytes, size_t n)
{
    if (n)
        memcpy(at, bytes, n);
    return at + n;
}

void proto_head(struct buf *buf, unsigned field, size_t len)
{
    if (!buf_reserve(buf, 20))
        return;
    buf->len = (size_t)(put_head(buf->p + buf->len, field, len) - buf->p);
}

void proto_bytes(struct buf *buf, unsigned field, struct str bytes)
{
    proto_head(buf, field, bytes.len);
    buf_add_str(buf, bytes);
}

void proto_varint(struct buf *buf, unsigned field, uint64_t number)
{
    if (!buf_reserve(buf, 20))
        return;
    buf->len = (size_t)(put_varint(put_varint(buf->p + buf->len, field << 3), number) - buf->p);
}

void proto_fixed64(struct buf *buf, unsigned field, uint64_t number)
{
    buf_add_varint(buf, field << 3 | 1);
    buf_add(buf, &number, sizeof(number)); /* little-endian, as every machine this runs on */
}

void proto_fixed32(struct buf *buf, unsigned field, uint32_t number)
{
    buf_add_varint(buf, field << 3 | 5);
    buf_add(buf, &number, sizeof(number));
}

/* KeyValue up to its AnyValue, which has `n_any` bytes. */
static char *put_pair(struct buf *buf, unsigned field, const char *key, size_t n_any)
{
    size_t n_key = strlen(key);
    size_t n_pair = 1 + varint_size(n_key) + n_key + 1 + varint_size(n_any) + n_any;
    if (!buf_reserve(buf, n_pair + 24))
        return NULL;
    char *at = put_head(buf->p + buf->len, field, n_pair);
    at = put(put_head(at, 1, n_key), key, n_key);
    return put_head(at, 2, n_any);
}

void proto_text(struct buf *buf, unsigned field, const char *key, struct str value)
{
    char *at = put_pair(buf, field, key, 1 + varint_size(value.len) + value.len);
    if (at)
        buf->len = (size_t)(put(put_head(at, 1, value.len), value.p, value.len) - buf->p);
}

void proto_int(struct buf *buf, unsigned field, const char *key, uint64_t value)
{
    char *at = put_pair(buf, field, key, 1 + varint_size(value));
    if (at)
        buf->len = (size_t)(put_varint(put_varint(at, 3 << 3), value) - buf->p);
}

void proto_bool(struct buf *buf, unsigned field, const char *key, bool value)
{
    char *at = put_pair(buf, field, key, 2);
    if (at)
        buf->len = (size_t)(put_varint(put_varint(at, 2 << 3), value) - buf->p);
}
