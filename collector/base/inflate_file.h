/* inflate_file.h - a file read from its beginning to its end, decompressed on the way when it is
 * gzip or zstd (by its first bytes), all members; memory does not grow with the file.
 */
#ifndef BASE_INFLATE_FILE_H
#define BASE_INFLATE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "collector/base/err.h"

struct inflate_file;

/* ERR_IO: cannot be read; ERR_BUSY: memory is short. */
int inflate_file_open(const char *path, struct inflate_file **file, struct err *err);
void inflate_file_close(struct inflate_file *file); /* NULL is fine */
/* Up to `size` (≥ 1) bytes; *n is 0 at the end. ERR_INVALID: damaged, or it ends in the middle. */
int inflate_file_read(struct inflate_file *file, char *bytes, size_t size, size_t *n,
                      struct err *err);

/* How much of the file itself has been read. */
uint64_t inflate_file_passed(const struct inflate_file *file);

#endif
