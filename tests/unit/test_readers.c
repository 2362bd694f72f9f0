/* test_readers.c - the JSON reader, the wire reader and decompression on what is good, bad and
 * hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "collector/base/inflate.h"
#include "collector/base/json.h"
#include "collector/base/wire.h"

static bool json_good(struct str text)
{
    struct json json;
    json_init(&json, text);
    return json_skip(&json, NULL) && json_end(&json);
}

static void json_takes_rfc8259_and_nothing_else(void **state)
{
    static const char *const good[] = {"{}",
                                       "[]",
                                       "0",
                                       "-0",
                                       "1e5",
                                       "1.5E-3",
                                       "\"\"",
                                       " [1 , 2] ",
                                       "{\"a\":{\"b\":[null,true,false]}}",
                                       "\"\\ud83d\\ude00\"",
                                       "\"\\u0000\""};
    static const char *const bad[] = {
        "",    "{",       "[1,]",      "{\"a\":1,}", "01",       "+1",        ".5",    "1.",
        "1e",  "nul",     "tru e",     "\"a",        "\"\x01\"", "{\"a\" 1}", "{a:1}", "[1 2]",
        "1 2", "\"\\x\"", "\"\\u12\"", "NaN",        "{}{}",     "]"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(json_good(str_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(json_good(str_of(bad[i])));
}

static void json_depth_is_bounded(void **state)
{
    static char deep[200000];
    (void)state;
    for (int depth = 64; depth <= 65; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        assert_int_equal(json_good((struct str){deep, (size_t)(2 * depth)}), depth == 64);
    }
    memset(deep, '[', sizeof(deep));
    assert_false(json_good((struct str){deep, sizeof(deep)}));
}

static void json_escapes_become_text(void **state)
{
    struct arena arena;
    struct json json;
    struct json_text text;
    (void)state;
    arena_init(&arena, 1u << 16);
    json_init(&json, STR("\"a\\n\\u00e9\\ud83d\\ude00\\ud800\\u0000\""));
    assert_true(json_string(&json, &text));
    assert_true(str_eq(json_unescape(&arena, text),
                       STR("a\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd")));
    arena_fini(&arena);
}

/* Every cut of a document is refused, and read within its bytes. */
static void json_cut_anywhere_is_refused(void **state)
{
    struct str whole = STR("{\"key\":[1.5e3,\"a\\u00e9b\",{\"x\":null}],\"b\":true}");
    (void)state;
    for (size_t n = 0; n < whole.len; n++) {
        char *exact = malloc(n ? n : 1);
        memcpy(exact, whole.p, n);
        assert_false(json_good((struct str){exact, n}));
        free(exact);
    }
    assert_true(json_good(whole));
}

static bool wire_good(struct str bytes)
{
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
    }
    return !wire.error;
}

static void wire_takes_fields_and_refuses_the_rest(void **state)
{
    (void)state;
    assert_true(wire_good(STR("\x08\x96\x01"))); /* varint */
    assert_true(wire_good(STR("\x0a\x03"
                              "abc\x11"
                              "12345678\x1d"
                              "1234")));              /* bytes, fixed64, fixed32 */
    assert_true(wire_good(STR("\x0b\x08\x01\x0c")));  /* a group, skipped */
    assert_false(wire_good(STR("\x0b\x08\x01\x14"))); /* a group that ends as another */
    assert_false(wire_good(STR("\x0b\x08\x01")));     /* a group without end */
    assert_false(wire_good(STR("\x0c")));             /* an end without group */
    assert_false(wire_good(STR("\x0a\x04"
                               "abc"))); /* a length past the end */
    assert_false(wire_good(STR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))); /* 2^63 bytes */
    assert_false(wire_good(
        STR("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))); /* a varint of 11 bytes */
    assert_false(wire_good(STR("\x00\x01")));                      /* field number 0 */
    assert_false(wire_good(STR("\x0f\x01")));                      /* wire type 7 */
}

static size_t pack(int window, struct str text, char *out, size_t room)
{
    z_stream stream = {0};
    deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = (Bytef *)(uintptr_t)text.p;
    stream.avail_in = (uInt)text.len;
    stream.next_out = (Bytef *)out;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

static int unpack(enum inflate_kind kind, struct str input, size_t max, size_t *n)
{
    char *bytes = NULL;
    struct err err = {0};
    int code = inflate_all(kind, input, max, &bytes, n, &err);
    free(bytes);
    return code;
}

static void gzip_members_ends_and_bombs(void **state)
{
    static char zeros[1 << 20], packed[8192], two[16384];
    size_t n, size = pack(15 + 16, (struct str){zeros, sizeof(zeros)}, packed, sizeof(packed));
    (void)state;
    assert_int_equal(unpack(INFLATE_GZIP, (struct str){packed, size}, 2 << 20, &n), 0);
    assert_int_equal(n, sizeof(zeros));
    assert_int_equal(unpack(INFLATE_GZIP, (struct str){packed, size}, sizeof(zeros), &n), 0);
    assert_int_equal(unpack(INFLATE_GZIP, (struct str){packed, size}, sizeof(zeros) - 1, &n),
                     ERR_TOO_BIG);
    memcpy(two, packed, size);
    memcpy(two + size, packed, size);
    assert_int_equal(unpack(INFLATE_GZIP, (struct str){two, 2 * size}, 4 << 20, &n), 0);
    assert_int_equal(n, 2 * sizeof(zeros));
    assert_int_equal(unpack(INFLATE_GZIP, (struct str){two, size + 5}, 4 << 20, &n), ERR_INVALID);
    for (size_t cut = 0; cut < size; cut += 7)
        assert_int_equal(unpack(INFLATE_GZIP, (struct str){packed, cut}, 4 << 20, &n), ERR_INVALID);
    packed[size - 6] ^= 1; /* the checksum */
    assert_int_equal(unpack(INFLATE_GZIP, (struct str){packed, size}, 4 << 20, &n), ERR_INVALID);
}

static void deflate_is_zlib_and_raw_is_refused(void **state)
{
    static char packed[8192];
    struct str text = STR("the same words and the same words again and the same words");
    size_t n, size = pack(15, text, packed, sizeof(packed));
    (void)state;
    assert_int_equal(unpack(INFLATE_ZLIB, (struct str){packed, size}, 1000, &n), 0);
    assert_int_equal(n, text.len);
    packed[size] = 'x';
    assert_int_equal(unpack(INFLATE_ZLIB, (struct str){packed, size + 1}, 1000, &n), ERR_INVALID);
    size = pack(-15, text, packed, sizeof(packed));
    assert_int_equal(unpack(INFLATE_ZLIB, (struct str){packed, size}, 1000, &n), ERR_INVALID);
    assert_int_equal(unpack(INFLATE_ZSTD, (struct str){packed, size}, 1000, &n), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_takes_rfc8259_and_nothing_else),
        cmocka_unit_test(json_depth_is_bounded),
        cmocka_unit_test(json_escapes_become_text),
        cmocka_unit_test(json_cut_anywhere_is_refused),
        cmocka_unit_test(wire_takes_fields_and_refuses_the_rest),
        cmocka_unit_test(gzip_members_ends_and_bombs),
        cmocka_unit_test(deflate_is_zlib_and_raw_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
