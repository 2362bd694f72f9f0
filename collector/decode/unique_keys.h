/* unique_keys.h - an object of JSON has each key once. */
#ifndef DECODE_UNIQUE_KEYS_H
#define DECODE_UNIQUE_KEYS_H

#include "collector/base/buf.h"

/* The nesting that is followed. */
#define UNIQUE_KEYS_DEPTH 64

/* Of the members of an object that have one key, the last stays, as with attributes. `json` is one
 * value as our writers render it: well-formed, without blanks, nested at most UNIQUE_KEYS_DEPTH; it
 * is changed in its place. When memory is short the buffer has failed. */
void unique_keys(struct buf *json);

#endif
