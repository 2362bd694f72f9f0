/* fuzz_otlp_made.c - the input is the decisions of a generator of trace requests. What it made is
 * read as protobuf, as JSON, and by protobuf-c: all three say the same. */
#include "tests/fuzz/fuzz.h"
#include "tests/oracle/otlp_same.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct choices choices = choices_of_bytes(data, size);
    struct buf why;
    buf_init(&why, SIZE_MAX / 2);
    FUZZ_CHECK(otlp_same(&choices, &why), "%.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
    return 0;
}
