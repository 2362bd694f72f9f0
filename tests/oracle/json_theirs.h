/* json_theirs.h - jansson behind one function: some of its names are ours too, so it is linked with
 * this file alone and everything but this function is hidden (Makefile). */
#ifndef ORACLE_JSON_THEIRS_H
#define ORACLE_JSON_THEIRS_H

#include "collector/base/buf.h"

enum json_theirs {
    JSON_THEIRS_TAKE,         /* `out` is the document as canonical text */
    JSON_THEIRS_TWICE,        /* taken, but an object has a key twice */
    JSON_THEIRS_OUT_OF_RANGE, /* a number beyond 64 bits or a double */
    JSON_THEIRS_REFUSE
};

enum json_theirs json_theirs(struct str text, struct buf *out);

#endif
