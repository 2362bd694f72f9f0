/* sha256.h - SHA-256 (FIPS 180-4) of a text in memory. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "collector/base/str.h"

#define SHA256_BYTES 32

void sha256(struct str text, unsigned char digest[SHA256_BYTES]);

#endif
