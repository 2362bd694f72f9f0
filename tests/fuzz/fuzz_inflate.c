/* fuzz_inflate.c - gzip, zlib, zstd and snappy bodies: never more than the ceiling, the same each
 * time. */
#include "collector/base/inflate.h"
#include "tests/fuzz/fuzz.h"

#define CEILING ((size_t)64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int kind = INFLATE_GZIP; kind <= INFLATE_SNAPPY; kind++) {
        struct str input = {(const char *)data, size};
        char *bytes = NULL, *again = NULL;
        size_t n = 0, m = 0;
        struct err err = {0};
        int code = inflate_all((enum inflate_kind)kind, input, CEILING, &bytes, &n, &err);
        FUZZ_CHECK(code == 0 || ((int)err.code == code && err.text[0]), "code %d", code);
        if (code)
            continue;
        FUZZ_CHECK(n <= CEILING && bytes[n] == '\0', "%zu bytes", n);
        FUZZ_CHECK(inflate_all((enum inflate_kind)kind, input, n, &again, &m, NULL) == 0 && m == n,
                   "%zu bytes did not fit into themselves", n);
        free(again);
        if (n)
            FUZZ_CHECK(inflate_all((enum inflate_kind)kind, input, n - 1, &again, &m, NULL) ==
                           ERR_TOO_BIG,
                       "%zu bytes fitted into one less", n);
        free(bytes);
    }
    return 0;
}
