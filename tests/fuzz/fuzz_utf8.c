/* fuzz_utf8.c - classes, cleaning and cutting of text against a plain reader of UTF-8. */
#include <string.h>

#include "collector/base/utf8.h"
#include "collector/decode/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/oracle/naive_text.h"

static enum text_class plain_class(struct str text)
{
    enum text_class class = TEXT_PLAIN;
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.p[i];
        size_t n = naive_character((const unsigned char *)text.p + i, text.len - i);
        if (!n)
            return TEXT_BAD;
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            class = TEXT_VALID;
        i += n;
    }
    return class;
}

static void check_keep(struct str text, size_t max)
{
    struct batch batch = {0};
    struct str kept = text;
    bool plain;
    uint32_t n_cut = 0;
    char *expected = naive_keep(text, max);
    arena_init(&batch.arena, SIZE_MAX / 2);
    FUZZ_CHECK(text_keep(&batch, &kept, max, &n_cut, &plain), "no room");
    FUZZ_CHECK(str_eq(kept, str_of(expected)), "max %zu: '%.*s' instead of '%s'", max,
               STR_ARG(kept), expected);
    FUZZ_CHECK(!plain || plain_class(kept) == TEXT_PLAIN, "plain: '%.*s'", STR_ARG(kept));
    FUZZ_CHECK(n_cut || text.len <= max, "cut and not counted");
    arena_fini(&batch.arena);
    free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    enum text_class class = plain_class(text);
    struct arena arena;
    FUZZ_CHECK(utf8_classify(text) == class, "class %d instead of %d", utf8_classify(text), class);
    FUZZ_CHECK(plain_text(text) == (class == TEXT_PLAIN), "plain %d", plain_text(text));
    arena_init(&arena, SIZE_MAX / 2);
    struct str clean = utf8_clean(&arena, text);
    char *expected = naive_clean(text);
    FUZZ_CHECK(str_eq(clean, str_of(expected)), "'%.*s' instead of '%s'", STR_ARG(clean), expected);
    free(expected);
    arena_fini(&arena);
    for (size_t max = 0; max <= size && max < 20; max++)
        check_keep(text, max);
    check_keep(text, size / 2);
    check_keep(text, size);
    return 0;
}
