/* fuzz_json.c - the JSON reader against jansson: the input as a document, and a document made of
 * it. */
#include "tests/fuzz/fuzz.h"
#include "tests/oracle/json_oracle.h"

static void check(struct str text)
{
    struct buf why;
    buf_init(&why, SIZE_MAX / 2);
    FUZZ_CHECK(json_oracle_agrees(text, &why), "%.*s\n%.*s", STR_ARG(text), STR_ARG(buf_str(&why)));
    buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct choices choices = choices_of_bytes(data, size);
    struct buf made;
    check((struct str){(const char *)data, size});
    buf_init(&made, SIZE_MAX / 2);
    json_make(&choices, &made);
    check(buf_str(&made));
    buf_fini(&made);
    return 0;
}
