/* proto.h - writing protobuf: just what an OTLP request needs. */
#ifndef SIMULATE_PROTO_H
#define SIMULATE_PROTO_H

#include "collector/base/buf.h"

/* A length-delimited field: text, bytes, or a message. */
void proto_bytes(struct buf *buf, unsigned field, struct str bytes);
void proto_varint(struct buf *buf, unsigned field, uint64_t number);
void proto_fixed64(struct buf *buf, unsigned field, uint64_t number);
void proto_fixed32(struct buf *buf, unsigned field, uint32_t number);
/* Tag and length of a message whose `len` bytes the caller adds. */
void proto_head(struct buf *buf, unsigned field, size_t len);
/* KeyValue { key, AnyValue { string_value } }, and with an int_value or a bool_value. */
void proto_text(struct buf *buf, unsigned field, const char *key, struct str value);
void proto_int(struct buf *buf, unsigned field, const char *key, uint64_t value);
void proto_bool(struct buf *buf, unsigned field, const char *key, bool value);

#endif
