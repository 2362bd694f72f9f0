/* crc.h - CRC-32C (Castagnoli), by the processor's instruction where it has one. */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Continues from `crc` (0 to begin). */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
