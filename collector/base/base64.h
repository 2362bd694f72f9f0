/* base64.h - base64 (RFC 4648 §4) to bytes and back. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "collector/base/buf.h"

/* Without '=' at the end. */
void base64_add(struct buf *out, struct str bytes);
/* Padded or not. False on any other character; `out` then has a part. */
bool base64_read(struct str text, struct buf *out);

#endif
